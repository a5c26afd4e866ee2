"""The home page: cards that features contribute."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from core import DB, App, Cell, Chart, CurrentUser, DeclarationError, Feature, Session, Settings, View, auth, card, page
from core.testing import html

Ask = Callable[..., TestClient]


def rooms(*functions: Callable[..., object]) -> Feature:
    """A feature of these functions."""
    module = ModuleType("shed.cards")
    module.__file__ = str(Path(__file__).parent / "shed" / "cards.py")
    for function in functions:
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    return Feature(module)


@pytest.fixture
def ask(settings: Settings, db: Session) -> Iterator[Ask]:
    """Asks an app of these cards and pages: `ask(stock, role="admin")`."""
    opened: list[TestClient] = []

    def start(*functions: Callable[..., object], role: str = "viewer") -> TestClient:
        token = auth.make_token(db, "x", role)
        db.commit()
        app = App(features=[rooms(*functions)], settings=type(settings))
        app.configured = settings
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        opened.append(TestClient(app, headers=headers, follow_redirects=False).__enter__())
        return opened[-1]

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@card("In the shed")
def stock(db: DB, user: CurrentUser) -> Cell:
    """What stands around."""
    return Cell(f"{db.connection().execute(text('SELECT 12')).scalar()}", f"counted for {user.name}", tone="good")


@card(wide=True)
def by_month() -> Chart:
    """What came in."""
    return Chart("bar", ["2026-11"], {"Things": [3]})


@card()
def fails(db: DB) -> Cell:
    """A card with a bug."""
    db.connection().execute(text("SELECT * FROM nowhere"))
    raise AssertionError


@card(role="admin")
def secret() -> Cell:
    """For admins."""
    return Cell("42")


@card()
def nonsense() -> object:
    """Returns no card."""
    return {"not": "a card"}


@page("/shed", nav="Shed")
def index() -> View:
    """What is in the shed."""
    raise AssertionError


def test_a_number_with_a_note_stands_on_the_home_page(ask: Ask) -> None:
    page = html(ask(stock).get("/"))
    assert page.one("h1").text == "Home"
    assert page.one("main .grid > div").text == "In the shed 12 counted for x"


def test_a_chart_stands_under_its_name_and_docstring(ask: Ask) -> None:
    card = html(ask(by_month).get("/")).one("section")
    assert card.one("h2").text == "By month"
    assert "What came in." in card.text
    assert card.one("figure[data-chart=bar]")


def test_a_failing_card_shows_its_error_and_leaves_the_others(ask: Ask) -> None:
    answer = ask(fails, stock, nonsense).get("/")
    page = html(answer)
    assert answer.status_code == 200
    assert ["This card failed" in alert.text for alert in page.all("[role=alert]")] == [True, True]
    assert "nowhere" not in page.text
    assert "In the shed 12" in page.text


def test_in_development_the_card_says_what_failed(ask: Ask, settings: Settings) -> None:
    settings.environment = "development"
    said = [alert.text for alert in html(ask(fails, nonsense).get("/")).all("[role=alert]")]
    assert "Error: " in said[0] and "nowhere" in said[0]
    assert "nonsense returned neither a Chart, a Cell nor a View." in said[1]


def test_a_card_is_only_for_its_role(ask: Ask) -> None:
    assert "42" not in html(ask(stock, secret).get("/")).one("main").text
    assert "42" in html(ask(stock, secret, role="admin").get("/")).one("main").text


def test_home_is_first_in_the_menu_of_who_has_a_card(ask: Ask) -> None:
    links = html(ask(stock, index).get("/")).all("nav[aria-label=Main]")[0].all("a")
    assert [(link.text, link.attribute("aria-current")) for link in links][:2] == [("Home", "page"), ("Shed", "")]


def test_without_a_card_home_leads_to_the_first_page(ask: Ask) -> None:
    client = ask(secret, index)
    assert client.get("/").headers["location"] == "/shed"
    assert "Home" not in [link.text for link in html(client.get("/-/jobs")).all("nav a")]


def test_a_view_is_a_template_beside_the_code(tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shed").mkdir()
    (tmp_path / "shed" / "hay.html").write_text("<p id='hay'>Hay for {{ who }} in {{ tool.name }}</p>")
    monkeypatch.setitem(globals(), "__file__", str(tmp_path / "test.py"))

    @card()
    def hay() -> View:
        """Hay."""
        return View("hay.html", who="Ann")

    assert html(ask(hay).get("/")).one("section #hay").text == "Hay for Ann in Test tool"


def test_a_card_that_waits_is_refused_at_the_start() -> None:
    with pytest.raises(DeclarationError, match=r"test_cards\.py:\d+: a card cannot be async; write a plain def"):

        @card()
        async def later() -> Cell:
            """Later."""
            raise AssertionError
