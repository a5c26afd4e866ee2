"""Signing in with a password or a link; one's own account; and, for admins, people and tokens."""

from typing import Any, Literal

from fastapi import Request
from sqlalchemy import select, true
from sqlmodel import col
from starlette.responses import RedirectResponse, Response

from ... import auth, security
from ...auth import Identity, SignedIn, Token, User
from ...crypto import fingerprint
from ...db import Session
from ...errors import Refused
from ...forms import Field, Form
from ...marks import ROLES
from ...pages import DB, CurrentUser, Data, Go, Params, View, action, page, serving
from ...settings import Settings
from ...tables import Cell, Column, Table
from ...time import ago, now

USERS = Table(
    User,
    Column(User.name, search=True), Column(User.role, filter=True),
    Column(User.is_active, label="May sign in", filter=True),
    Column(User.signed_in_at, label="Signed in", show=lambda at, _: Cell(ago(at, now()) if at else "never")),
    Column(User.issuer, label="Known by", filter=True, empty="this tool", show=lambda who, _: who or "this tool"),
    sort=User.name, link="/-/people/{id}",
)  # fmt: skip
ROLE = Form(User, Field(Token.role, choices=ROLES))  # a token's has no default, so the form asks for one
USER = Form(User, Field(User.name), *ROLE.fields)


@page("/-/sign-in", public=True)
def sign_in(request: Request) -> View:
    """Sign in with your name and password, or open a sign-in link."""
    return _sign_in(request, request.query_params.get("next", ""))


@action("/-/sign-in", public=True)
def sign_in_with_password(request: Request, db: DB, data: Data) -> View | Response:
    """Sign in with a password."""
    name, password, target = (str(data.get(field, "")) for field in ("name", "password", "next"))
    if user := auth.prove(serving(request).database, security.actor_of(request), name, password):
        return security.welcome(request, db, user, target)
    error = "That name and password do not fit. Ask for a sign-in link if you have no password."
    return _sign_in(request, target, status=422, name=name, error=error)


def _sign_in(request: Request, target: str, *, status: int = 200, name: str = "", error: str = "") -> View:
    shown: dict[str, Any] = {"next": security.local(target), "name": name, "is_exposed": security.is_exposed(request)}
    return View("sign_in.html", status=status, title="Sign in", error=error, **shown)


@page("/-/sign-in/{secret}", public=True)
def open_link(secret: str, db: DB) -> View:
    """A sign-in link: press the button to sign in."""
    return View("open_link.html", title=f"Sign in as {auth.link_user(db, secret).name}", secret=secret)


@action("/-/sign-in/{secret}", public=True)
def use_link(request: Request, secret: str, db: DB) -> Response:
    """Sign in with a link."""
    return security.welcome(request, db, auth.link_user(db, secret, take=True), "/")


@action("/-/sign-out", role="viewer")
def sign_out(request: Request, db: DB, settings: Settings) -> Response:
    """Sign out of this browser."""
    response, cookie = RedirectResponse("/-/sign-in", 303), security.cookie_name(settings)
    auth.end_session(db, fingerprint(request.cookies.get(cookie, "")))
    response.delete_cookie(cookie)
    return response


@action("/-/theme", public=True)
def theme(request: Request, data: Data, settings: Settings) -> Response:
    """Choose the light or the dark theme for this browser."""
    response, chosen = RedirectResponse(security.local(str(data.get("next", ""))), 303), data.get("theme")
    kept = str(chosen) if chosen in ("dark", "light") else "auto"
    security.set_cookie(response, request, security.cookie_name(settings, "theme"), kept, max_age=31_536_000)
    return response


@page("/-/account")
def account(request: Request, db: DB, user: CurrentUser, settings: Settings) -> View:
    """Where you are signed in, your password, and your API tokens; an admin sees those of all."""
    me, here = _me(db, user), fingerprint(request.cookies.get(security.cookie_name(settings), ""))
    mine = select(SignedIn).where(col(SignedIn.user_id) == me.id).order_by(col(SignedIn.seen_at).desc())
    theirs = true() if user.can("admin") else col(Token.user_id) == me.id
    shown: dict[str, Any] = {"me": me, "here": here, "shortest": auth.SHORTEST_PASSWORD}
    shown["tokens"] = db.execute(select(Token, User).outerjoin(User).where(theirs).order_by(col(Token.name))).all()
    return View("account.html", sessions=db.execute(mine).scalars().all(), form=_token(user).show(db), **shown)


@action("/-/account/sessions/{key}/end", role="viewer")
def end_session(key: str, db: DB, user: CurrentUser) -> Go:
    """Sign out of another browser."""
    if (row := db.get(SignedIn, key)) and row.user_id == _me(db, user).id:
        auth.end_session(db, key)
    return Go(account, toast="That browser is signed out")


@action("/-/account/password", role="viewer")
def set_password(request: Request, db: DB, data: Data, user: CurrentUser) -> Response:
    """Set your password."""
    database, current = serving(request).database, str(data.get("current", ""))
    with database.read() as reader:
        me = _me(reader, user)
    if me.password_hash and not auth.prove(database, security.actor_of(request), me.name, current):
        raise Refused(422, "This is not your current password.")
    auth.set_password(db, me := _me(db, user), str(data.get("password", "")))
    return security.welcome(request, db, me, "/-/account")


@action("/-/tokens", role="viewer")
def add_token(db: DB, data: Data, user: CurrentUser) -> View:
    """Make an API token."""
    form, me = _token(user).read(db, data), _me(db, user)
    if me.id is None:
        raise Refused(403, "A program makes no tokens; sign in as a person.")
    if not form.is_valid:
        return View("form.html", status=422, title="Make token", form=form)
    secret, title = auth.make_token(db, **form.data, owner=me.id), f"The token {form.data['name']}"
    subtitle = "A program sends it as “Authorization: Bearer …”."
    return View("core/secret.html", title=title, subtitle=subtitle, secret=secret, back="/-/account")


@action("/-/tokens/{id}/revoke", role="viewer")
def revoke(id: int, db: DB, user: CurrentUser) -> Go:
    """Revoke an API token; it stops working at once."""
    token, me = db.get(Token, id), _me(db, user)
    if token is None or not (user.can("admin") or (me.id and token.user_id == me.id)):
        raise Refused(404, f"There is no token {id} of yours; it may be revoked already.")
    db.delete(token)
    return Go(account, toast=f"{token.name} is revoked")


@page("/-/people", nav="People", icon="users", role="admin")
def index(db: DB, params: Params) -> View:
    """Who may use this tool, and as what."""
    return View("people.html", people=USERS.load(db, params), form=USER.show(db))


@page("/-/people/{id}", role="admin")
def show(id: int, db: DB) -> View:
    """What a person may, and what you can do about it."""
    person = db.get_or_404(User, id, "person")
    return View("person.html", title=person.name, person=person, form=ROLE.show(db, person))


@action("/-/people", role="admin")
def add(request: Request, db: DB, data: Data) -> View:
    """Add a person."""
    form = USER.read(db, data)
    if not form.is_valid:
        return View("form.html", status=422, title="Add person", form=form)
    return link(auth.add_user(db, **form.data).id or 0, request, db)


@action("/-/people/{id}/link", role="admin")
def link(id: int, request: Request, db: DB) -> View:
    """Make a sign-in link for somebody else."""
    person, origin = db.get_or_404(User, id, "person"), serving(request).settings.base_url or str(request.base_url)
    title, subtitle = f"A sign-in link for {person.name}", "It works once, within 24 hours."
    url = origin.rstrip("/") + auth.make_link(db, person)
    return View("core/secret.html", title=title, subtitle=subtitle, secret=url, back=f"/-/people/{id}")


@action("/-/people/{id}/role", role="admin")
def change_role(id: int, db: DB, data: Data) -> Go:
    """Give a person another role."""
    return Go(show, id=id, toast=auth.change_role(db, db.get_or_404(User, id, "person"), str(data.get("role", ""))))


@action("/-/people/{id}/{deed}", role="admin")
def do(id: int, deed: Literal["disable", "enable", "sign-out"], db: DB) -> Go:
    """Disable or enable a person, or sign them out everywhere."""
    return Go(show, id=id, toast=auth.DEEDS[deed](db, db.get_or_404(User, id, "person")))


def _me(db: Session, user: Identity) -> User:
    """The user who asks; for a program one that is not in the database, and has nothing."""
    found = db.get(User, user.id or 0) if user.kind == "user" else None
    return found or User(name=user.name, role=user.role, issuer="a token")


def _token(user: Identity) -> Form:
    """The form for a token: none above one's own role."""
    name = Field(Token.name, help="What it is for, as in “backup script”.")
    role = Field(Token.role, choices=[role for role in ROLES if user.can(role)])
    scopes = Field(Token.scopes, label="Only for", placeholder="read /domains")
    return Form(Token, name, role, scopes, Field(Token.expires_at, label="Expires"))
