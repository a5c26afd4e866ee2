"""The project's app, opened for the command line: its database and jobs, without its clock or a server."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from . import log, settings
from .app import App, Runtime
from .db import Actor, Session
from .errors import CoreError, UserError, in_one_line
from .settings import PROJECT

SERVED_AT = "url"  # in the data folder: where the tool was served last
COMMAND_LINE = Actor("command line", "cli")


def load_app() -> App:
    """The project's app, from app/main.py."""
    try:
        app = importlib.import_module("app.main").app
    except CoreError:
        raise
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
    try:
        yield runtime
    finally:
        runtime.database.close()


@contextmanager
def writing() -> Iterator[tuple[Session, Callable[[str], None]]]:
    """A transaction of the command line's, and how to tell what it made: printed once that is committed.

    A path gets the address in front where people reach the tool: as configured, else where it was served last.
    """
    told: list[str] = []
    with opened() as runtime:
        with runtime.database.write(COMMAND_LINE) as db:
            yield db, told.append
        here, served = runtime.settings, runtime.settings.data_dir / SERVED_AT
        url = served.read_text() if served.exists() and not here.base_url else here.url
    click.echo("\n".join(f"{url}{line}" if line.startswith("/") else line for line in told), nl=bool(told))
