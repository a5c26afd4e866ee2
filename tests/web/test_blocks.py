"""Block rendering: htmx gets the part it asks for, everybody else the page."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from core.testing import html
from tests.web.asking import ClientAs, htmx
from tests.web.shop.models import Item


@pytest.mark.parametrize(
    ("headers", "has_block", "has_rest"),
    [
        pytest.param({}, True, True, id="no htmx"),
        pytest.param(htmx("div#items"), True, False, id="the block"),
        pytest.param(htmx("p%23greeting"), False, False, id="encoded, another block"),
        pytest.param(htmx("div#items", "full"), True, True, id="a full request"),
        pytest.param(htmx("div"), True, True, id="no id"),
        pytest.param(htmx(""), True, True, id="no target"),
        pytest.param({"HX-Target": "div#items"}, True, True, id="not from htmx"),
        pytest.param({"HX-Request": "false", "HX-Target": "div#items"}, True, True, id="htmx says no"),
        pytest.param({"HX-Request": "true", "HX-Target": "div#items"}, True, False, id="no request type"),
        pytest.param(htmx("div#nowhere"), True, True, id="unknown block"),
        pytest.param(htmx("div#%C3%A4"), True, True, id="a block no name can have"),
    ],
)
def test_htmx_gets_only_the_block_it_targets(
    headers: dict[str, str], has_block: bool, has_rest: bool, client: TestClient
) -> None:
    page = html(client.get("/shop", headers=headers))
    assert bool(page.all("#items")) is has_block
    assert bool(page.all("#whole, html, #toasts")) is has_rest
    assert bool(page.all("#greeting")) is (has_rest or not has_block)


def test_a_block_knows_who_looks(client_as: ClientAs) -> None:
    block = html(client_as("viewer").get("/shop", headers=htmx("p#greeting")))
    assert block.text == "Hello, viewer"


def test_a_block_of_another_page_brings_the_whole_page(client: TestClient) -> None:
    response = client.get("/shop?q=a%20b", headers=htmx("div#nowhere"))
    assert (response.headers["hx-retarget"], response.headers["hx-reswap"]) == ("body", "innerHTML")
    assert response.headers["hx-push-url"] == "/shop?q=a%20b"


def test_a_whole_page_of_an_odd_address_can_be_pushed(client: TestClient, sell: Callable[..., None]) -> None:
    sell(Item(name="Stühle?"))
    response = client.get("/shop/items/St%C3%BChle%3F", headers=htmx("div#nowhere"))
    assert response.headers["hx-push-url"] == "/shop/items/St%C3%BChle%3F"


def test_a_block_leaves_the_address_alone(client: TestClient) -> None:
    headers = client.get("/shop", headers=htmx("div#items")).headers
    assert not {"hx-retarget", "hx-reswap", "hx-push-url"} & set(headers)


@pytest.mark.parametrize("headers", [{}, htmx("div#items")])
def test_a_cache_knows_that_it_depends(headers: dict[str, str], client: TestClient) -> None:
    response = client.get("/shop", headers=headers)
    assert {"HX-Request", "HX-Target", "HX-Request-Type", "Cookie"} <= set(response.headers["vary"].split(", "))
    assert response.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("headers", [{}, htmx("div#items")])
def test_what_has_not_changed_is_not_sent_again(headers: dict[str, str], client: TestClient) -> None:
    tag = client.get("/shop", headers=headers).headers["etag"]
    again = client.get("/shop", headers={**headers, "If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_what_has_changed_is_sent_again(client: TestClient, sell: Callable[..., None]) -> None:
    tag = client.get("/shop").headers["etag"]
    sell(Item(name="chair"))
    assert client.get("/shop", headers={"If-None-Match": tag}).status_code == 200


def test_each_block_and_each_user_has_a_tag_of_its_own(client_as: ClientAs) -> None:
    viewer, admin = client_as("viewer"), client_as("admin")
    asked = [(viewer, {}), (viewer, htmx("div#items")), (viewer, htmx("div#nowhere")), (admin, htmx("div#items"))]
    assert len({client.get("/shop", headers=headers).headers["etag"] for client, headers in asked}) == 4


def test_a_block_that_follows_an_action_says_what_happened(client: TestClient) -> None:
    client.cookies.update(client.post("/shop/sell/go", headers=htmx("div#items")).cookies)
    block = client.get("/shop", headers=htmx("div#items"))
    assert block.headers["hx-trigger"] == '{"toast": "Sold, \\u201cgladly\\u201d"}'
    assert "toast=" in block.headers["set-cookie"]
    assert html(block).one("#items tbody th").text == "sold go"


def test_nothing_to_say_triggers_nothing(client: TestClient) -> None:
    headers = client.get("/shop", headers=htmx("div#items")).headers
    assert not {"hx-trigger", "set-cookie"} & set(headers)


def test_a_form_with_a_mistake_comes_back_alone_and_unsaved(client: TestClient) -> None:
    response = client.post("/shop/new", data={"name": "x"}, headers=htmx("div#item"))
    assert response.status_code == 422
    assert html(response).one("#f-name").attribute("value") == "x"
    assert "<html" not in response.text
