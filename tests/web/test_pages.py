"""Pages and actions: arguments by type, what a handler may return, and when its writes are kept."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from core import DB, DeclarationError, Go, Session, View, action, page, pages
from core.audit import AuditEntry
from core.db import Database
from core.marks import of
from core.testing import html
from tests.web.asking import JSON, ClientAs, htmx
from tests.web.shop import pages as shop
from tests.web.shop.models import Item

Names = Callable[[], set[str]]


def test_a_page_has_its_title_and_its_docstring(client: TestClient) -> None:
    page = html(client.get("/shop"))
    assert (page.one("h1").text, page.one("h1 + p").text) == ("Shop", "All that we sell.")
    assert page.one("title").text == "Shop · Test tool"


def test_a_view_may_say_its_own_title_and_no_subtitle(client: TestClient, sell: Callable[..., None]) -> None:
    sell(Item(name="a chair"))
    page = html(client.get("/shop/items/a%20chair"))
    assert page.one("h1").text == "a chair"
    assert page.all("h1 + p") == []


def test_a_page_below_one_of_the_menu_leads_back_to_it(client: TestClient) -> None:
    below, itself = (
        html(client.get(path)).all('main a[href="/-/jobs"]') for path in ("/-/jobs/services.check", "/-/jobs")
    )
    assert "Jobs" in [link.text for link in below]
    assert "Jobs" not in [link.text for link in itself]


def test_arguments_are_given_by_their_type(client: TestClient) -> None:
    assert html(client.get("/shop/office?size=41")).one("#text").text == "admin admin 5.0 42"
    assert html(client.get("/shop/office")).one("#text").text == "admin admin 5.0 4"


def test_a_query_parameter_of_the_wrong_type_is_explained(client: TestClient) -> None:
    response = client.get("/shop/office?size=big")
    assert response.status_code == 422
    assert "query.size: Input should be a valid integer" in html(response).one("main").text


def test_a_path_of_the_wrong_type_is_no_page(client: TestClient) -> None:
    assert client.get("/services/first").status_code == 404
    assert client.post("/shop/office/first").status_code == 404


def test_a_request_can_be_had_too(served: TestClient) -> None:
    assert html(served.get("/shop/open", headers={"X-Said": "<hello>"})).one("#text").text == "<hello>"


def test_an_action_gets_what_was_typed(served: TestClient) -> None:
    assert served.post("/shop/open", data={"name": "Ann"}).text == "who is there: Ann"


def test_a_coroutine_is_a_page_too(client: TestClient) -> None:
    assert html(client.get("/shop/slow?q=%20tea")).one("#text").text == "GET tea"


def test_a_coroutine_may_not_have_the_database() -> None:
    async def slow(db: DB) -> View: ...

    with pytest.raises(DeclarationError, match=r"test_pages\.py:\d+: slow is async and takes DB.*plain def"):
        pages.endpoint(slow, of(shop.slow))


@pytest.mark.parametrize(
    ("how", "status", "kept"),
    [
        ("go", 303, True),
        ("view", 200, True),
        ("response", 200, True),
        ("view-422", 422, False),
        ("response-409", 409, False),
        ("refused", 409, False),
        ("busy", 503, False),
        ("bug", 500, False),
        ("nothing", 500, False),
        ("lost", 500, False),
        ("elsewhere", 500, False),
        ("bad-template", 500, False),
        ("bad-sql", 500, False),
    ],
)
def test_what_an_action_wrote_is_kept_only_when_it_went_well(
    how: str, status: int, kept: bool, client: TestClient, names: Names
) -> None:
    assert client.post(f"/shop/sell/{how}").status_code == status
    assert names() == ({f"sold {how}"} if kept else set())


@pytest.mark.parametrize("how", ["bug", "refused", "view-422", "bad-template"])
def test_a_failed_action_holds_nobody_up(how: str, client: TestClient, sell: Callable[..., None]) -> None:
    client.post(f"/shop/sell/{how}")
    sell(Item(name="next in line"))


@pytest.mark.parametrize(("name", "status"), [("chair", 303), ("refused", 409)])
def test_a_dependency_shares_the_transaction(
    name: str, status: int, client: TestClient, names: Names, sell: Callable[..., None]
) -> None:
    assert client.post(f"/shop/reserve/{name}").status_code == status
    sell(Item(name="next in line"))
    assert names() == {"next in line"} | ({"chair"} if status == 303 else set())


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/shop/api/items/chair", True),
        ("/shop/api/inner/items/chair", True),
        ("/shop/api/items/chair/fail", False),
        ("/shop/api/items/chair/conflict", False),
        ("/shop/api/items/x/nowhere", False),
    ],
)
def test_a_plain_router_commits_what_went_well(path: str, kept: bool, client: TestClient, names: Names) -> None:
    assert client.post(path, headers=JSON).is_success is kept
    assert names() == ({"chair"} if kept else set())


def test_a_plain_router_that_cannot_commit_says_so(client: TestClient, sell: Callable[..., None]) -> None:
    sell(Item(name="chair"))
    response = client.post("/shop/api/items/chair", headers=JSON)
    assert (response.status_code, response.json()["title"]) == (500, "Something failed")
    sell(Item(name="next in line"))


@pytest.fixture
def witness(client: TestClient, names: Names) -> tuple[TestClient, list[tuple[str, set[str]]]]:
    """A client, and what was in the database each time that the app sent something."""
    seen: list[tuple[str, set[str]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def witnessed(message: Any) -> None:
            seen.append((message["type"], names()))
            await send(message)

        await client.app(scope, receive, witnessed)

    return TestClient(app, headers=client.headers, follow_redirects=False), seen


@pytest.mark.parametrize("path", ["/shop/sell/go", "/shop/sell/view", "/shop/api/items/x", "/shop/api/inner/items/x"])
def test_the_commit_comes_before_the_first_byte(
    path: str, witness: tuple[TestClient, list[tuple[str, set[str]]]]
) -> None:
    client, seen = witness
    client.post(path)
    assert seen[0][0] == "http.response.start"
    assert len(seen[0][1]) == 1


def test_the_audit_names_who_wrote_and_why(client: TestClient, database: Database) -> None:
    answer = client.post("/shop/sell/go")
    with database.read() as db:
        entry = db.exec(select(AuditEntry).where(AuditEntry.table == "shop_item")).one()
    assert (entry.actor, entry.actor_kind, entry.did) == (
        "admin",
        "token",
        "Sell a thing, and end in one of many ways.",
    )
    assert entry.request_id == answer.headers["x-request-id"]


def test_a_page_cannot_write_and_is_told_how(
    client: TestClient, names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/shop/writes").status_code == 500
    assert "writes is a page and cannot write; do it in a function marked with @action." in caplog.text
    assert "shop/pages.py:" in caplog.text
    assert names() == set()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/shop/nonsense", "nonsense returned {'not': 'a view'}; return a View, a Go or a Response."),
    ],
)
def test_a_page_that_is_written_wrongly_is_told_where(
    path: str, said: str, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get(path).status_code == 500
    assert said in caplog.text
    assert "shop/pages.py:" in caplog.text


def test_after_an_action_the_next_page_says_what_happened_once(client: TestClient) -> None:
    gone = client.post("/shop/sell/go")
    assert (gone.status_code, gone.headers["location"]) == (303, "/shop")
    client.cookies.update(gone.cookies)
    first, second = client.get("/shop"), client.get("/shop")
    assert html(first).one("#toasts [data-text]").text == "Sold, “gladly”"
    assert html(second).all("#toasts [data-text]") == []


def test_a_page_with_a_toast_is_not_kept_by_the_browser(client: TestClient) -> None:
    client.cookies.update(client.post("/shop/sell/go").cookies)
    assert "etag" not in client.get("/shop", headers=htmx("div#items")).headers


def test_the_toasts_cookie_is_out_of_reach_and_short(client: TestClient) -> None:
    cookie = client.post("/shop/sell/go").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Max-Age=30"} <= set(cookie.split("; "))
    assert len(pages.quote("x" * pages.LONGEST_TOAST)) < 4000


@pytest.mark.parametrize(
    ("go", "url"),
    [
        (Go("/shop"), "/shop"),
        (Go("/shop", q="a b", page=2), "/shop?q=a+b&page=2"),
        (Go("/shop?q=x", page=2), "/shop?q=x&page=2"),
        (Go(shop.index), "/shop"),
        (Go(shop.index, q=None), "/shop"),
        (Go(shop.show, name="a/b ü?", tab="x"), "/shop/items/a%2Fb%20%C3%BC%3F?tab=x"),
    ],
)
def test_go_writes_the_address(go: Go, url: str) -> None:
    assert go.url == url


@pytest.mark.parametrize("to", [shop.add, shop.show, print, "shop", "//evil.example", "https://evil.example", 7])
def test_go_leads_only_to_a_page_of_this_tool(to: Any) -> None:
    with pytest.raises(DeclarationError, match="give it"):
        _ = Go(to).url


def test_a_busy_database_says_when_to_come_back(client: TestClient) -> None:
    response = client.post("/shop/sell/busy")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert "Nothing was saved; try again." in html(response).one("main").text


@page("/one")
def one() -> View:
    """A page."""
    return View("x.html")


@action("/two", role="admin")
def two() -> Go:
    """An action."""
    return Go("/")


def test_a_marked_function_stays_the_function_it_was() -> None:
    assert (one().template, two().url) == ("x.html", "/")
    assert (of(one).path, of(one).role, of(two).role) == ("/one", "viewer", "admin")


def test_no_address_says_no_method(client_as: ClientAs) -> None:
    response = client_as("viewer").get("/shop/sell/go")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("path", ["/shop/sell/go", "/shop/reserve/chair", "/shop/api/items/chair"])
def test_who_waits_too_long_to_write_is_told_to_come_back(path: str, client: TestClient, db: Session) -> None:
    db.add(Item(name="somebody else's"))
    db.flush()
    response = client.post(path, headers=JSON)
    assert (response.status_code, response.headers["retry-after"], response.json()["title"]) == (503, "2", "Busy")
