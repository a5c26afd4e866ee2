"""The spine: an App mounts features, and starts and stops what they run on."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import compile_path
from starlette.types import Message, Receive, Scope, Send

from . import audit, builtin, log, marks, migrations, pages, settings
from .auth import Identity
from .crypto import Keyring
from .db import Database, prepare_folder
from .errors import DeclarationError, Refused, UserError
from .feature import Feature
from .health import health, ready
from .jobs import DeclaredJob
from .marks import JobMark
from .migrations import History
from .pages import CurrentUser, Serving, View
from .runner import Runner
from .scheduler import Scheduler
from .scheduler.due import due_of
from .security import Gate
from .settings import PROJECT, Settings
from .ui import CORE, STATIC_URL, Assets, Templates, is_htmx, wants_html

WRITERS = 20
_TITLES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed",
    409: "Not now",
    503: "Busy",
}
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
        self.api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)
        self._public: list[re.Pattern[str]] = []
        self._mount_framework()
        for feature in [*self.features, *self.builtins]:
            self._mount(feature)
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
        if behind.problems:
            raise UserError(f"{'; '.join(behind.problems)}. Run: python -m core migrate")
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
        return Templates(self.assets)

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
        self.api.state.serving = Serving(
            runtime.settings,
            runtime.database,
            self.templates,
            CapacityLimiter(WRITERS),
            self.context,
            runtime,
        )

    async def look(self, runtime: Runtime, path: str, identity: Identity) -> tuple[int, str]:
        """What a page answers to somebody, as status and text, without a server."""
        self._serve(runtime)
        path, _, query = path.partition("?")
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": [(b"accept", b"text/html"), (b"host", b"localhost")], "scheme": "http", "http_version": "1.1",
            "server": ("localhost", 80), "client": None, "root_path": "",
            "state": {"identity": identity, "request_id": "command-line"},
        }  # fmt: skip
        await self.api(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()

    def _running(self) -> tuple[Settings, Database]:
        if self.runtime is None:
            raise Refused(503, "The tool is starting; try again in a moment.")
        return self.runtime.settings, self.runtime.database

    def _mount_framework(self) -> None:
        api = self.api

        @api.get("/-/static/{name:path}", include_in_schema=False)
        def static(request: Request, name: str) -> Response:
            return self.assets.answer(request, name)

        @api.get("/-/health", include_in_schema=False)
        async def is_healthy() -> JSONResponse:
            assert self.runtime
            answer = health(self.runtime.scheduler)
            return JSONResponse(answer.as_json(), answer.status)

        @api.get("/-/ready", include_in_schema=False)
        def is_ready() -> JSONResponse:
            assert self.runtime
            answer = ready(self.runtime.database, self.histories)
            return JSONResponse(answer.as_json(), answer.status)

        @api.get("/-/openapi.json", include_in_schema=False)
        def schema(_user: CurrentUser) -> JSONResponse:
            return JSONResponse(get_openapi(title=api.title, version="1", routes=api.routes))

        self._public += [compile_path(path)[0] for path in ("/-/health", "/-/ready")]
        if not any(mark.path == "/" for feature in self.features for _, mark in feature.pages):
            self._mount_home()

    def _mount_home(self) -> None:
        first = next((m.path for feature in self.features for _, m in feature.pages if m.nav), "/-/jobs")

        @self.api.get("/", include_in_schema=False)
        async def home() -> RedirectResponse:
            return RedirectResponse(first, 303)

    def _mount(self, feature: Feature) -> None:
        for function, mark in feature.surface:
            method = "GET" if isinstance(mark, marks.PageMark) else "POST"
            self._refuse_twice(function, mark.path, method)
            if mark.public:
                self._public.append(compile_path(mark.path)[0])
            self.api.add_api_route(
                mark.path,
                pages.endpoint(function, mark, owner=feature.folder),
                methods=[method],
                include_in_schema=False,
                response_model=None,
                name=f"{feature.name}.{function.__name__}",
            )
        for router in feature.routers:
            _commit_before_answer(router)
            self.api.include_router(router, dependencies=[Depends(pages.signed_in)])

    def _refuse_twice(self, function: Callable[..., Any], path: str, method: str) -> None:
        for route in self.api.routes:
            if isinstance(route, APIRoute) and route.path == path and method in (route.methods or ()):
                raise DeclarationError(
                    f"{marks.where(function)}: {method} {path} is taken by {route.name}; choose another path."
                )

    def _collect_jobs(self) -> dict[str, tuple[Callable[..., Any], JobMark]]:
        found: dict[str, tuple[Callable[..., Any], JobMark]] = {}
        for feature in [*self.features, *self.builtins]:
            for function, mark in feature.jobs:
                try:
                    due_of(mark, ZoneInfo("UTC"))
                except ValueError as error:
                    raise DeclarationError(f"{marks.where(function)}: {error}") from error
                found[f"{feature.name}.{function.__name__}"] = (function, mark)
        return found

    def context(self, request: Request) -> dict[str, Any]:
        """What every template knows beside its own data."""
        here, identity = self._running()[0], request.scope["state"].get("identity")
        theme = request.cookies.get("theme", "auto")
        return {
            "tool": {"name": here.tool_name, "environment": here.environment},
            "user": identity,
            "nav": [self._menu(part, request) for part in (self.features, self.builtins)] if identity else [],
            "theme": theme if theme in ("light", "dark") else "auto",
            "request_id": request.scope["state"]["request_id"],
            "path": request.url.path,
        }

    def _menu(self, features: list[Feature], request: Request) -> list[dict[str, Any]]:
        identity, path = request.scope["state"]["identity"], request.url.path
        shown = [m for feature in features for _, m in feature.pages if m.nav and identity.can(m.role)]
        inside = max(
            (m.path for m in shown if path == m.path or path.startswith(m.path.rstrip("/") + "/")),
            key=len,
            default="",
        )
        return [
            {"label": m.nav, "href": m.path, "icon": m.icon, "active": m.path == inside, "badge": ""} for m in shown
        ]

    def refuse(self, request: Request, error: Exception) -> Response:
        """The answer to a request that failed: a page for people, a fragment for htmx, a problem for programs."""
        status, text, headers = _explain(error)
        title = _TITLES.get(status, "Something failed" if status >= 500 else "That does not work")
        request_id = request.scope["state"]["request_id"]
        if not wants_html(request) or self.runtime is None:
            problem = {"title": title, "status": status, "detail": text, "request_id": request_id}
            return JSONResponse(problem, status, headers, "application/problem+json")
        view = View(
            "core/error.html",
            status=status,
            title=title,
            subtitle="",
            problem={"status": status, "title": title, "text": text, "hint": ""},
        )
        if is_htmx(request):  # into the place for messages, so that a form keeps what was typed
            view.template = "core/error_fragment.html"
        request.scope["app"] = self.api
        request.scope["headers"] = [(k, v) for k, v in request.scope["headers"] if k != b"hx-target"]
        response = pages.render(Request(request.scope), view)
        response.headers.update(headers)
        return response


def _explain(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Status, sentence and headers for an exception."""
    if isinstance(error, Refused):
        return error.status, str(error), error.headers
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return 422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}", {}
    if isinstance(error, HTTPException):
        said = {404: "There is no such page.", 405: "This address does not take that method."}
        return error.status_code, said.get(error.status_code, str(error.detail)), dict(error.headers or {})
    return 500, "The tool failed at this. The log has the details under the request id below.", {}


def _as_handler(refuse: Callable[[Request, Exception], Response]) -> Callable[[Request, Exception], Any]:
    async def handle(request: Request, error: Exception) -> Response:
        return refuse(request, error)

    return handle


class _Route(APIRoute):
    """A route of a plain router whose session is committed before the first byte of the answer."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await inner(request)
            await pages.finish_session(request, response)
            return response

        return handler


def _commit_before_answer(router: APIRouter) -> None:
    for route in router.routes:
        if type(route) is APIRoute:
            route.__class__ = _Route
