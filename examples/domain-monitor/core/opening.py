"""The project's app, opened for the command line: its database and jobs, without its clock or a server."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import click

from . import log, settings
from .app import App
from .db import Actor, Session
from .errors import UserError, in_one_line
from .pages import Runtime
from .settings import PROJECT

SERVED_AT = "url"  # in the data folder: where the tool was served last
COMMAND_LINE = Actor("command line", "cli")


def load_app() -> App:
    """The project's app, from app/main.py."""
    try:
        app = importlib.import_module("app.main").app
    except Exception as error:  # the boundary to the project's code: its mistakes are told with their place
        raise UserError(in_one_line(error, PROJECT)) from error
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
    with opened() as runtime:
        with runtime.database.write(COMMAND_LINE) as db:
            said = change(db)
        here, served = runtime.settings, runtime.settings.data_dir / SERVED_AT
        url = served.read_text() if served.exists() and not here.base_url else here.url
    click.echo(f"{url}{said}" if said.startswith("/") else said)
