"""Who may use this tool: users, their roles, and the API tokens of all."""

from fastapi import Request

from ... import auth
from ...auth import DEEDS, Token, User
from ...db import Session
from ...errors import Refused
from ...forms import Field, Form
from ...marks import ROLES
from ...pages import DB, Data, Go, Params, View, action, page
from ...tables import Cell, Column, Table
from ...time import ago, now
from .account import tokens
from .sign_in import origin

USERS = Table(
    User,
    Column(User.name, search=True),
    Column(User.role, filter=True),
    Column(User.is_active, label="May sign in", filter=True),
    Column(User.signed_in_at, label="Signed in", show=lambda at, _: Cell(ago(at, now()) if at else "never")),
    Column(User.issuer, label="Known by", filter=True, empty="this tool", show=lambda who, _: who or "this tool"),
    sort=User.name,
    link="/-/people/{id}",
)
ROLE = Form(User, Field(Token.role, choices=ROLES))  # a token's has no default, so the form asks for one
USER = Form(User, Field(User.name), *ROLE.fields)


@page("/-/people", nav="People", icon="users", role="admin")
def index(db: DB, params: Params) -> View:
    """Who may use this tool, and as what."""
    return View("people.html", people=USERS.load(db, params), form=USER.show(db))


@page("/-/people/tokens", role="admin")
def all_tokens(db: DB) -> View:
    """Every API token, of people and of programs."""
    return View("tokens.html", title="API tokens", tokens=tokens(db))


@page("/-/people/{id}", role="admin")
def show(id: int, db: DB) -> View:
    """What a person may, and what you can do about it."""
    person = _person(db, id)
    return View("person.html", title=person.name, person=person, form=ROLE.show(db, person))


@action("/-/people", role="admin")
def add(request: Request, db: DB, data: Data) -> View:
    """Add a person."""
    form = USER.read(db, data)
    if not form.is_valid:
        return View("form.html", status=422, title="Add person", form=form)
    return _invitation(request, db, auth.add_user(db, **form.data))


@action("/-/people/{id}/link", role="admin")
def link(id: int, request: Request, db: DB) -> View:
    """Make a sign-in link for somebody else."""
    return _invitation(request, db, _person(db, id))


@action("/-/people/{id}/role", role="admin")
def change_role(id: int, db: DB, data: Data) -> Go:
    """Give a person another role."""
    person = _person(db, id)
    auth.change_role(db, person, str(data.get("role", "")))
    return Go(show, id=id, toast=f"{person.name} is {person.role} now")


@action("/-/people/{id}/{deed}", role="admin")
def do(id: int, deed: str, db: DB) -> Go:
    """Disable or enable a person, or sign them out everywhere."""
    if deed not in DEEDS:
        raise Refused(404, f"Nobody can be {deed}.")
    person, (change, said) = _person(db, id), DEEDS[deed]
    change(db, person)
    return Go(show, id=id, toast=f"{person.name} {said}")


def _person(db: Session, id: int) -> User:
    if (person := db.get(User, id)) is None:
        raise Refused(404, f"There is no person {id}.")
    return person


def _invitation(request: Request, db: Session, person: User) -> View:
    url, back = f"{origin(request)}{auth.make_link(db, person)}", f"/-/people/{person.id}"
    title, subtitle = f"A sign-in link for {person.name}", "It works once, within 24 hours."
    return View("core/secret.html", title=title, subtitle=subtitle, secret=url, back=back)
