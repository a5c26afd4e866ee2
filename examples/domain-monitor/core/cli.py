"""The tool's own command line: serve, migrate, run jobs, people, tokens, and a look inside."""

import importlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from html import escape
from typing import Any

import click
import uvicorn
from jinja2 import TemplateError
from sqlalchemy import select
from sqlmodel import SQLModel, col
from starlette.responses import HTMLResponse

from . import auth, crypto, log, marks, migrations, security, settings
from .app import App, ready
from .db import Actor, Session
from .errors import CoreError, UserError, in_one_line
from .jobs import LIVE, Job, JobRun, RunLog
from .pages import Runtime
from .scheduler import ask
from .time import in_days
from .ui import CORE

NO_ADMIN = "no admin is active; make one with: python -m core users add NAME --role admin"
QUIET: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "proxy_headers": False}
WATCHED = {"reload_dirs": ["app", "core", "migrations"], "reload_includes": ["*.html", "*.py"]}
HOST = click.option("--host", help="The address to listen on; HOST otherwise.")
PORT = click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on; PORT otherwise.")
NAME = click.argument("name")
ROLE = click.option("--role", default="viewer", show_default=True, help=", ".join(marks.ROLES))
COMMAND_LINE = Actor("command line", "cli")
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
users = click.Group("users", help="People who may sign in.")
token = click.Group("token", help="API tokens, for programs.")
jobs = click.Group("jobs", help="What runs by itself.")
secrets = click.Group("secrets", help="What is stored encrypted, and its key.")
cli = click.Group("core", commands=[users, token, jobs, secrets], help=__doc__, context_settings=CONTEXT)


def main() -> None:
    """Run one command; a mistake of the person, or in a template, prints one line; a bug its traceback."""
    try:
        cli()
    except (CoreError, TemplateError) as error:
        click.echo(f"error: {in_one_line(error, settings.PROJECT)}", err=True)
        sys.exit(1)


def load_app() -> App:
    """The project's app, from app/main.py."""
    try:
        app = importlib.import_module("app.main").app
    except Exception as error:  # the boundary to the project's code: its mistakes are told with their place
        raise UserError(in_one_line(error, settings.PROJECT)) from error
    if not isinstance(app, App):
        raise UserError("app/main.py has no App; write: app = App(features=[…])")
    return app


@contextmanager
def opened() -> Iterator[Runtime]:
    """The app's database and jobs, without its clock or a server."""
    app = load_app()
    configured = settings.load(app.settings_class)
    log.configure(configured.model_copy(update={"log_level": "warning"}))
    runtime = app.open(configured)
    with closing(runtime.database):
        yield runtime


def write(change: Callable[[Session], str]) -> None:
    """Change something in one transaction, and print what came of it; a path as an address where people reach it."""
    with opened() as runtime, runtime.database.write(COMMAND_LINE) as db:
        said = change(db)
    click.echo(f"{runtime.settings.url}{said}" if said.startswith("/") else said)


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
        try:  # before a link is printed that leads to somebody else
            socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        except OSError as error:
            raise UserError(f"{host}:{port} cannot be taken: {error.strerror}; use another --port or --host") from error
        url = here.model_copy(update={"host": host, "port": port}).url
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
        headers = {"Content-Security-Policy": security.POLICY, "Cache-Control": "no-store"}
        return HTMLResponse((CORE / "templates" / "broken.html").read_text().format(escape(said)), 503, headers)


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


def upgrade_all(runtime: Runtime) -> dict[str, list[str]]:
    """Run every pending migration; what ran, by history."""
    return migrations.upgrade(runtime.database, runtime.app.histories, snapshots=runtime.settings.data_dir / "backups")


@cli.command()
def routes() -> None:
    """List every page and action: method, path, who may, and which function answers; the API is at /-/api."""
    app = load_app()
    for feature in [*app.features, *app.builtins]:
        for function, mark in feature.surface:
            who, what = "public" if mark.public else mark.role, f"{function.__name__}  {marks.summary(function)}"
            click.echo(f"{mark.method:5} {mark.path:36} {who:9} {feature.name}.{what}")


@cli.command()
@click.argument("path")
@click.option("--role", default="admin", help="As whom to look.")
def get(path: str, role: str) -> None:
    """Print what a page answers, as somebody with a role would see it; no server is needed."""
    from starlette.testclient import TestClient  # here, for no server needs it

    who = auth.Identity("command line", auth.known_role(role))
    with opened() as runtime:
        runtime.app.runtime = runtime.app.api.state.runtime = runtime

        async def as_somebody(scope: Any, *channels: Any) -> None:
            scope["state"] = {"identity": who, "request_id": "command-line"}
            await runtime.app.api(scope, *channels)
            security.settle(scope, 500)

        browser = TestClient(as_somebody, base_url="http://localhost", headers={"accept": "text/html"})
        answer = browser.get(path, follow_redirects=False)
    click.echo(answer.text)
    sys.exit(answer.status_code >= 400)


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


@users.command("list")
def list_users() -> None:
    """List the users and their roles."""
    with opened() as runtime, runtime.database.read() as db:
        for user in db.execute(select(auth.User).order_by(col(auth.User.name))).scalars():
            click.echo(f"{user.name:30} {user.role:9} {'' if user.is_active else 'disabled'}")


@users.command("add")
@NAME
@ROLE
def add_user(name: str, role: str) -> None:
    """Add a user and print a sign-in link for them."""
    write(lambda db: auth.make_link(db, auth.add_user(db, name, role)))


@users.command("link")
@NAME
def make_link(name: str) -> None:
    """Print a new sign-in link for a user; it works once, for 24 hours."""
    write(lambda db: auth.make_link(db, _user(db, name)))


def _user(db: Session, name: str) -> auth.User:
    if (user := auth.find_user(db, name)) is None:
        raise UserError(f"there is no user {name!r}; see: python -m core users list")
    return user


@token.command("create")
@click.option("--name", default="command line", help="What it is for.")
@ROLE
@click.option("--scope", "scopes", multiple=True, help="Only “read”, or only below a path as in /domains; repeatable.")
@click.option("--days", type=click.IntRange(min=1), help="How long it works; for ever when left out.")
def create_token(name: str, role: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make an API token and print it; it is not shown again. Send it as `Authorization: Bearer`."""
    until = in_days(days) if days else None
    write(lambda db: auth.make_token(db, name, role, scopes=" ".join(scopes), expires_at=until))


@secrets.command("rotate")
def rotate_key() -> None:
    """Encrypt every stored secret with a new key, while the tool runs; the older ones stay for older backups."""
    with opened() as runtime:
        if behind := ready(runtime):
            raise UserError("; ".join(behind))
        try:
            done = crypto.rotate(runtime.database, COMMAND_LINE, SQLModel.metadata)
        except OSError as error:  # a file that is mounted by itself, or for reading only
            raise UserError(f"{crypto.KEY_FILE} cannot be replaced: {error.strerror}; nothing is changed") from error
    click.echo(f"encrypted with a new key: {done}; delete the older lines of {crypto.KEY_FILE} with the older backups")


@jobs.command("list")
def list_jobs() -> None:
    """List the jobs, when they are due and what they do."""
    with opened() as runtime, runtime.database.read() as db:
        paused = set(db.execute(select(col(Job.name)).where(col(Job.paused_at).is_not(None))).scalars())
        for job in runtime.scheduler.jobs.values():
            click.echo(f"{job.name:30} {'paused' if job.name in paused else job.when:16} {job.summary}")


@jobs.command("run")
@click.argument("name")
@click.argument("params", nargs=-1, metavar="[KEY=VALUE]...")
def run_job(name: str, params: tuple[str, ...]) -> None:
    """Run a job here and now, and show its log; exit code 1 unless it succeeds."""
    with opened() as runtime:
        scheduler, job = runtime.scheduler, runtime.scheduler.job(name)
        with runtime.database.write(COMMAND_LINE) as db:
            form = job.form(db, dict(param.partition("=")[::2] for param in params))
            if form.problems:
                raise UserError("; ".join(f"{p.name}: {p.error}" if p.name else p.error for p in form.problems))
            run = ask(db, job, COMMAND_LINE.name, form.json())
        try:
            if scheduler.take(run):  # else the server was faster, and its run is followed
                scheduler.runner.start(job, run)
            seen, state = 0, LIVE[0]
            while state in LIVE:
                time.sleep(0.3)
                with runtime.database.read() as db:
                    state = db.get_one(JobRun, run.id).state
                    new = select(RunLog).where(col(RunLog.run_id) == run.id, col(RunLog.id) > seen)
                    for line in db.execute(new.order_by(col(RunLog.id))).scalars().all():
                        click.echo(f"{line.at:%H:%M:%S} {line.level:7} {line.text}\n{line.detail}".rstrip())
                        seen = line.id or seen
        finally:  # Ctrl-C ends the run; a run that failed gets its retry queued
            scheduler.runner.stop()
        click.echo(state)
        sys.exit(state != "succeeded")
