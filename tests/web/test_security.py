"""P7: everything is closed unless it says public; who may write from where; the headers that keep a browser strict."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app import services
from core import App, auth, now, security
from core.db import Database
from core.settings import Settings
from core.testing import TESTER, html
from tests.web import shop
from tests.web.asking import ELSEWHERE, JSON, ClientAs, htmx
from tests.web.shop.models import Item

EVERYTHING = App(features=[services.feature, shop.feature])
OPEN = {
    "GET /-/static/{name:path}", "GET /-/health", "GET /-/ready", "GET /-/sign-in", "POST /-/sign-in",
    "GET /-/sign-in/{secret}", "POST /-/sign-in/{secret}", "POST /-/theme",
    "GET /-/alerts/calendar/{secret}",
    "GET /shop/open", "GET /shop/api/window", "GET /shop/open/{room}", "POST /shop/open", "GET /shop/shelf",
}  # fmt: skip


def routes() -> list[str]:
    """Every route of the app as "GET /path", those of routers inside routers too."""
    found = [(route.methods or (), route.path) for route in iter_route_contexts(EVERYTHING.api.routes) if route.path]
    return sorted({f"{method} {path}" for methods, path in found for method in methods})


CLOSED = [route for route in routes() if route not in OPEN]


def ask(client: TestClient, route: str, **more: Any) -> Any:
    method, _, path = route.partition(" ")
    path = path.replace("{id}", "1").replace("{number}", "1").replace("{", "").replace("}", "")
    return client.request(method, path, **more)


def test_the_list_of_routes_is_whole() -> None:
    assert {"GET /services", "POST /-/jobs/{name}/run", "GET /-/openapi.json", "GET /"} <= set(CLOSED)
    assert {"POST /shop/api/inner/items/{name}", "GET /shop/api/items"} <= set(CLOSED)
    assert set(routes()) >= OPEN


@pytest.mark.parametrize("route", CLOSED)
def test_a_stranger_is_sent_to_the_sign_in_page(route: str, served: TestClient) -> None:
    response = ask(served, route)
    assert (response.status_code, response.text) == (303, "")
    assert response.headers["location"].startswith("/-/sign-in?next=")


@pytest.mark.parametrize("route", CLOSED)
def test_a_strange_program_is_told_401(route: str, served: TestClient) -> None:
    response = ask(served, route, headers=JSON)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", sorted(OPEN - {"GET /-/static/{name:path}"}))
def test_what_is_public_lets_a_stranger_in(route: str, served: TestClient) -> None:
    assert ask(served, route, headers=JSON).status_code != 401


@pytest.mark.parametrize("path", ["/nowhere", "/services/nowhere/at/all", "/-/nowhere", "/shop/api/nowhere"])
def test_a_stranger_does_not_learn_which_addresses_exist(path: str, served: TestClient) -> None:
    unknown, known = served.get(path), served.get("/services")
    assert unknown.status_code == known.status_code == 303
    assert unknown.text == known.text


def test_a_page_behind_a_public_pattern_stays_closed(served: TestClient) -> None:
    response = served.get("/shop/open/till")
    assert response.headers["location"] == "/-/sign-in?next=/shop/open/till"
    assert "money" not in response.text


def test_a_plain_route_behind_a_public_address_stays_closed(served: TestClient) -> None:
    assert "chairs" in served.get("/shop/api/window").text
    response = served.post("/shop/api/window", headers=JSON)
    assert (response.status_code, "dressed" in response.text) == (401, False)


def test_the_sign_in_page_leads_back_to_where_one_was(served: TestClient) -> None:
    location = served.get("/shop?colour=red&q=a+b").headers["location"]
    assert location == "/-/sign-in?next=/shop%3Fcolour%3Dred%26q%3Da%2Bb"
    assert html(served.get(location)).one("input[name=next]").attribute("value") == "/shop?colour=red&q=a+b"


def test_htmx_is_told_to_move_the_whole_browser(served: TestClient) -> None:
    asked_from = htmx("div#items", **{"HX-Current-URL": "http://testserver/shop?page=2"})
    response = served.get("/shop?page=3", headers=asked_from)
    assert response.headers["hx-redirect"] == "/-/sign-in?next=/shop%3Fpage%3D2"
    assert (response.status_code, response.text, "location" in response.headers) == (401, "", False)


@pytest.mark.parametrize("url", ["", "nonsense", "http://[", "http://testserver//evil.example"])
def test_a_strange_current_url_leads_nowhere_else(url: str, served: TestClient) -> None:
    target = served.get("/shop", headers=htmx(**{"HX-Current-URL": url})).headers["hx-redirect"]
    assert html(served.get(target)).one("input[name=next]").attribute("value") == "/"


@pytest.mark.parametrize(
    ("role", "page", "action"),
    [("viewer", 403, 403), ("operator", 403, 403), ("admin", 200, 303)],
)
def test_a_role_is_needed(role: str, page: int, action: int, client_as: ClientAs) -> None:
    client = client_as(role)
    assert client.get("/shop/office").status_code == page
    assert client.post("/shop/office/1").status_code == action


def test_who_lacks_a_role_is_told_which_one(client_as: ClientAs) -> None:
    text = html(client_as("viewer").get("/shop/office")).one("main").text
    assert "This needs the role admin; viewer is viewer." in text


def test_a_role_is_asked_for_before_anything_else_is_looked_at(
    client_as: ClientAs, names: Callable[[], set[str]]
) -> None:
    assert client_as("viewer").post("/shop/office/not-a-number").status_code == 403
    assert client_as("viewer").post("/shop/reserve/chair").status_code == 403
    assert names() == set()


def test_the_menu_shows_only_what_one_may_see(client_as: ClientAs) -> None:
    seen = html(client_as("viewer").get("/shop")).all("nav[aria-label=Main] a")
    assert {"Shop", "Services", "Jobs"} <= {link.text for link in seen}
    assert not {"Office", "Components"} & {link.text for link in seen}


@pytest.mark.parametrize("path", ["/shop/api/live", "/shop/api/inner/live"])
def test_a_socket_is_closed_to_strangers(path: str, served: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), served.websocket_connect(path):
        pass


def test_a_socket_is_open_to_whoever_signed_in(browser_as: ClientAs) -> None:
    with browser_as("viewer").websocket_connect("/shop/api/live") as socket:
        assert socket.receive_text() == "hello"


def test_a_socket_is_closed_to_another_sites_page(browser_as: ClientAs) -> None:
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    with (
        pytest.raises(WebSocketDisconnect),
        browser_as("viewer").websocket_connect("/shop/api/live", headers=elsewhere),
    ):
        pass


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 303, id="our own page"),
        pytest.param({"Sec-Fetch-Site": "none"}, 303, id="the person, by typing"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="a neighbour"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403, id="Sec-Fetch-Site wins"),
        pytest.param({"Sec-Fetch-Site": "nonsense"}, 403, id="nonsense"),
        pytest.param({"Origin": "http://testserver"}, 303, id="same origin"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="other origin"),
        pytest.param({"Origin": "http://testserver.evil.example"}, 403, id="look-alike"),
        pytest.param({"Origin": "http://testserver:81"}, 403, id="other port"),
        pytest.param({"Origin": "null"}, 403, id="null origin"),
        pytest.param({"Origin": "null", "Host": ""}, 403, id="null origin, no host"),
        pytest.param({"Origin": "http://["}, 403, id="broken origin"),
        pytest.param({}, 403, id="no browser"),
    ],
)
def test_a_write_must_come_from_our_own_page(
    headers: dict[str, str], status: int, browser_as: ClientAs, names: Callable[[], set[str]]
) -> None:
    browser = browser_as("operator")
    del browser.headers["sec-fetch-site"]
    assert browser.post("/shop/sell/go", headers=headers).status_code == status
    assert names() == ({"sold go"} if status == 303 else set())


@pytest.mark.parametrize("headers", [ELSEWHERE, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": ""}])
def test_a_token_may_write_from_anywhere_and_keeps_its_role(headers: dict[str, str], client_as: ClientAs) -> None:
    assert client_as("operator").post("/shop/sell/go", headers=headers).status_code == 303
    assert client_as("viewer").post("/shop/sell/view", headers=headers).status_code == 403


def test_reading_is_never_refused_for_where_it_comes_from(browser_as: ClientAs) -> None:
    assert browser_as("viewer").get("/shop", headers=ELSEWHERE).status_code == 200


def test_another_site_cannot_sign_somebody_in(served: TestClient) -> None:
    response = served.post("/-/sign-in", data={"name": "x"}, headers=ELSEWHERE)
    assert response.status_code == 403
    assert "came from another site" in response.text


@pytest.mark.parametrize("authorization", ["Bearer wrong", "bearer pyops_wrong", "Bearer  ", "Bearer é"])
def test_a_wrong_token_is_refused_even_beside_a_good_cookie(authorization: str, browser_as: ClientAs) -> None:
    response = browser_as("admin").get("/shop", headers={"Authorization": authorization.encode()})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.headers["content-type"] == "application/problem+json"


def test_a_wrong_token_is_refused_on_public_pages_too(served: TestClient) -> None:
    assert served.get("/shop/open", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_other_ways_to_authorize_do_not_hide_the_cookie(browser_as: ClientAs) -> None:
    assert browser_as("viewer").get("/shop", headers={"Authorization": "Basic eDp5"}).status_code == 200


def test_an_expired_token_is_refused(served: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        token = auth.make_token(db, "old", "admin", expires_at=now())
    assert served.get("/shop", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("path", ["/shop", "/shop/api/items", "/-/openapi.json", "/-/api", "/-/jobs"])
def test_a_viewers_token_opens_every_page_and_endpoint(path: str, client_as: ClientAs) -> None:
    assert client_as("viewer").get(path).status_code == 200


ANSWERS = {
    "page": ("/shop", 200),
    "block": ("/shop", 200),
    "sign-in": ("/-/sign-in", 200),
    "JSON": ("/shop/api/items", 200),
    "static": ("/-/static/core.css", 200),
    "health": ("/-/health", 200),
    "forbidden": ("/shop/office", 403),
    "missing": ("/nowhere", 404),
    "missing static": ("/-/static/nowhere.js", 404),
    "bug": ("/shop/fails", 500),
    "wrong method": ("/shop/sell/go", 405),
}


@pytest.mark.parametrize(("path", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_the_strict_headers(path: str, status: int, client_as: ClientAs) -> None:
    response = client_as("viewer").get(path)
    assert response.status_code == status
    assert response.headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' data:")
    assert "unsafe" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-request-id"]


def test_a_redirect_to_sign_in_has_the_strict_headers_too(served: TestClient) -> None:
    response = served.get("/shop")
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


def test_two_tools_on_one_host_have_cookies_of_their_own(settings: Settings) -> None:
    other = settings.model_copy(update={"tool_name": "Other tool ü"})
    assert security.cookie_name(settings) == "test-tool-session"
    assert security.cookie_name(other) == "other-tool---session"


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "evil", "", "/\t/evil.example",
     "/\r\nSet-Cookie: x=y", "\t//evil.example", " //evil.example", "/\0", "///evil.example", "\\\\evil.example"],
)  # fmt: skip
def test_what_could_lead_elsewhere_leads_home(path: str) -> None:
    assert security.local(path) == "/"


@pytest.mark.parametrize("path", ["/", "/shop?q=a+b&x=%2F", "/a%20b", "/ä", "/%2F/evil.example", "/?next=//x"])
def test_a_path_of_ours_is_kept(path: str) -> None:
    assert security.local(path) == path


def test_a_large_body_is_refused(client: TestClient) -> None:
    assert client.post("/shop/new", content=b"name=" + b"x" * 26_000_000).status_code == 413


def test_a_plain_router_knows_who_asks(client_as: ClientAs, sell: Callable[..., None]) -> None:
    sell(Item(name="chair"))
    assert client_as("viewer").get("/shop/api/items").json() == {"user": "viewer", "items": ["chair"]}


def test_every_route_is_one_that_core_knows_how_to_close() -> None:
    kinds = {type(route).__name__ for route in EVERYTHING.api.routes}
    assert kinds == {APIRoute.__name__, "_IncludedRouter"}
