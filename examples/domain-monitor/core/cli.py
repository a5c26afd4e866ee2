"""The tool's own command line: serve, migrate, run jobs, people, tokens, and a look inside."""

import signal
import socket
import sys
from typing import Any

import click
import uvicorn
from sqlalchemy import select
from sqlmodel import col

from . import auth, commands, marks, migrations, settings
from .app import Runtime
from .auth import Identity, User
from .cli_jobs import jobs
from .cli_people import token, users
from .db import rotate
from .errors import CoreError, UserError
from .opening import COMMAND_LINE, SERVED_AT, load_app, opened
from .settings import PROJECT

TARGET = "app.main:app"
NO_ADMIN = "no admin is active; make one with: python -m core users add NAME --role admin"
HOST = click.option("--host", default="", help="The address to listen on; HOST otherwise.")
PORT = click.option("--port", default=-1, help="The port to listen on; PORT otherwise.", show_default=False)


@click.group(help=__doc__, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """The commands of a tool."""


for command in (users, token, jobs, commands.list_settings):
    cli.add_command(command)


@cli.group()
def secrets() -> None:
    """The key that encrypts secrets in the database."""


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
def dev(host: str, port: int) -> None:
    """Migrate, print a sign-in link, serve, and start again at every change of a file."""
    _serve(host, port, reload=True)


@cli.command()
@HOST
@PORT
@click.option("--workers", default=1, help="How many processes answer.", show_default=True)
def serve(host: str, port: int, workers: int) -> None:
    """Migrate, print a sign-in link while nobody has signed in yet, and serve."""
    _serve(host, port, workers=workers)


def _serve(host: str, port: int, *, reload: bool = False, workers: int = 1) -> None:
    # Being asked to stop is no failure: uvicorn ends in order, then raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with opened() as runtime:
        upgrade_all(runtime)
        here = runtime.settings
        _check_port(host or here.host, here.port if port < 0 else port)
        host, port = host or here.host, here.port if port < 0 else port
        url, way = (here.base_url or here.url_on(host, port)).rstrip("/"), ""
        (here.data_dir / SERVED_AT).write_text(url)
        with runtime.database.write(COMMAND_LINE) as db:
            if reload or auth.nobody_signed_in_yet(db):
                admin = _first_admin(db)
                way = f"{url}{auth.make_link(db, admin)}" if admin else NO_ADMIN
        if way:
            click.echo(f"\n  Sign in: {way}\n", err=True)
    uvicorn.run(
        "core.dev:reloaded" if reload else TARGET,
        factory=reload,
        host=host,
        port=port,
        reload=reload,
        reload_dirs=[name for name in ("app", "core", "migrations") if (PROJECT / name).is_dir()] if reload else None,
        reload_includes=["*.html", "*.py"] if reload else None,
        workers=workers,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the gate reads them, see security.py
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _check_port(host: str, port: int) -> None:
    """Raise UserError when the port cannot be listened on: before a link is printed that leads to somebody else."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = f"cannot listen on {host}:{port} ({error.strerror})"
            raise UserError(f"{what}; choose another: --port 8001") from error


def _first_admin(db: Any) -> User | None:
    """The first admin who is active, made when there is none; None when another user has the name."""
    active = select(User).where(col(User.role) == "admin", col(User.is_active))
    found = db.execute(active.order_by(col(User.id))).scalar()
    if found is None and auth.find_user(db, "admin"):
        return None
    return found or auth.add_user(db, "admin", "admin")


@cli.command()
@click.option("--new", "message", default="", metavar="WHAT", help="Write a revision for what changed in the models.")
def migrate(message: str) -> None:
    """Bring the database to this version; with --new, write the next revision of your own tables."""
    with opened() as runtime:
        if not message:
            ran = upgrade_all(runtime)
            click.echo("\n".join(f"{name}: {' '.join(todo) or 'up to date'}" for name, todo in ran.items()))
            return
        from .migrations import alembic  # here, for it takes a third of a second

        path = alembic.new_revision(runtime.database, migrations.app_history(), message)
        click.echo(
            f"wrote {path}; read it, then run: python -m core migrate" if path else "the models and the tables agree"
        )


def upgrade_all(runtime: Runtime) -> dict[str, list[str]]:
    """Run every pending migration; what ran, by history."""
    return migrations.upgrade(runtime.database, runtime.histories, snapshots=runtime.settings.data_dir / "backups")


@cli.command()
def routes() -> None:
    """List every address: method, path, who may, and which function answers."""
    app = load_app()
    for feature in [*app.features, *app.builtins]:
        for function, mark in feature.surface:
            method = "GET" if isinstance(mark, marks.PageMark) else "POST"
            who = "public" if mark.public else mark.role
            what = f"{feature.name}.{function.__name__}  {marks.summary(function)}"
            click.echo(f"{method:5} {mark.path:36} {who:9} {what}")
        for router in feature.routers:
            for route in router.routes:
                methods = ",".join(sorted(getattr(route, "methods", None) or ["WS"]))
                path, name = getattr(route, "path", ""), getattr(route, "name", "")
                click.echo(f"{methods:5} {path:36} viewer    {feature.name}.{name}")


@cli.command()
@click.argument("path")
@click.option("--role", default="admin", help="As whom to look.")
def get(path: str, role: str) -> None:
    """Print what a page answers, as somebody with a role would see it; no server is needed."""
    with opened() as runtime:
        answer = load_app().look(runtime, path, Identity("command line", auth.known_role(role)))
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


@secrets.command("rotate")
@click.option("--drop-old", is_flag=True, help="Forget the old keys, when no backup needs them any more.")
def rotate_secrets(drop_old: bool) -> None:
    """Make a new key and encrypt every secret with it; the old keys stay, for backups and for what is running."""
    with opened() as runtime:
        rows = rotate(runtime.database, COMMAND_LINE)
        if drop_old:
            runtime.database.keyring.drop_old_keys()
    click.echo(f"{rows:,} rows are encrypted with a new key; the old ones {'are gone' if drop_old else 'are kept'}")
