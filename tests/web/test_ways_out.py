"""What a tool replaces without editing core: templates, built-in pages, what surrounds a request, start and stop."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import services
from core import App, Feature, Session, auth
from core.settings import Settings
from core.testing import html
from tests.web.test_feature import module

Serve = Callable[..., TestClient]
JOBS = '''
@page("/-/jobs", nav="Our jobs", icon="timer")
def jobs() -> View:
    """Jobs as we like them."""
    return View("core/layout.html")
'''
NAMES = '''
@page("/names", nav="Names")
def names() -> View:
    """Data that is called like parts of the frame."""
    return View("core/names.html", account="north", menu="soup", sprite="elf")
'''
BADGE = '''
@page("/counted", nav="Counted", badge=lambda db: 1 // 0)
def counted() -> View:
    """What cannot be counted."""
    return View("core/layout.html")
'''
MISSING = """
from fastapi import HTTPException
router = APIRouter()
@router.get("/a")
def a() -> None:
    raise HTTPException(404, "no server of that name")
"""


@pytest.fixture
def serve(settings: Settings, db: Session) -> Iterator[Serve]:
    """Serves an app of these modules beside the starter's feature, to an admin."""
    token = auth.make_token(db, "ann", "admin")
    db.commit()
    with ExitStack() as running:

        def start(*sources: str, **options: Any) -> TestClient:
            app = App(features=[services.feature, *(Feature(module(source)) for source in sources)], **options)
            app.configured = settings
            headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
            return running.enter_context(TestClient(app, headers=headers, raise_server_exceptions=False))

        yield start


@pytest.fixture
def shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a template into the project's `app/core/`."""
    monkeypatch.setattr("core.ui.PROJECT", tmp_path)

    def write(name: str, text: str) -> None:
        path = tmp_path / "app" / "core" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def test_data_may_be_called_like_a_part_of_the_frame(serve: Serve, shadow: Callable[[str, str], None]) -> None:
    said = '<p id="said">{{ account }} {{ menu }} {{ sprite }}</p>'
    shadow("names.html", f'{{% extends "core/layout.html" %}}{{% block content %}}{said}{{% endblock %}}')
    assert html(serve(NAMES).get("/names")).one("#said").text == "north soup elf"


def test_a_template_of_the_tool_comes_before_cores_and_may_extend_it(
    serve: Serve, shadow: Callable[[str, str], None]
) -> None:
    shadow("layout.html", '{% extends "core/templates/layout.html" %}{% block header %}<h1>Ours</h1>{% endblock %}')
    page = html(serve().get("/services"))
    assert page.one("h1").text == "Ours"
    assert page.one("#services")


def test_the_template_of_a_built_in_page_is_replaced_alone(serve: Serve, shadow: Callable[[str, str], None]) -> None:
    shadow("builtin/jobs/index.html", '{% extends "core/layout.html" %}{% block content %}Calm{% endblock %}')
    assert html(serve().get("/-/jobs")).one("#content").text.endswith("Calm")


def test_a_page_of_the_tool_replaces_a_built_in_one_and_its_menu_entry(serve: Serve) -> None:
    page = html(serve(JOBS).get("/-/jobs"))
    assert page.one("h1").text == "Our jobs"
    assert [a.text for a in page.all("nav[aria-label=Main]")[0].all('a[href="/-/jobs"]')] == ["Our jobs"]


def test_the_other_addresses_of_a_built_in_page_stay(serve: Serve) -> None:
    assert html(serve(JOBS).get("/-/jobs/services.check")).one("h1").text == "services.check"


class Stamp:
    """A middleware that signs each answer, and knows who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-seen", scope["state"]["identity"].name.encode())]
            await send(message)

        await self.app(scope, receive, stamped if scope["type"] == "http" else send)


def test_a_middleware_of_the_tool_sees_who_asks_and_signs_the_answer(serve: Serve) -> None:
    answer = serve(middleware=[Middleware(Stamp)]).get("/services")
    assert (answer.headers["x-seen"], "default-src 'self'" in answer.headers["content-security-policy"]) == (
        "ann",
        True,
    )


def test_nobody_reaches_a_middleware_whom_the_gate_does_not_let_in(serve: Serve) -> None:
    client = serve(middleware=[Middleware(Stamp)])
    answer = client.get("/services", headers={"Authorization": ""}, follow_redirects=False)
    assert (answer.status_code, "x-seen" in answer.headers) == (303, False)


def test_what_the_tool_does_at_its_start_and_stop_has_the_database(settings: Settings) -> None:
    told: list[object] = []

    @asynccontextmanager
    async def around(app: App) -> AsyncIterator[None]:
        assert app.runtime
        told.append(bool(app.runtime.database.url))
        yield
        told.append(bool(app.runtime.database.url))

    app = App(features=[], lifespan=around)
    app.configured = settings
    with TestClient(app):
        assert told == [True]
    assert told == [True, True] and app.runtime is None


def test_a_badge_that_fails_costs_no_page(serve: Serve) -> None:
    client = serve(BADGE)
    assert html(client.get("/services")).one("h1").text == "Services"
    assert html(client.get("/nowhere")).one("h1").text == "Not found"


def test_what_a_router_says_of_something_missing_reaches_who_asks(serve: Serve) -> None:
    client = serve(MISSING)
    assert client.get("/a", headers={"Accept": "application/json"}).json()["detail"] == "no server of that name"
