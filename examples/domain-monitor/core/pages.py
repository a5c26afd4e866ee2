"""Pages, actions and cards: the marks, what they return, and the endpoint that core makes of each."""

import hashlib
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, get_type_hints
from urllib.parse import quote, unquote, urlencode

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import FormData
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from . import forms, log, marks, security
from .auth import Identity
from .db import Database, Session
from .errors import DeclarationError, Refused, in_one_line
from .marks import ActionMark, CardMark, PageMark, Role
from .settings import DEVELOPMENT, PROJECT, Settings
from .tables import TYPES, TableView, UrlState, export
from .tables.declare import BRACES
from .ui import target_block

TOAST = "toast"
LONGEST_TOAST = 300
LARGEST_UPLOAD = 20_000_000
_VARY = "HX-Request, HX-Target, HX-Request-Type, Cookie"
logger = log.get("core.pages")
page, action, card = PageMark, ActionMark, CardMark
Card = tuple[str, Callable[..., Any], CardMark]  # the folder of its feature, the function, what it declares
HOME = PageMark("/", nav="Home", icon="house")


class View:
    """A template beside the code, and its data. A TableView among the data takes its name as its id."""

    def __init__(
        self, template: str, *, status: int = 200, title: str = "", subtitle: str | None = None, **data: Any
    ) -> None:
        self.template, self.status, self.data, self.title, self.subtitle = template, status, data, title, subtitle
        self.tables = {name: value for name, value in data.items() if isinstance(value, TableView)}
        for name, table in self.tables.items():
            table.id = name


class Go:
    """Where an action leads: a page function (with its parameters) or a path; `toast` says what happened."""

    def __init__(self, to: str | Callable[..., Any], *, toast: str = "", **parameters: object) -> None:
        self.to, self.toast, self.parameters = to, toast, parameters

    @property
    def url(self) -> str:
        """The target's URL; parameters that are not in its path become the query, None is left out."""
        mark = marks.of(self.to)
        path = mark.path if isinstance(mark, PageMark) else self.to
        if not isinstance(path, str) or security.local(path) != path:
            raise DeclarationError(f"Go({self.to!r}): give it a function marked with @page, or a path of this tool.")
        rest = {name: value for name, value in self.parameters.items() if value is not None}
        if missing := [name for name in BRACES.findall(path) if name not in rest]:
            raise DeclarationError(f"Go({path}): give it {missing[0]}=… too.")
        path = BRACES.sub(lambda found: quote(str(rest.pop(found[1])), safe=""), path)
        return f"{path}{'&' if '?' in path else '?'}{urlencode(rest)}" if rest else path


@dataclass
class Runtime:
    """What is started and stopped with a process: an App's settings, database, Scheduler and threads."""

    app: Any
    settings: Settings
    database: Database
    scheduler: Any
    readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(40))
    writers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(200))  # may wait; one at a time writes


serving: Callable[[Request], Runtime] = attrgetter("app.state.runtime")  # the running app behind a request


async def _session(request: Request) -> Session:
    database, is_reading = serving(request).database, request.method in security.SAFE_METHODS
    session = database.read() if is_reading else database.writing(security.actor_of(request))
    request.state.session = session  # settled before the answer goes out: by _run, else by the gate
    return session


async def _identity(request: HTTPConnection) -> Identity:
    identity: Identity | None = request.scope["state"].get("identity")
    if identity is None:
        raise Refused(401, "Sign in first.")
    return identity


async def _state(request: Request) -> UrlState:
    return UrlState(quote(request.scope["path"]), request.url.query)


async def _form(request: Request) -> AsyncIterator[FormData]:
    async with request.form(max_files=5, max_part_size=LARGEST_UPLOAD) as form:  # closes uploaded files
        yield form


async def _settings(request: Request) -> Settings:
    return serving(request).settings


DB = Annotated[Session, Depends(_session)]
Params = Annotated[UrlState, Depends(_state)]
Data = Annotated[FormData, Depends(_form)]
CurrentUser = Annotated[Identity, Depends(_identity)]


def endpoint(function: Callable[..., Any], mark: PageMark | ActionMark, *, owner: str = "") -> Callable[..., Any]:
    """The ASGI-facing function of a page or action: its arguments by type, its work in a thread, its answer."""
    parameters = [_given(p) for p in inspect.signature(function, eval_str=True).parameters.values()]
    refuse_waiting(function)
    inside = BRACES.findall(mark.path)
    for one in parameters:  # which would be asked of the query, at the first request
        if one.name not in inside and one.default is one.empty and one.annotation in (one.empty, int, str):
            mend = f"write {{{one.name}}} there, or give it a default, or a type as in db: DB."
            raise marks.mistake(function, f"{one.name} is not in the path {mark.path}; {mend}")
    own = next((p.name for p in parameters if p.annotation is Request), None)
    asked = inspect.Parameter("core_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)

    async def answer(**values: Any) -> Response:
        request: Request = values[own] if own else values.pop("core_request")
        if inspect.iscoroutinefunction(function):
            result = await function(**values)
            return await to_thread.run_sync(partial(_finish, request, function, result, owner))
        here = serving(request)
        limiter = here.readers if isinstance(mark, PageMark) else here.writers
        return await to_thread.run_sync(partial(_run, request, function, values, owner), limiter=limiter)

    named: Any = answer
    named.__signature__ = inspect.Signature(parameters if own else [*parameters, asked], return_annotation=Response)
    named.__name__ = function.__name__
    return answer


def _run(request: Request, function: Callable[..., Any], values: dict[str, Any], owner: str) -> Response:
    """Run a handler and make its answer; then commit, or undo when it failed or refused."""
    status = 500
    try:
        if session := request.scope["state"].get("session"):
            session.actor = security.actor_of(request, marks.summary(function))
        try:
            result = function(**values)
        except forms.SentAgain as again:
            session.rollback()
            result = Go(again.args[0].url, toast=again.args[0].toast)
        if isinstance(result, Go) and session and (sent := session.info.get("sent")):
            sent.url, sent.toast = result.url, result.toast
        response = _finish(request, function, result, owner)
        status = response.status_code
        return response
    except DBAPIError as error:
        if not re.search("readonly database|read-only transaction", str(error)):
            raise
        what = f"{function.__name__} is a page and cannot write; do it in a function marked with @action."
        raise marks.mistake(function, what) from error
    finally:
        security.settle(request.scope, status)


def _finish(request: Request, function: Callable[..., Any], result: object, owner: str) -> Response:
    if isinstance(result, View):
        asked = request.query_params
        table = result.tables.get(asked.get("table") or next(iter(result.tables), ""))
        if table and request.method == "GET" and (kind := asked.get("format")) in TYPES:
            return export(table, kind, serving(request).database.read)
        nav, name = getattr(marks.of(function), "nav", ""), function.__name__.replace("_", " ").capitalize()
        result.title = result.title or nav or name
        result.subtitle = marks.summary(function) if result.subtitle is None else result.subtitle
        return render(request, result, owner=owner)
    if isinstance(result, Go):
        response = RedirectResponse(result.url, 303)
        if result.toast:
            cookie = security.cookie_name(serving(request).settings, TOAST)
            security.set_cookie(response, request, cookie, quote(result.toast[:LONGEST_TOAST]), max_age=30)
        return response
    if isinstance(result, Response):
        return result
    raise marks.mistake(function, f"{function.__name__} returned {result!r}; return a View, a Go or a Response.")


def render(request: Request, view: View, *, owner: str = "") -> Response:
    """A view as an answer: the block that htmx asks for, else the whole page; 304 when it has not changed."""
    here = serving(request)
    name = view.template if "/" in view.template else f"{owner}/{view.template}"
    cookie = security.cookie_name(here.settings, TOAST)
    toast = unquote(request.cookies.get(cookie, ""))
    identity: Identity | None = request.scope["state"].get("identity")
    for table in view.tables.values():
        table.allow(identity.can if identity else lambda _: False)
    context = {**here.app.context(request), **view.data, TOAST: toast, "page": view}
    headers = {"Vary": _VARY, "Cache-Control": "private, no-cache"}
    block = target_block(request)
    html = here.app.templates.render_block(name, block, context) if block else None
    if html is None:
        html = here.app.templates.render(name, context)
        if block:  # htmx asked for a part that this page does not have: show the page itself
            address = quote(request.scope["path"]) + (f"?{request.url.query}" if request.url.query else "")
            headers |= {"HX-Retarget": "body", "HX-Reswap": "innerHTML", "HX-Push-Url": address}
    elif toast:
        headers["HX-Trigger"] = json.dumps({TOAST: toast})
    body = html.encode()
    if request.method == "GET" and view.status == 200 and not toast:
        whose = f"{block} {identity}\n".encode()  # two users' equal parts are not mixed up
        headers["ETag"] = f'W/"{hashlib.blake2b(whose + body, digest_size=10).hexdigest()}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
    response = Response(body, view.status, headers, "text/html")
    if toast:
        response.delete_cookie(cookie)
    return response


def access(role: Role, *, writing: Role | None = None) -> Callable[[HTTPConnection], Awaitable[None]]:
    """A dependency that refuses whom something is not for, before anything else is looked at."""

    async def check(connection: HTTPConnection) -> None:
        identity = await _identity(connection)
        is_reading = connection.scope.get("method", "GET") in security.SAFE_METHODS
        if not identity.can(needed := role if is_reading else writing or role):
            raise Refused(403, f"This needs the role {needed}; {identity.name} is {identity.role}. Ask an admin.")

    return check


def _given(declared: inspect.Parameter) -> inspect.Parameter:
    """A parameter as FastAPI should see it: keyword only, settings given by us."""
    annotation = declared.annotation
    if inspect.isclass(annotation) and issubclass(annotation, Settings):
        annotation = Annotated[annotation, Depends(_settings)]
    return declared.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def refuse_waiting(function: Callable[..., Any]) -> None:
    """Raise DeclarationError for an endpoint that would hold up everybody."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    kinds = [getattr(parameter.annotation, "__origin__", None) for parameter in parameters]
    if Session in kinds and inspect.iscoroutinefunction(function):
        what = f"{function.__name__} is async and takes DB, which would hold up everybody while the database works"
        raise marks.mistake(function, f"{what}; write it as a plain def.")


def home(cards: Sequence[Card], menu: Sequence[PageMark]) -> Callable[..., View | Go]:
    """The home page: the cards that somebody may see; with none of them it leads to the first page of the menu."""

    @HOME
    def index(request: Request, db: DB, user: CurrentUser) -> View | Go:
        """What needs attention, at a glance."""
        seen = [one for one in cards if user.can(one[2].role)]
        if not seen:
            return Go(next((mark.path for mark in menu if mark.is_for(user)), "/-/jobs"))
        return View("core/home.html", cards=[_shown(request, db, *one) for one in seen])

    return index


def _shown(request: Request, db: Session, folder: str, function: Callable[..., Any], mark: CardMark) -> dict[str, Any]:
    """What home.html shows of one card; a card that fails shows why, and the others stay."""
    here, user = serving(request), request.scope["state"]["identity"]
    shown = {"mark": mark, "name": function.__name__, "note": marks.summary(function), "made": None}
    try:
        kinds, given = get_type_hints(function), (db, user, here.settings)
        kinds.pop("return", None)
        made = function(**{name: next(one for one in given if isinstance(one, kind)) for name, kind in kinds.items()})
        if not isinstance(made, View):
            return {**shown, "made": made}
        data = {**here.app.context(request), **made.data}
        return {**shown, "html": here.app.templates.render(f"{folder}/{made.template}", data)}
    except Exception as error:  # the boundary of a card
        logger.exception("card failed", card=function.__name__)
        db.rollback()  # PostgreSQL gives the others nothing until then
        is_told = isinstance(error, Refused) or here.settings.environment == DEVELOPMENT
        return {**shown, "problem": in_one_line(error, PROJECT) if is_told else ""}
