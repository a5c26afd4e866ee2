"""The gate in front of everything: who asks, from where, may they; and the headers that keep a browser strict."""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import quote

from anyio import CapacityLimiter, sleep, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from . import auth, log
from .auth import Identity
from .db import Actor, Database, Session
from .errors import Busy, Refused
from .http import LOOPBACK
from .settings import Settings

STATIC_URL = "/-/static/"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
PROBES = {"/-/health", "/-/ready"}  # asked every few seconds; a good answer is no news
_CLOSED = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
POLICY = f"default-src 'self'; img-src 'self' data:; {_CLOSED}"
_HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
}  # fmt: skip
logger = log.get("core.request")


@dataclass(eq=False)
class Gate:
    """The outermost ASGI layer: nothing behind it is reached by somebody it does not know, unless public."""

    app: ASGIApp
    public: Sequence[re.Pattern[str]]  # paths
    runtime: Callable[[], tuple[Settings, Database]]
    refuse: Callable[[Request, Exception], Response]
    # Its own threads: who waits for the writer must keep it neither from its short work nor from an ending write.
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(40))
    waiting: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(200))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        scope.setdefault("state", {})["request_id"] = request_id = secrets.token_hex(6)
        with log.context(request_id=request_id):
            if scope.get("method") == "HEAD":  # the server drops the body
                scope = {**scope, "method": "GET"}
            if scope["type"] == "http":
                return await self._http(Request(scope, receive), receive, _Answer(scope, send, self))
            if await self._problem(HTTPConnection(scope)) is None:
                return await self.app(scope, receive, send)
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "sign in first"})

    async def _http(self, request: Request, receive: Receive, answer: "_Answer") -> None:
        began = time.perf_counter()
        try:
            problem = await self._problem(request)
            await (self.refuse(request, problem) if problem else self.app)(request.scope, receive, answer)
        except Exception as caught:  # the boundary: whatever a handler lets through is logged here, once
            # Starlette wraps what the commit before an answer raises
            error = caught.__cause__ if isinstance(caught.__cause__, Refused) else caught
            if isinstance(error, Refused):
                logger.warning("refused", status=error.status, error=str(error))
            else:
                logger.error("request failed", exc_info=error)
            if answer.status == 0:
                await self.refuse(request, error)(request.scope, receive, answer)
        finally:
            await answer.settle(500)
        took, user = round((time.perf_counter() - began) * 1000, 1), getattr(request.state.identity, "name", None)
        path = re.sub(r"[\w-]{40,}", "…", request.scope["path"])  # a secret is not for the log
        tell = logger.debug if path in PROBES and answer.status == 200 else logger.info
        tell("request", method=request.method, path=path, status=answer.status, ms=took, user=user)

    async def _problem(self, connection: HTTPConnection) -> Refused | None:
        """Why somebody must not get in; None lets them through. A socket writes, and none is public."""
        scope = connection.scope
        writes, is_socket = scope.get("method") not in SAFE_METHODS, scope["type"] == "websocket"
        scope["state"]["identity"] = None
        try:
            scope["state"]["identity"] = identity = await self._identify(connection)
        except Refused as error:
            return error
        is_bearer = identity is not None and identity.kind == "token"
        is_public = any(pattern.match(scope["path"]) for pattern in self.public)
        if writes and not is_bearer and not is_same_origin(connection):
            return Refused(403, "This came from another site, so nothing was done; or a proxy changes the Host header.")
        if identity is None and (is_bearing(connection) or is_socket or not is_public):
            return Refused(401, "Sign in, or send a token that is valid.")
        if identity and not identity.reaches(scope["path"], writes=writes):
            return Refused(403, f"This token is only for: {', '.join(identity.scopes)}.")
        return None

    async def _identify(self, connection: HTTPConnection) -> Identity | None:
        settings, database = self.runtime()
        scope, proxies = connection.scope, _proxies(settings.trusted_proxies)
        is_proxied = scope.get("client") is not None and scope["client"][0] in proxies.trusted_hosts
        await proxies(scope, None, None)  # from here on, client and scheme are those that the proxy names
        header = settings.proxy_user_header if is_proxied else ""
        if is_bearing(connection):  # never the cookie beside it: a program must learn that its token is wrong
            secret = connection.headers["authorization"][len("bearer ") :].strip()
            find: Callable[..., Identity | None] = partial(_by_secret, auth.Token, secret)
        elif scope["path"].startswith(STATIC_URL):
            return None
        elif header and connection.headers.get(header):
            find = partial(_by_proxy, connection.headers)
        elif secret := connection.cookies.get(cookie_name(settings), ""):
            find = partial(_by_secret, auth.SignedIn, secret)
        else:
            return None
        return await to_thread.run_sync(find, database, settings, limiter=self.threads)


class _Answer:
    """Sends an answer with the strict headers, once what it is about is committed; remembers its status."""

    def __init__(self, scope: Scope, send: Send, gate: Gate) -> None:
        self.scope, self._send, self._gate, self.status = scope, send, gate, 0

    async def settle(self, status: int) -> None:
        """Settle the request's session, unless it has none or its handler did."""
        session: Session | None = self.scope["state"].get("session")
        if session is not None:
            limiter = self._gate.threads if session.began else self._gate.waiting
            await to_thread.run_sync(settle, self.scope, status, limiter=limiter)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.settle(message["status"])
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update({**_HEADERS, "X-Request-Id": self.scope["state"]["request_id"]})
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def is_htmx(request: Request) -> bool:
    """Whether htmx asks."""
    return request.headers.get("hx-request") == "true"


def is_same_origin(connection: HTTPConnection) -> bool:
    """Whether a browser says that our own page sent this. Neither header: no browser, only a token may write."""
    headers = connection.headers  # over plain HTTP at an internal name, browsers send no Sec-Fetch-Site
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")  # none: typed or bookmarked; no page can bring that about
    origin, host = headers.get("origin", ""), headers.get("host", "")
    return bool(host) and origin.partition("://")[2] == host


def is_bearing(connection: HTTPConnection) -> bool:
    """Whether a request carries a bearer token, good or bad."""
    return connection.headers.get("authorization", "").lower().startswith("bearer ")


def is_exposed(request: Request) -> bool:
    """Whether others can read on the way what is sent: plain HTTP, to another machine."""
    return request.url.scheme == "http" and request.url.hostname not in LOOPBACK


def local(path: str) -> str:
    """A path of this tool; "/" for anything that could lead elsewhere."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours else "/"


def settle(scope: Scope, status: int) -> None:
    """Commit what a request wrote, or undo it when its answer is an error; close its session."""
    session: Session | None = scope["state"].pop("session", None)
    if session is not None:
        with session:
            if scope["method"] not in SAFE_METHODS and status < 400:
                session.commit()


def cookie_name(settings: Settings, what: str = "session") -> str:
    """The name of a cookie of ours; it begins with the tool's, for two tools on one host share cookies."""
    slug = "".join(c if c.isalnum() and c.isascii() else "-" for c in settings.tool_name.lower())
    return f"{slug}-{what}"


def set_cookie(response: Response, request: Request, name: str, value: str, *, max_age: int, path: str = "/") -> None:
    """Give the browser a cookie that no script can read, `Secure` wherever the address is encrypted."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age, path=path, httponly=True, samesite="lax", secure=is_secure)


def welcome(request: Request, db: Session, user: auth.User, target: str) -> Response:
    """Sign this browser in as somebody, and go on to a path of this tool."""
    settings: Settings = request.app.state.runtime.settings
    if is_exposed(request):
        logger.warning("signed in over plain HTTP; put TLS in front", user=user.name, host=request.url.hostname)
    agent, days = request.headers.get("user-agent", ""), settings.session_days
    secret = auth.sign_in(db, user, days=days, address=actor_of(request).address, agent=agent)
    response = RedirectResponse(local(target), 303)
    set_cookie(response, request, cookie_name(settings), secret, max_age=days * 86_400)
    return response


def actor_of(request: Request, did: str = "") -> Actor:
    """Who is to be named in the audit for what this request writes."""
    identity: Identity | None = request.scope["state"].get("identity")
    address = request.client.host if request.client else ""
    name, kind = (identity.name, identity.kind) if identity else ("anonymous", "anonymous")
    return Actor(name, kind, request.scope["state"]["request_id"], address, did)


def _by_secret(kind: Any, secret: str, database: Database, settings: Settings) -> Identity | None:
    with database.read() as db:
        identity = auth.identity_of(db, secret, kind)
    if identity and identity.is_stale and not database.turnstile.queue:  # else the next request notes it
        with suppress(Busy, SQLAlchemyError, OSError), database.write(Actor(identity.name, identity.kind)) as db:
            auth.touch(db, identity, secret, days=settings.session_days)
    return identity


def _by_proxy(headers: Headers, database: Database, settings: Settings) -> Identity:
    names, groups = (headers.getlist(h or " ") for h in (settings.proxy_user_header, settings.proxy_groups_header))
    if len(names) > 1 or len(groups) > 1:  # one of them may be the caller's own
        raise Refused(400, "A header that names you came more than once; the proxy must replace what callers send.")
    actor = Actor(names[0], "proxy", did="Come in through the proxy")
    told = [group.strip() for group in ",".join(groups).split(",")]
    user = auth.admit(database, actor, "the proxy", names[0], groups=told, roles=settings.proxy_roles)
    return Identity(user.name, auth.known_role(user.role), "user", user.id)


@cache
def _proxies(trusted: str) -> Any:
    """The server's own reading of X-Forwarded-*, done here, for the server would hide which address really called."""
    return ProxyHeadersMiddleware(lambda *_: sleep(0), trusted)  # it rewrites a scope in place; nobody is asked then


def sign_in_first(request: Request) -> Response:
    """Send a person to the sign-in page, and from there back to where they were."""
    path = f"{quote(request.scope['path'])}?{request.url.query}" if request.method == "GET" else "/"
    if is_htmx(request):  # following a 303 would put the sign-in page into a part of this one
        path = "/" + request.headers.get("hx-current-url", "").partition("://")[2].partition("/")[2]
    url = f"/-/sign-in?next={quote(path.rstrip('?'))}"
    return Response(status_code=401, headers={"HX-Redirect": url}) if is_htmx(request) else RedirectResponse(url, 303)
