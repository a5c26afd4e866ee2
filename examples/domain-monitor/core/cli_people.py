"""The commands about people and programs: users, and API tokens. The pages do the rest."""

import sys

import click
from sqlalchemy import select
from sqlmodel import col

from . import auth, marks
from .db import Session
from .errors import UserError
from .opening import COMMAND_LINE, opened, write
from .time import ago, in_days, now

NAME = click.argument("name")
ROLE = click.option("--role", default="viewer", show_default=True, help=", ".join(marks.ROLES))


@click.group()
def users() -> None:
    """People who may sign in."""


@click.group()
def token() -> None:
    """API tokens, for programs."""


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


@users.command("password")
@NAME
def set_password(name: str) -> None:
    """Set a user's password; it is asked for, or read from standard input."""
    is_asked = sys.stdin.isatty()
    typed = click.prompt("Password", hide_input=True, confirmation_prompt=True) if is_asked else sys.stdin.readline()
    write(lambda db: auth.set_password(db, _user(db, name), typed.rstrip("\n")))


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


@token.command("list")
def list_tokens() -> None:
    """List the API tokens."""
    with opened() as runtime, runtime.database.read() as db:
        for one in db.execute(select(auth.Token).order_by(col(auth.Token.id))).scalars():
            until = f", until {one.expires_at:%Y-%m-%d}" if one.expires_at else ""
            used = f"used {ago(one.last_used_at, now())}" if one.last_used_at else "never used"
            only = f", only {one.scopes}" if one.scopes else ""
            click.echo(f"{one.id:4}  {one.name:30} {one.role:9} made {one.created_at:%Y-%m-%d}, {used}{until}{only}")


@token.command("revoke")
@click.argument("id", type=int)
def revoke_token(id: int) -> None:
    """Delete an API token; it stops working at once."""
    with opened() as runtime, runtime.database.write(COMMAND_LINE) as db:
        if (found := db.get(auth.Token, id)) is None:
            raise UserError(f"there is no token {id}; see: python -m core token list")
        db.delete(found)
