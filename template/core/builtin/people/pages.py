"""The sign-in pages, sign-out and the theme."""

from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from ... import auth, security
from ...auth import User
from ...db import Session
from ...pages import DB, Data, View, action, page, serving
from ...settings import Settings

_WRONG = "That name and password do not fit. Ask for a sign-in link if you have no password."
_USED = "This link has been used or is too old. Make a new one: python -m core users link NAME"


@page("/-/sign-in", public=True)
def sign_in(request: Request) -> View:
    """Sign in with your name and password, or open a sign-in link."""
    return View(
        "sign_in.html", title="Sign in", next=security.local(request.query_params.get("next", "")), name="", error=""
    )


@action("/-/sign-in", public=True)
def sign_in_with_password(request: Request, db: DB, data: Data, settings: Settings) -> Any:
    """Sign in with a password."""
    name, target = str(data.get("name", "")), security.local(str(data.get("next", "")))
    with serving(request).database.read() as reader:  # hashing takes long: no writer waits for it
        user = auth.check_password(reader, name, str(data.get("password", "")))
    if user is None:
        return View("sign_in.html", status=422, title="Sign in", next=target, name=name, error=_WRONG)
    return _welcome(request, db, user, settings, target)


@page("/-/sign-in/{secret}", public=True)
def open_link(secret: str, db: DB) -> View:
    """A sign-in link: press the button to sign in."""
    user = auth.link_user(db, secret)
    if user is None:
        return View("link_used.html", status=410, title="This link does not work", subtitle="", error=_USED)
    return View("open_link.html", title=f"Sign in as {user.name}", secret=secret)


@action("/-/sign-in/{secret}", public=True)
def use_link(request: Request, secret: str, db: DB, settings: Settings) -> Any:
    """Sign in with a link."""
    user = auth.use_link(db, secret)
    if user is None:
        return View("link_used.html", status=410, title="This link does not work", subtitle="", error=_USED)
    return _welcome(request, db, user, settings, "/")


@action("/-/sign-out", role="viewer")
def sign_out(request: Request, db: DB, settings: Settings) -> Response:
    """Sign out of this browser."""
    auth.sign_out(db, request.cookies.get(security.cookie_name(settings), ""))
    response = RedirectResponse("/-/sign-in", 303)
    response.delete_cookie(security.cookie_name(settings))
    return response


@action("/-/theme", public=True)
def theme(data: Data) -> Response:
    """Choose the light or the dark theme for this browser."""
    response = RedirectResponse(security.local(str(data.get("next", ""))), 303)
    chosen = data.get("theme") if data.get("theme") in ("light", "dark") else "auto"
    response.set_cookie("theme", str(chosen), max_age=31_536_000, samesite="lax", httponly=True)
    return response


def _welcome(request: Request, db: Session, user: User, settings: Settings, target: str) -> Response:
    address = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "")
    secret = auth.sign_in(db, user, days=settings.session_days, address=address, agent=agent)
    response = RedirectResponse(target, 303)
    security.set_session(response, settings, secret, is_secure=request.url.scheme == "https")
    return response
