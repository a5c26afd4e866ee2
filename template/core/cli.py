"""The tool's own command line: serve, migrate, run jobs, people, tokens, and a look inside."""

import signal
import socket
import sys
from html import escape
from typing import Any

import click
import uvicorn
from sqlalchemy import select
from sqlmodel import col
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount

from . import auth, marks, migrations, pages, security, settings
from .cli_jobs import jobs
from .cli_people import token, users
from .db import rotate
from .errors import CoreError, UserError, in_one_line
from .opening import COMMAND_LINE, SERVED_AT, load_app, opened

NO_ADMIN = "no admin is active; make one with: python -m core users add NAME --role admin"
QUIET: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "proxy_headers": False}
WATCHED = {"reload_dirs": ["app", "core", "migrations"], "reload_includes": ["*.html", "*.py"]}
BROKEN = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Not started</title>
<h1>The tool does not start</h1><p><code>{}</code></p><p>Save the file; this page comes back.</p>"""
HOST = click.option("--host", help="The address to listen on; HOST otherwise.")
PORT = click.option("--port", type=int, help="The port to listen on; PORT otherwise.")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
secrets = click.Group("secrets", help="The key that encrypts secrets in the database.")
cli = click.Group("core", commands=[users, token, jobs, secrets], help=__doc__, context_settings=CONTEXT)


def main() -> None:
    """Run one command; a mistake of the person prints one line, a bug prints its traceback."""
    try:
        cli()
    except CoreError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@cli.command()
@HOST
@PORT
def dev(host: str | None, port: int | None) -> None:
    """Migrate, print a sign-in link, serve, and start again at every change of a file."""
    _serve(host, port, reload=True)


@cli.command()
@HOST
@PORT
@click.option("--workers", default=1, help="How many processes answer.", show_default=True)
def serve(host: str | None, port: int | None, workers: int) -> None:
    """Migrate, print a sign-in link while nobody has signed in yet, and serve."""
    _serve(host, port, workers=workers)


def _serve(host: str | None, port: int | None, *, reload: bool = False, workers: int = 1) -> None:
    # Being asked to stop is no failure: uvicorn ends in order, then raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with opened() as runtime:
        upgrade_all(runtime)
        here = runtime.settings
        host, port = host or here.host, here.port if port is None else port
        _check_port(host, port)
        url = here.model_copy(update={"host": host, "port": port}).url
        (here.data_dir / SERVED_AT).write_text(url)
        with runtime.database.write(COMMAND_LINE) as db:
            if reload or auth.nobody_signed_in_yet(db):
                way = f"{url}{auth.make_link(db, admin)}" if (admin := _first_admin(db)) else NO_ADMIN
                click.echo(f"\n  Sign in: {way}\n", err=True)
    started: dict[str, Any] = {"factory": True, "reload": True, **WATCHED} if reload else {"workers": workers}
    target = "core.cli:reloaded" if reload else "app.main:app"
    uvicorn.run(target, host=host, port=port, timeout_graceful_shutdown=10, **QUIET, **started)


def reloaded() -> Any:
    """The app as `dev` serves it after each change: migrated, or a page that says why it does not start."""
    try:
        with opened() as runtime:
            upgrade_all(runtime)
        return load_app()
    except Exception as error:  # the boundary to the project's code: the next save may have mended it
        said = in_one_line(error, settings.PROJECT)
        click.echo(f"\n  error: {said}\n", err=True)
        return broken(said)


def broken(text: str) -> Starlette:
    """An ASGI app whose every page is one error, and asks again every two seconds."""
    headers = {"Content-Security-Policy": security.POLICY, "Cache-Control": "no-store"}
    return Starlette(routes=[Mount("/", HTMLResponse(BROKEN.format(escape(text)), 503, headers))])


def _check_port(host: str, port: int) -> None:
    """Raise UserError when the port cannot be listened on: before a link is printed that leads to somebody else."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise UserError(f"cannot listen there: {error.strerror}; choose another: --port 8001") from error


def _first_admin(db: Any) -> auth.User | None:
    """The first admin who is active, made when there is none; None when another user has the name."""
    active = select(auth.User).where(col(auth.User.role) == "admin", col(auth.User.is_active))
    found: auth.User | None = db.execute(active.order_by(col(auth.User.id))).scalar()
    return found or (None if auth.find_user(db, "admin") else auth.add_user(db, "admin", "admin"))


@cli.command()
@click.option("--new", "message", default="", metavar="WHAT", help="Write a revision for what changed in the models.")
def migrate(message: str) -> None:
    """Bring the database to this version; with --new, write the next revision of your own tables."""
    with opened() as runtime:
        if message:
            from .migrations import alembic  # here, for it takes a third of a second

            path = alembic.new_revision(runtime.database, migrations.app_history(), message)
            wrote = f"wrote {path}; read it, then run: python -m core migrate"
            return click.echo(wrote if path else "the models and the tables agree")
        for name, ran in upgrade_all(runtime).items():
            click.echo(f"{name}: {' '.join(ran) or 'up to date'}")


def upgrade_all(runtime: pages.Runtime) -> dict[str, list[str]]:
    """Run every pending migration; what ran, by history."""
    return migrations.upgrade(runtime.database, runtime.app.histories, snapshots=runtime.settings.data_dir / "backups")


@cli.command()
def routes() -> None:
    """List every page and action: method, path, who may, and which function answers; the API is at /-/api."""
    app = load_app()
    for feature in [*app.features, *app.builtins]:
        for function, mark in feature.surface:
            method = "GET" if isinstance(mark, marks.PageMark) else "POST"
            who, what = "public" if mark.public else mark.role, f"{function.__name__}  {marks.summary(function)}"
            click.echo(f"{method:5} {mark.path:36} {who:9} {feature.name}.{what}")


@cli.command()
@click.argument("path")
@click.option("--role", default="admin", help="As whom to look.")
def get(path: str, role: str) -> None:
    """Print what a page answers, as somebody with a role would see it; no server is needed."""
    from starlette.testclient import TestClient  # here, for no server needs it

    who = auth.Identity("command line", auth.known_role(role))
    with opened() as runtime:
        runtime.app.serve(runtime)

        async def as_somebody(scope: Any, *channels: Any) -> None:
            scope["state"] = {"identity": who, "request_id": "command-line"}
            await runtime.app.api(scope, *channels)
            security.settle(scope, 500)

        browser = TestClient(as_somebody, base_url="http://localhost", headers={"accept": "text/html"})
        answer = browser.get(path, follow_redirects=False)
    click.echo(answer.text)
    if answer.status_code >= 400:
        sys.exit(1)


@cli.command()
@click.option("--seconds", default=5.0, show_default=True)
def selfcheck(seconds: float) -> None:
    """Try the data folder's disk: several processes read and write; nothing may fail or get lost."""
    from .selfcheck import check

    here = settings.load(load_app().settings_class)
    if problem := check(here.data_dir, seconds=seconds):
        raise UserError(problem)
    click.echo("all is well: no error, no lost update")


@cli.command("settings")
def list_settings() -> None:
    """List every setting: its value, where that came from, what it is for."""
    for row in settings.listing(settings.load(load_app().settings_class)):
        click.echo("{name:22} {value:32} {source:12} {description}".format_map(row))


@secrets.command("rotate")
@click.option("--drop-old", is_flag=True, help="Forget the old keys, when no backup needs them any more.")
def rotate_secrets(drop_old: bool) -> None:
    """Make a new key and encrypt every secret with it; the old keys stay, for backups and for what is running."""
    with opened() as runtime:
        rows = rotate(runtime.database, COMMAND_LINE)
        if drop_old:
            runtime.database.keyring.drop_old_keys()
    click.echo(f"{rows:,} rows are encrypted with a new key; the old ones {'are gone' if drop_old else 'are kept'}")
