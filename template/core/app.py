"""The spine: an App mounts features, and starts and stops what they run on."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import chain
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from . import alerts, audit, builtin, cards, log, marks, migrations, pages, settings
from .api import document
from .auth import Identity
from .crypto import Keyring
from .db import Actor, Database, prepare_folder
from .errors import DeclarationError, Refused, UserError, in_one_line
from .feature import Feature
from .health import health, ready
from .jobs import DeclaredJob, due_of
from .marks import ActionMark, JobMark, PageMark
from .migrations import History
from .pages import CurrentUser, Serving, View
from .scheduler import Runner, Scheduler
from .security import STATIC_URL, Gate, cookie_name, is_bearing, is_htmx, settle, sign_in_first, wants_html
from .settings import PROJECT, Settings
from .ui import CORE, Assets, Templates

WRITERS = 200  # threads that may wait for their turn to write; the turnstile lets one go at a time
READERS = 40
LARGEST_BODY = 25_000_000
_TITLES = {
    401: "Sign in first", 403: "Not allowed", 404: "Not found", 405: "Not allowed", 409: "Not now",
    429: "Too many tries", 503: "Busy",
}  # fmt: skip
logger = log.get("core.app")


@dataclass
class Runtime:
    """Everything that is started and stopped with a process: settings, database, scheduler."""

    settings: Settings
    database: Database
    scheduler: Scheduler
    histories: list[History] = field(default_factory=list)


class App:
    """A tool: its features in the order of the menu. Wrong declarations fail here, with file and line."""

    def __init__(self, *, features: Sequence[Feature], settings: type[Settings] = Settings) -> None:
        self.settings_class = settings
        self.configured: Settings | None = None
        self.runtime: Runtime | None = None
        self.features = list(features)
        self.builtins = builtin.features()
        self.histories = [migrations.CORE, migrations.app_history()]
        self.assets = Assets(PROJECT / "app" / "static", CORE / "static")
        self.api = FastAPI(
            docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan, max_body_size=LARGEST_BODY
        )
        self.cards: list[cards.Card] = []
        self._public: list[re.Pattern[str]] = []
        self._mount_framework()
        for feature in [*self.features, *self.builtins]:
            self._mount(feature)
        self._check_icons()
        self.jobs = self._collect_jobs()
        for kind in (Refused, HTTPException, RequestValidationError, Exception):
            self.api.add_exception_handler(kind, _as_handler(self.refuse))
        self.gate = Gate(self.api, is_public=self.is_public, runtime=self._running, refuse=self.refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        await self.gate(scope, receive, send)

    def is_public(self, scope: Scope) -> bool:
        """Whether a path is open to everybody."""
        path: str = scope["path"]
        return path.startswith(STATIC_URL) or any(pattern.match(path) for pattern in self._public)

    def start(self, configured: Settings) -> Runtime:
        """Open the database and start the clock; UserError when the database is not of this version."""
        log.configure(configured)
        runtime = self.open(configured)
        behind = ready(runtime.database, runtime.histories)
        if behind:
            raise UserError(f"{'; '.join(behind)}. Run: python -m core migrate")
        runtime.database.analyze()
        with runtime.database.write(Actor("system")) as db:
            alerts.forget(db, self.jobs)
        runtime.scheduler.start()
        self.runtime = runtime
        return runtime

    def open(self, configured: Settings) -> Runtime:
        """The runtime without its clock, as the command line needs it."""
        if warning := prepare_folder(configured.data_dir):
            logger.warning(warning)
        database = Database(configured.database, keyring=Keyring.load(configured.data_dir))
        audit.watch(database)
        scheduler = Scheduler(self.declared_jobs(configured), database, Runner(configured, database))
        return Runtime(configured, database, scheduler, self.histories)

    def declared_jobs(self, configured: Settings) -> dict[str, DeclaredJob]:
        """Every job by its name, with its due times in the configured time zone."""
        zone = ZoneInfo(configured.timezone)
        return {name: DeclaredJob(name, f, mark, due_of(mark, zone)) for name, (f, mark) in self.jobs.items()}

    def stop(self) -> None:
        """Stop the clock and the runs, close the database."""
        if self.runtime:
            self.runtime.scheduler.stop()
            self.runtime.database.close()
            self.runtime = None

    @cached_property
    def templates(self) -> Templates:
        """The templates, compiled once."""
        return Templates(self.assets, roots=[feature.root for feature in self.features if feature.root])

    @asynccontextmanager
    async def _lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        self._serve(self.start(self.configured or settings.load(self.settings_class)))
        try:
            yield
        finally:
            self.stop()

    def _serve(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.api.title = runtime.settings.tool_name
        limits = CapacityLimiter(READERS), CapacityLimiter(WRITERS)
        here = runtime.settings, runtime.database, self.templates
        self.api.state.serving = Serving(*here, *limits, self.context, runtime)

    def look(self, runtime: Runtime, path: str, identity: Identity) -> Any:
        """What a page answers to somebody, without a server: a response with `status_code` and `text`."""
        from starlette.testclient import TestClient  # here, for no server needs it

        async def as_somebody(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = {"identity": identity, "request_id": "command-line"}
            try:
                await self.api(scope, receive, send)
            finally:
                settle(scope, 500)

        self._serve(runtime)
        browser = TestClient(as_somebody, base_url="http://localhost", headers={"accept": "text/html"})
        return browser.get(path, follow_redirects=False)

    def _running(self) -> tuple[Settings, Database]:
        if self.runtime is None:
            raise Refused(503, "The tool is starting; try again in a moment.")
        return self.runtime.settings, self.runtime.database

    def _mount_framework(self) -> None:
        api = self.api

        @api.get("/-/static/{name:path}", include_in_schema=False)
        async def static(request: Request, name: str) -> Response:
            return self.assets.answer(request, name)

        @api.get("/-/health", include_in_schema=False)
        async def is_healthy(request: Request) -> JSONResponse:
            return _probed(health(pages.serving(request).runtime.scheduler))

        @api.get("/-/ready", include_in_schema=False)
        async def is_ready(request: Request) -> JSONResponse:
            here = pages.serving(request)
            return _probed(await to_thread.run_sync(ready, here.database, self.histories, limiter=here.readers))

        @api.get("/-/openapi.json", include_in_schema=False)
        def schema(_user: CurrentUser) -> JSONResponse:
            return JSONResponse(document(api, self._running()[0]))

        self._public += [compile_path(path)[0] for path in ("/-/health", "/-/ready")]
        menu = [mark for feature in self.features for _, mark in feature.pages]
        if not any(mark.path == "/" for mark in menu):
            self.cards = [(feature.folder, *card) for feature in self.features for card in feature.cards]
            self._add(cards.home(self.cards, menu), cards.HOME, name="home")

    def _mount(self, feature: Feature) -> None:
        for function, mark in feature.surface:
            self._add(function, mark, name=f"{feature.name}.{function.__name__}", owner=feature.folder)
        for router in feature.routers:
            pages.check_router(router)
            self.api.include_router(router, dependencies=[Depends(pages.access("viewer", writing="operator"))])

    def _add(self, function: Callable[..., Any], mark: PageMark | ActionMark, *, name: str, owner: str = "") -> None:
        method = "GET" if isinstance(mark, PageMark) else "POST"
        self._refuse_twice(function, mark.path, method)
        if mark.public:
            self._public.append(compile_path(mark.path)[0])
        answer, gate = pages.endpoint(function, mark, owner=owner), [Depends(pages.access(mark.role))]
        kept_out: dict[str, Any] = {"include_in_schema": False, "response_model": None}
        gates = [] if mark.public else gate
        self.api.add_api_route(mark.path, answer, methods=[method], dependencies=gates, name=name, **kept_out)

    def _refuse_twice(self, function: Callable[..., Any], path: str, method: str) -> None:
        for route in self.api.routes:
            if isinstance(route, APIRoute) and _shape(route.path) == _shape(path) and method in (route.methods or ()):
                raise DeclarationError(
                    f"{marks.where(function)}: {method} {path} is taken by {route.name}; choose another path."
                )

    def _check_icons(self) -> None:
        sprite = self.assets.find("icons.svg")
        known = set(re.findall(r'<symbol id="([^"]+)"', sprite.body.decode() if sprite else ""))
        for function, mark in (page for feature in self.features for page in feature.pages):
            if mark.icon not in known:
                near = ", ".join(get_close_matches(mark.icon, known)) or "globe, server, clock"
                raise DeclarationError(
                    f"{marks.where(function)}: there is no icon {mark.icon!r} in icons.svg; perhaps {near}."
                )

    def _collect_jobs(self) -> dict[str, tuple[Callable[..., Any], JobMark]]:
        found: dict[str, tuple[Callable[..., Any], JobMark]] = {}
        for feature in [*self.features, *self.builtins]:
            watching = [(function, mark.as_job) for function, mark in feature.alerts]
            for function, mark in [*feature.jobs, *watching]:
                try:
                    due_of(mark, ZoneInfo("UTC"))
                except ValueError as error:
                    raise DeclarationError(f"{marks.where(function)}: {error}") from error
                name = f"{'core' if feature in self.builtins else feature.name}.{function.__name__}"
                if name in found:
                    raise DeclarationError(f"{marks.where(function)}: there is a job {name} already; rename this one.")
                found[name] = (function, mark)
        return found

    def context(self, request: Request) -> dict[str, Any]:
        """What every template knows beside its own data."""
        here, identity = self._running()[0], request.scope["state"].get("identity")
        theme = request.cookies.get(cookie_name(here, "theme"), "auto")
        return {
            "tool": {"name": here.tool_name, "environment": here.environment},
            "user": identity,
            "nav": self._menu(identity, request.url.path) if identity else [],
            "ways_in": [mark for feature in self.features for _, mark in feature.pages if mark.is_for(None)],
            "theme": theme if theme in ("light", "dark") else "auto",
            "request_id": request.scope["state"]["request_id"],
            "path": quote(request.scope["path"]),
        }

    def _menu(self, identity: Identity, path: str) -> list[list[dict[str, Any]]]:
        """The features' pages and the built-in ones; active is the one whose path is nearest."""
        parts = [
            [mark for feature in part for _, mark in feature.pages if mark.is_for(identity)]
            for part in (self.features, self.builtins)
        ]
        if any(identity.can(mark.role) for *_, mark in self.cards):
            parts[0].insert(0, cards.HOME)
        inside = max((m.path for m in chain(*parts) if f"{path}/".startswith(f"{m.path}/")), key=len, default="")
        with self._running()[1].read() as db:
            badges = {m.path: m.badge(db) or "" for m in chain(*parts) if m.badge}
        return [
            [
                dict(label=m.nav, href=m.path, icon=m.icon, active=m.path == inside, badge=badges.get(m.path))
                for m in part
            ]
            for part in parts
        ]

    def refuse(self, request: Request, error: Exception) -> Response:
        """The answer to a request that failed: a page for people, a fragment for htmx, a problem for programs."""
        status, text, headers = _explain(error)
        shown_to = request.scope["state"].get("identity")
        if status == 500 and shown_to and self.runtime and self.runtime.settings.is_development:
            text = in_one_line(error, PROJECT)  # who builds the tool reads it here; the log has the whole
        for_program = not wants_html(request) or (status == 401 and is_bearing(request))
        if status == 401 and not for_program:
            return sign_in_first(request)
        title = _TITLES.get(status, "Something failed" if status >= 500 else "That does not work")
        request_id = request.scope["state"]["request_id"]
        if for_program or self.runtime is None:
            answer: dict[str, Any] = {"title": title, "status": status, "detail": text, "request_id": request_id}
            if isinstance(error, RequestValidationError):
                answer["errors"] = [{"field": _place(one), "message": one["msg"]} for one in error.errors()]
            return JSONResponse(answer, status, headers, "application/problem+json")
        # For htmx into the place for messages, so that a form keeps what was typed.
        template = "core/error_fragment.html" if is_htmx(request) else "core/error.html"
        problem = {"status": status, "title": title, "text": text}
        view = View(template, status=status, title=title, subtitle="", problem=problem)
        request.scope["app"] = self.api
        request.scope["headers"] = [(k, v) for k, v in request.scope["headers"] if k != b"hx-target"]
        response = pages.render(Request(request.scope), view)
        response.headers.update(headers)
        return response


def _probed(problems: list[str]) -> JSONResponse:
    status = {"status": "failing" if problems else "ok", "problems": problems}
    return JSONResponse(status, 503 if problems else 200)


def _explain(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Status, sentence and headers for an exception."""
    if isinstance(error, Refused):
        return error.status, str(error), {"WWW-Authenticate": "Bearer"} if error.status == 401 else error.headers
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        if first["loc"][0] == "path":  # /services/abc, where a number belongs
            return 404, "There is no such page.", {}
        return 422, f"{_place(first)}: {first['msg']}", {}
    if isinstance(error, OverflowError):  # /services/99999999999999999999: no database has such a number
        return 404, "There is no such page.", {}
    if isinstance(error, HTTPException):
        said = {404: "There is no such page.", 405: "This address does not take that method."}
        return error.status_code, said.get(error.status_code, str(error.detail)), dict(error.headers or {})
    return 500, "The tool failed at this. The log has the details under the request id below.", {}


def _place(error: Any) -> str:
    """Where in a request an error is: "body.name"."""
    return ".".join(str(part) for part in error["loc"])


def _as_handler(refuse: Callable[[Request, Exception], Response]) -> Callable[[Request, Exception], Any]:
    async def handle(request: Request, error: Exception) -> Response:
        return refuse(request, error)

    return handle


def _shape(path: str) -> str:
    """A path without its parameters' names: /a/{id} and /a/{name} answer the same addresses."""
    return re.sub(r"{\w+(:\w+)?}", r"{\1}", path)
