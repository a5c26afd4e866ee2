"""One's own account: where one is signed in, the password, and API tokens."""

from typing import Any

from fastapi import Request
from sqlalchemy import select
from sqlmodel import col

from ... import auth, security
from ...auth import SHORTEST_PASSWORD, Identity, SignedIn, Token, User
from ...crypto import fingerprint
from ...db import Session
from ...errors import Refused
from ...forms import Field, FieldView, Form, FormView
from ...marks import ROLES
from ...pages import DB, CurrentUser, Data, Go, View, action, page, serving
from ...settings import Settings
from .sign_in import proven, welcome


@page("/-/account")
def account(request: Request, db: DB, user: CurrentUser, settings: Settings) -> View:
    """Where you are signed in, your password, and your API tokens."""
    me = _me(db, user)
    mine = select(SignedIn).where(col(SignedIn.user_id) == me.id).order_by(col(SignedIn.seen_at).desc())
    shown: dict[str, Any] = {"sessions": db.execute(mine).scalars().all(), "tokens": tokens(db, Token.user_id == me.id)}
    shown["here"] = fingerprint(request.cookies.get(security.cookie_name(settings), ""))
    return View("account.html", me=me, password=_password_form(me), token=_token_form(user).show(db), **shown)


@action("/-/account/sessions/{key}/end", role="viewer")
def end_session(key: str, db: DB, user: CurrentUser) -> Go:
    """Sign out of another browser."""
    row = db.get(SignedIn, key)
    if row and row.user_id == _me(db, user).id:
        auth.end_session(db, key)
    return Go(account, toast="That browser is signed out")


@action("/-/account/password", role="viewer")
def set_password(request: Request, db: DB, data: Data, user: CurrentUser) -> Any:
    """Set your password."""
    with serving(request).database.read() as reader:
        form = _password_form(me := _me(reader, user))
    if len(new := str(data.get("password", ""))) < SHORTEST_PASSWORD:
        form.reject("password", f"It needs at least {SHORTEST_PASSWORD} characters.")
    elif me.password_hash and not proven(request, me.name, str(data.get("current", ""))):
        form.reject("current", "This is not your current password.")
    if not form.is_valid:
        return View("form.html", status=422, title="Set password", form=form)
    auth.forgive(db, me.name, security.actor_of(request).address)
    auth.set_password(db, me := _me(db, user), new)
    return welcome(request, db, me, "/-/account")


@action("/-/tokens", role="viewer")
def add_token(db: DB, data: Data, user: CurrentUser) -> View:
    """Make an API token."""
    form, me = _token_form(user).read(db, data), _me(db, user)
    if me.id is None:
        raise Refused(403, "A program makes no tokens; sign in as a person.")
    if not form.is_valid:
        return View("form.html", status=422, title="Make token", form=form)
    secret = auth.make_token(db, **form.data, owner=me.id)
    title, subtitle = f"The token {form.data['name']}", "A program sends it as “Authorization: Bearer …”."
    return View("core/secret.html", title=title, subtitle=subtitle, secret=secret, back="/-/account")


@action("/-/tokens/{id}/revoke", role="viewer")
def revoke(id: int, db: DB, user: CurrentUser) -> Go:
    """Revoke an API token; it stops working at once."""
    token = db.get(Token, id)
    is_mine = token is not None and user.kind == "user" and token.user_id == user.id
    if token is None or not (is_mine or user.can("admin")):
        raise Refused(404, f"There is no token {id} of yours; it may be revoked already.")
    db.delete(token)
    return Go("/-/account" if is_mine else "/-/people/tokens", toast=f"{token.name} is revoked")


def tokens(db: Session, *where: Any) -> list[Any]:
    """The tokens that fulfil the conditions, each with its owner, if a person has it."""
    return list(db.execute(select(Token, User).outerjoin(User).where(*where).order_by(col(Token.name))))


def _me(db: Session, user: Identity) -> User:
    """The user who asks; for a program one that is not in the database, and has nothing."""
    found = db.get(User, user.id or 0) if user.kind == "user" else None
    return found or User(name=user.name, role=user.role, issuer="a token")


def _password_form(me: User) -> FormView:
    new = FieldView("password", "New password", f"At least {SHORTEST_PASSWORD} characters.", "password", True)
    new.autocomplete = "new-password"
    current = FieldView("current", "Current password", "", "password", True, autocomplete="current-password")
    return FormView([current, new] if me.password_hash else [new])


def _token_form(user: Identity) -> Form:
    name = Field(Token.name, help="What it is for, as in “backup script”.")
    role = Field(Token.role, choices=[role for role in ROLES if user.can(role)])
    scopes = Field(Token.scopes, label="Only for", placeholder="read /domains")
    return Form(Token, name, role, scopes, Field(Token.expires_at, label="Expires, in UTC"), check=auth.wrong_in_token)
