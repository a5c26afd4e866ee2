"""The spine: an App mounts features, and starts and stops what they run on."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import cached_property
from itertools import chain
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from anyio import to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from sqlalchemy import exc
from sqlmodel import SQLModel
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from . import alerts, api, auth, crypto, log, marks, migrations, pages, scheduler, settings
from .builtin.alerts import findings
from .builtin.inside import pages as inside
from .builtin.jobs import pages as jobs
from .builtin.people import pages as people
from .db import Actor, Database, prepare_folder
from .errors import Busy, CoreError, DeclarationError, Refused, UserError, in_one_line
from .feature import Feature
from .jobs import DeclaredJob, due_of
from .marks import ActionMark, PageMark
from .pages import CurrentUser, Runtime, View
from .security import Gate, cookie_name, is_bearing, is_htmx, sign_in_first
from .settings import DEVELOPMENT, PROJECT, Settings
from .ui import CORE, Assets, Templates

LARGEST_BODY, MOST_THREADS = 25_000_000, 1_000  # of plain routers: who waits to write must not keep others from ending
logger = log.get("core.app")


class App:
    """A tool: its features in the order of the menu. Wrong declarations fail here, with file and line."""

    def __init__(
        self, *, features: Sequence[Feature], settings: type[Settings] = Settings,
        middleware: Sequence[Middleware] = (), lifespan: Callable[["App"], Any] = nullcontext,
    ) -> None:  # fmt: skip
        self.settings_class, self._around = settings, lifespan
        self.configured: Settings | None = None
        self.runtime: Runtime | None = None
        self.features = list(features)
        self.builtins = [Feature(one) for one in (findings, jobs, people, inside)]
        self.histories = [migrations.CORE, migrations.app_history()]
        self.assets = Assets(PROJECT / "app" / "static", CORE / "static")
        self.api = FastAPI(openapi_url=None, lifespan=self._lifespan, max_body_size=LARGEST_BODY, middleware=middleware)
        self.cards: list[pages.Card] = []
        self._public: list[re.Pattern[str]] = []
        self._mount_framework()
        for feature in self.features:
            self._mount(feature)
        for feature in self.builtins:  # whose pages give way to the tool's own
            feature.surface = [(f, m) for f, m in feature.surface if _shape(m.method, m.path) not in self._taken]
            feature.pages = [one for one in feature.pages if one in feature.surface]
            self._mount(feature)
        self._menu = [[m for f in part for _, m in f.pages if m.nav] for part in (self.features, self.builtins)]
        if "GET /" not in self._taken:
            self.cards = [(feature.folder, *card) for feature in self.features for card in feature.cards]
            self._add(pages.home(self.cards, self._menu[0]), pages.HOME, name="home")
        self.jobs = self._collect_jobs(ZoneInfo("UTC"))
        for kind in (Refused, HTTPException, RequestValidationError, Exception):
            self.api.add_exception_handler(kind, self.refuse)
        self.gate = Gate(self.api, public=self._public, runtime=self._running, refuse=self.refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        await self.gate(scope, receive, send)

    def start(self, configured: Settings) -> None:
        """Open the database and start the clock; UserError when the database is not of this version."""
        log.configure(configured)
        self.runtime = self.api.state.runtime = runtime = self.open(configured)
        if behind := ready(runtime):
            raise UserError(f"{'; '.join(behind)}. Run: python -m core migrate")
        runtime.database.analyze()
        with runtime.database.write(Actor("system")) as db:
            alerts.forget(db, self.jobs)
        assert self.templates  # compiled now, not while somebody waits
        runtime.scheduler.start()

    def open(self, configured: Settings) -> Runtime:
        """The runtime without its clock, as the command line needs it."""
        if warning := prepare_folder(configured.data_dir):
            logger.warning(warning)
        keyring = crypto.Keyring(configured.data_dir / crypto.KEY_FILE)
        database = Database(configured.database, keyring=keyring)
        if not keyring.path.exists():
            with database.reader.connect() as connection:
                crypto.refuse_lost_key(keyring.path, connection, SQLModel.metadata)
        crypto.Keyring.load(configured.data_dir)
        due, runner = self._collect_jobs(configured.timezone), scheduler.Runner(configured, database)
        return Runtime(self, configured, database, scheduler.Scheduler(due, database, runner))

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
    async def _lifespan(self, _api: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = MOST_THREADS
        try:
            self.start(self.configured or settings.load(self.settings_class))
            async with self._around(self):
                yield
        finally:
            self.stop()

    def _running(self) -> tuple[Settings, Database]:
        if self.runtime is None:
            raise Refused(503, "The tool is starting; try again in a moment.")
        return self.runtime.settings, self.runtime.database

    def _mount_framework(self) -> None:
        @self.api.get("/-/static/{name:path}", include_in_schema=False)
        async def static(request: Request, name: str) -> Response:
            return self.assets.answer(request, name)

        @self.api.get("/-/health", include_in_schema=False)
        async def is_healthy(request: Request) -> JSONResponse:
            return _probed([] if pages.serving(request).scheduler.is_ticking else ["the clock has stopped ticking"])

        @self.api.get("/-/ready", include_in_schema=False)
        async def is_ready(request: Request) -> JSONResponse:
            here = pages.serving(request)
            return _probed(await to_thread.run_sync(ready, here, limiter=here.readers))

        @self.api.get("/-/openapi.json", include_in_schema=False)
        def schema(_user: CurrentUser) -> JSONResponse:
            return JSONResponse(api.document(self.api, self._running()[0]))

        self._public += [compile_path(path)[0] for path in ("/-/static/{name:path}", "/-/health", "/-/ready")]
        self._taken = {_shape("GET", str(r.path)): str(r.name) for r in iter_route_contexts(self.api.routes)}

    def _mount(self, feature: Feature) -> None:
        for function, mark in feature.surface:
            self._add(function, mark, name=f"{feature.name}.{function.__name__}", owner=feature.folder)
        for router in feature.routers:
            for route in iter_route_contexts(router.routes):
                if not isinstance(route.original_route, APIRoute | APIWebSocketRoute):
                    wrong = f"{route.path} asks for no role; write @router.get or the like"
                    raise DeclarationError(f"{feature.folder}: {wrong}")
                pages.refuse_waiting(route.original_route.endpoint)
                for method in route.methods or ():
                    self._take(route.original_route.endpoint, method, str(route.path), name=str(route.name))
            self.api.include_router(router, dependencies=[Depends(pages.access("viewer", writing="operator"))])

    def _add(self, function: Callable[..., Any], mark: PageMark | ActionMark, *, name: str, owner: str = "") -> None:
        self._take(function, mark.method, mark.path, name=name)
        if mark.public:
            self._public.append(compile_path(mark.path)[0])
        answer, gates = pages.endpoint(function, mark, owner=owner), [Depends(pages.access(mark.role))]
        shown: dict[str, Any] = {"dependencies": [] if mark.public else gates, "include_in_schema": False}
        self.api.add_api_route(mark.path, answer, methods=[mark.method], name=name, response_model=None, **shown)

    def _take(self, function: Callable[..., Any], method: str, path: str, *, name: str) -> None:
        if holder := self._taken.get(address := _shape(method, path)):
            raise marks.mistake(function, f"{method} {path} is taken by {holder}; choose another path.")
        self._taken[address] = name

    def _collect_jobs(self, zone: ZoneInfo) -> dict[str, DeclaredJob]:
        found: dict[str, DeclaredJob] = {}
        for feature in [*self.features, *self.builtins]:
            for function, mark in feature.jobs:
                name = f"{'core' if feature in self.builtins else feature.name}.{function.__name__}"
                if name in found:
                    raise marks.mistake(function, f"there is a job {name} already; rename this one.")
                try:
                    found[name] = DeclaredJob(name, function, mark, due_of(mark, zone))
                except ValueError as error:
                    raise marks.mistake(function, str(error)) from error
        return found

    def context(self, request: Request) -> dict[str, Any]:
        """What every template knows beside its own data."""
        here, identity = self._running()[0], request.scope["state"].get("identity")
        return {
            "tool": {"name": here.tool_name, "environment": here.environment},
            "user": identity,
            "nav": self._nav(identity, request.url.path) if identity else [],
            "ways_in": [mark for part in self._menu for mark in part if mark.is_for(None)],
            "theme": request.cookies.get(cookie_name(here, "theme"), "auto"),
            "request_id": request.scope["state"]["request_id"],
            "path": quote(request.scope["path"]),
        }

    def _nav(self, identity: auth.Identity, path: str) -> list[list[dict[str, Any]]]:
        """The features' pages and the built-in ones; active is the one whose path is nearest."""
        parts = [[mark for mark in part if mark.is_for(identity)] for part in self._menu]
        if any(identity.can(mark.role) for *_, mark in self.cards):
            parts[0].insert(0, pages.HOME)
        inside = max((m.path for m in chain(*parts) if f"{path}/".startswith(f"{m.path}/")), key=len, default="")
        badges: dict[str, int] = {}
        try:
            with self._running()[1].read() as db:
                badges = {m.path: m.badge(db) for m in chain(*parts) if m.badge}
        except Exception:  # the boundary of the menu: every page has it, that of an error too
            logger.exception("the menu's badges failed")

        def entry(m: PageMark) -> dict[str, Any]:
            return dict(label=m.nav, href=m.path, icon=m.icon, active=m.path == inside, badge=badges.get(m.path) or "")

        return [[entry(mark) for mark in part] for part in parts]

    def refuse(self, request: Request, error: Exception) -> Response:
        """The answer to a request that failed: a page for people, a fragment for htmx, a problem for programs."""
        status, said, headers = _explain(error)
        state = request.scope["state"]
        is_developing = self.runtime and self.runtime.settings.environment == DEVELOPMENT
        if status == 500 and is_developing and state.get("identity"):
            said = in_one_line(error, PROJECT)  # who builds the tool reads it here; the log has the whole
            if re.search("no such (table|column)|no column named|(relation|column) .* does not exist", said):
                said = f'The tables are behind the models; run: python -m core migrate --new "what changed". {said}'
        is_for_people = is_htmx(request) or "text/html" in request.headers.get("accept", "")
        for_program = not is_for_people or (status == 401 and is_bearing(request))
        if status == 401 and not for_program:
            return sign_in_first(request)
        title = api.TITLES.get(status, "Something failed" if status >= 500 else "That does not work")
        if for_program or self.runtime is None:
            answer = {"title": title, "status": status, "detail": said, "request_id": state["request_id"]}
            if isinstance(error, RequestValidationError):
                answer["errors"] = [{"field": _place(one), "message": one["msg"]} for one in error.errors()]
            return JSONResponse(answer, status, headers, "application/problem+json")
        # For htmx into the place for messages, so that a form keeps what was typed.
        template = "core/error_fragment.html" if is_htmx(request) else "core/error.html"
        view = View(template, status=status, title=title, problem={"status": status, "title": title, "text": said})
        request.scope["app"] = self.api
        request.scope["headers"] = [(k, v) for k, v in request.scope["headers"] if k != b"hx-target"]
        response = pages.render(Request(request.scope), view)
        response.headers.update(headers)
        return response


def ready(runtime: Runtime) -> list[str]:
    """Why requests cannot be answered: the database does not read, or its tables are not this version's."""
    try:
        behind = migrations.pending(runtime.database, runtime.app.histories)
    except CoreError as error:
        return [str(error)]
    except Exception as error:  # the boundary: a probe answers whatever the database does
        return [f"the database does not answer: {type(error).__name__}"]
    return [f"{name} migrations are pending: {', '.join(todo)}" for name, todo in behind.items() if todo]


def _probed(problems: list[str]) -> JSONResponse:
    return JSONResponse({"status": "failing" if problems else "ok", "problems": problems}, 503 if problems else 200)


def _explain(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Status, sentence and headers for an exception."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else None
    is_out_of_range = isinstance(error, exc.DataError) and "out of range" in str(error)
    if isinstance(error, OverflowError) or is_out_of_range or (first and first["loc"][0] == "path"):
        error = HTTPException(404)  # /services/abc, where a number belongs, or one that no database has
    if isinstance(error, exc.TimeoutError):  # every connection of PostgreSQL's is taken
        error = Busy()
    if isinstance(error, Refused):
        return error.status, str(error), {"WWW-Authenticate": "Bearer"} if error.status == 401 else error.headers
    if isinstance(error, HTTPException):
        said = {"Not Found": "There is no such page.", "Method Not Allowed": "This address does not take that method."}
        return error.status_code, said.get(error.detail, str(error.detail)), dict(error.headers or {})
    if first:
        return 422, f"{_place(first)}: {first['msg']}", {}
    return 500, "The tool failed at this. The log has the details under the request id below.", {}


def _place(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"])  # as in "body.name"


def _shape(method: str, path: str) -> str:
    """What one function alone answers: GET /a/{id} and GET /a/{name} are the same."""
    return method + " " + re.sub(r"{\w+(:\w+)?}", r"{\1}", path)
