"""Signing in, with a password, a link or another server; signing out; the theme."""

from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from ... import auth, oidc, security
from ...auth import User
from ...crypto import Keyring, fingerprint
from ...db import Session
from ...errors import Refused
from ...pages import DB, Data, View, action, page, serving
from ...settings import Provider, Settings

_WRONG = "That name and password do not fit. Ask for a sign-in link if you have no password."
_USED = "This link has been used or is too old. Make a new one: python -m core users link NAME"
_WITH = "/-/sign-in/with"


@page("/-/sign-in", public=True)
def sign_in(request: Request) -> View:
    """Sign in with your name and password, or open a sign-in link."""
    return _sign_in(request, request.query_params.get("next", ""))


@action("/-/sign-in", public=True)
def sign_in_with_password(request: Request, db: DB, data: Data) -> Any:
    """Sign in with a password."""
    name = str(data.get("name", ""))
    user = proven(request, name, str(data.get("password", "")))
    if user is None:
        return _sign_in(request, str(data.get("next", "")), status=422, name=name, error=_WRONG)
    auth.forgive(db, name, security.actor_of(request).address)
    return welcome(request, db, user, str(data.get("next", "")))


@page(_WITH + "/{name}", public=True)
def go_elsewhere(name: str, request: Request, settings: Settings) -> Response:
    """Go to another server to sign in there."""
    target, callback = request.query_params.get("next", ""), f"{origin(request)}{_WITH}/{name}/back"
    keyring = Keyring.load(settings.data_dir)
    url, kept = oidc.begin(_provider(settings, name), keyring, callback=callback, target=target)
    response = RedirectResponse(url, 303)
    cookie = security.cookie_name(settings, "oidc")
    security.set_cookie(response, request, cookie, kept, max_age=oidc.FLOW_LIFETIME_S, path=_WITH)
    return response


@page(_WITH + "/{name}/back", public=True)
def come_back(name: str, request: Request, settings: Settings) -> Response:
    """Come back from another server, signed in."""
    provider, cookie = _provider(settings, name), security.cookie_name(settings, "oidc")
    kept = request.cookies.get(cookie, "")
    claims, target = oidc.finish(provider, Keyring.load(settings.data_dir), kept, request.query_params)
    role = auth.role_from(oidc.groups_of(provider, claims), provider.roles)
    called = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    actor = replace(security.actor_of(request, f"Sign in at {provider.name}"), name=called, kind="user")
    with serving(request).database.write(actor) as db:
        user = auth.admit(db, provider.issuer, str(claims["sub"]), name=called, role=role)
        db.flush()
        response = welcome(request, db, user, target)
    response.delete_cookie(cookie, path=_WITH)
    return response


@page("/-/sign-in/{secret}", public=True)
def open_link(secret: str, db: DB) -> View:
    """A sign-in link: press the button to sign in."""
    user = auth.link_user(db, secret)
    return View("open_link.html", title=f"Sign in as {user.name}", secret=secret) if user else _used()


@action("/-/sign-in/{secret}", public=True)
def use_link(request: Request, secret: str, db: DB) -> Any:
    """Sign in with a link."""
    user = auth.use_link(db, secret)
    return welcome(request, db, user, "/") if user else _used()


@action("/-/sign-out", role="viewer")
def sign_out(request: Request, db: DB, settings: Settings) -> Response:
    """Sign out of this browser."""
    cookie = security.cookie_name(settings)
    auth.end_session(db, fingerprint(request.cookies.get(cookie, "")))
    response = RedirectResponse("/-/sign-in", 303)
    response.delete_cookie(cookie)
    return response


@action("/-/theme", public=True)
def theme(request: Request, data: Data, settings: Settings) -> Response:
    """Choose the light or the dark theme for this browser."""
    response = RedirectResponse(security.local(str(data.get("next", ""))), 303)
    chosen = data.get("theme") if data.get("theme") in ("light", "dark") else "auto"
    cookie = security.cookie_name(settings, "theme")
    security.set_cookie(response, request, cookie, str(chosen), max_age=31_536_000)
    return response


def proven(request: Request, name: str, password: str) -> User | None:
    """The user of a name and password; each try counts until `auth.forgive`. Hashing keeps no writer waiting."""
    database, actor = serving(request).database, security.actor_of(request)
    with database.write(actor) as db:
        auth.count_try(db, name, actor.address)
    with database.read() as db:
        return auth.check_password(db, name, password)


def welcome(request: Request, db: Session, user: User, target: str) -> Response:
    """Sign this browser in, and go on."""
    settings = serving(request).settings
    address, agent = security.actor_of(request).address, request.headers.get("user-agent", "")
    secret = auth.sign_in(db, user, days=settings.session_days, address=address, agent=agent)
    response = RedirectResponse(security.local(target), 303)
    cookie = security.cookie_name(settings)
    security.set_cookie(response, request, cookie, secret, max_age=settings.session_days * 86_400)
    return response


def origin(request: Request) -> str:
    """How people reach the tool: as configured, else as this request did."""
    return (serving(request).settings.base_url or str(request.base_url)).rstrip("/")


def _sign_in(request: Request, target: str, *, status: int = 200, name: str = "", error: str = "") -> View:
    shown: dict[str, Any] = {"next": security.local(target), "name": name, "error": error}
    shown["providers"] = [provider.name for provider in serving(request).settings.oidc]
    return View("sign_in.html", status=status, title="Sign in", is_exposed=security.is_exposed(request), **shown)


def _used() -> View:
    return View("link_used.html", status=410, title="This link does not work", subtitle="", error=_USED)


def _provider(settings: Settings, name: str) -> Provider:
    for provider in settings.oidc:
        if provider.name == name:
            return provider
    raise Refused(404, f"There is no {name} to sign in with; go back to the sign-in page.")
