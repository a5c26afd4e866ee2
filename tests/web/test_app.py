"""The spine: what an app mounts, how it starts, what every page has, and what it says about itself."""

import re
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from app import services
from core import App, Feature, Session, UserError, View, auth, page
from core.cli import cli
from core.settings import Settings
from core.testing import html
from tests.web import shop
from tests.web.asking import JSON, ClientAs, htmx
from tests.web.test_feature import module, one

APP = App(features=[services.feature, shop.feature])
PAGES = sorted(
    mark.path for feature in [*APP.features, *APP.builtins] for _, mark in feature.pages
    if "{" not in mark.path and mark.path not in ("/shop/fails", "/shop/writes", "/shop/nonsense")
)  # fmt: skip
ADDRESS = re.compile(r"""(?:src|href|action|hx-get|hx-post)=["'](?!/|#|mailto:)([^"']*)""")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_keeps_the_policy(path: str, client: TestClient) -> None:
    response = client.get(path)
    page = html(response)
    assert response.status_code == 200
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.all("[style], style, base, iframe, object, embed") == []
    assert [s for s in page.all("script") if not s.attribute("src").startswith("/-/static/") or s.text] == []
    assert [n for e in page.all("*") for n in e.node.attrs if n.startswith("on") or n.startswith("hx-on")] == []
    assert ADDRESS.findall(response.text) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_what_it_is(path: str, client: TestClient) -> None:
    page = html(client.get(path))
    assert page.one("h1").text
    assert page.one("title").text.endswith("· Test tool")
    assert page.one("html").attribute("lang") == "en"
    assert len(page.all("main")) == 1


@pytest.fixture
def looked(app: App, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Asks the app for a page as the command line does."""
    monkeypatch.setattr("app.main.app", app)
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    yield lambda path, role="admin": CliRunner().invoke(cli, ["get", path, "--role", role])
    app.stop()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_looked_at_without_a_server(path: str, looked: Callable[..., Result]) -> None:
    done = looked(path)
    assert done.exit_code == 0
    assert "</html>" in done.stdout


@pytest.mark.parametrize(
    ("path", "role", "code", "said"),
    [
        ("/shop/office?size=4", "admin", 0, "command line admin 5.0 5"),
        ("/shop/office", "viewer", 1, "This needs the role admin"),
        ("/nowhere", "admin", 1, "There is no such page."),
        ("/shop/items/a%20b", "admin", 1, "There is no a b."),
        ("/shop/api/items", "viewer", 0, '"user":"command line"'),
        ("/shop/slow?q=t%C3%A4", "viewer", 0, "GET tä"),
        ("/", "viewer", 0, "Services down"),
    ],
)
def test_a_look_answers_like_the_server(
    path: str, role: str, code: int, said: str, looked: Callable[..., Result]
) -> None:
    done = looked(path, role)
    assert done.exit_code == code
    assert said in done.stdout


def test_home_is_the_jobs_page_when_there_is_no_other() -> None:
    app = App(features=[])
    assert [route.path for route in app.api.routes if route.path == "/"] == ["/"]


@pytest.mark.parametrize(("role", "home"), [("viewer", "/b"), ("admin", "/a")])
def test_home_leads_nobody_to_a_closed_door(role: str, home: str, settings: Settings, db: Session) -> None:
    token = auth.make_token(db, "x", role)
    db.commit()
    pages = [module(one('@page("/a", nav="A", role="admin")')), module(one('@page("/b", nav="B")'))]
    app = App(features=[Feature(*pages)])
    app.configured = settings
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}, follow_redirects=False) as client:
        assert client.get("/").headers["location"] == home


@pytest.mark.parametrize(
    ("path", "active"),
    [
        ("/shop", "Shop"),
        ("/shop/new", "Shop"),
        ("/shop/office", "Office"),
        ("/-/jobs", "Jobs"),
        ("/services", "Services"),
    ],
)
def test_the_menu_shows_where_one_is(path: str, active: str, client: TestClient) -> None:
    shown = {link.text for link in html(client.get(path)).all("nav[aria-label=Main] a[aria-current=page]")}
    assert shown == {active}


def test_the_menu_is_in_the_order_of_the_features(client: TestClient) -> None:
    links = [link.text for link in html(client.get("/shop")).all("nav[aria-label=Main]")[0].all("a")]
    builtin = ["Alerts", "Jobs", "People", "Audit", "API", "Settings", "Components"]
    assert links == ["Home", "Services", "Shop", "Office", *builtin]


@pytest.mark.parametrize("path", ["/-/health", "/-/ready"])
def test_a_probe_needs_no_sign_in(path: str, served: TestClient) -> None:
    response = served.get(path, headers={"Accept": "*/*"})
    assert (response.status_code, response.json()) == (200, {"status": "ok", "problems": []})


@pytest.mark.sqlite("its file")
def test_it_is_not_ready_when_the_database_is_gone(served: TestClient, settings: Settings) -> None:
    served.app.runtime.database.close()
    (settings.data_dir / "app.db").write_bytes(b"no database, " * 1000)
    response = served.get("/-/ready")
    assert response.status_code == 503
    assert response.json()["status"] == "failing"


@pytest.mark.sqlite("its file")
def test_it_does_not_start_on_an_old_database(app: App, settings: Settings) -> None:
    (settings.data_dir / "app.db").unlink()
    with pytest.raises(UserError, match=r"migrations are pending.*Run: python -m core migrate"):
        app.start(settings)
    app.stop()


def test_the_api_description_names_the_routers_and_no_page(client: TestClient) -> None:
    paths = client.get("/-/openapi.json").json()["paths"]
    assert {"/shop/api/items", "/shop/api/inner/items/{name}"} <= set(paths)
    assert not {"/shop", "/services", "/-/jobs", "/-/health"} & set(paths)


def test_a_page_does_not_answer_before_the_tool_has_started(app: App) -> None:
    response = TestClient(app).get("/shop", headers=JSON)
    assert (response.status_code, response.json()["detail"]) == (503, "The tool is starting; try again in a moment.")
    assert response.headers["content-security-policy"]


def test_the_tools_name_and_environment_are_on_every_page(client: TestClient) -> None:
    page = html(client.get("/shop"))
    assert page.one("header a.font-semibold").text == "Test tool"
    assert "test" in page.one("header").text


def test_the_theme_form_leads_back_to_this_page(client_as: ClientAs) -> None:
    page = html(client_as("viewer").get("/shop/items/a%20b"))
    assert {one.attribute("value") for one in page.all('form[action="/-/theme"] input[name=next]')} == {
        "/shop/items/a%20b"
    }


def test_a_block_has_no_frame(client: TestClient) -> None:
    assert html(client.get("/services", headers=htmx("div#services"))).all("header, nav[aria-label=Main]") == []


def test_pages_can_be_called_as_the_functions_they_are() -> None:
    @page("/x")
    def x(a: int = 1) -> View:
        """X."""
        return View("x.html", a=a)

    assert x(2).data == {"a": 2}
