"""What people, htmx and programs are told when a request fails."""

import json

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from core.db import Database
from core.settings import Settings
from core.testing import TESTER, html
from tests.web.asking import JSON, ClientAs, htmx

FAILURES = {
    "forbidden": ("GET", "/shop/office", 403, "Not allowed", "This needs the role admin"),
    "missing page": ("GET", "/nowhere", 404, "Not found", "There is no such page."),
    "missing row": ("GET", "/shop/items/nothing", 404, "Not found", "There is no nothing."),
    "wrong method": ("POST", "/shop", 405, "Not allowed", "This address does not take that method."),
    "conflict": ("POST", "/shop/sell/refused", 409, "Not now", "It is sold already."),
    "bug in a page": ("GET", "/shop/fails", 500, "Something failed", "The tool failed at this."),
    "bug in an action": ("POST", "/shop/sell/bug", 500, "Something failed", "The tool failed at this."),
    "bug in a template": ("POST", "/shop/sell/bad-template", 500, "Something failed", "The tool failed at this."),
    "busy": ("POST", "/shop/sell/busy", 503, "Busy", "Nothing was saved; try again."),
}
EACH = pytest.mark.parametrize(("method", "path", "status", "title", "text"), FAILURES.values(), ids=FAILURES)


@EACH
def test_a_person_gets_a_page_that_says_what_happened(
    method: str, path: str, status: int, title: str, text: str, client_as: ClientAs
) -> None:
    response = client_as("operator").request(method, path)
    page = html(response)
    assert response.status_code == status
    assert page.one("h1").text == title
    assert text in page.one("main").text
    assert response.headers["x-request-id"] in page.one("main").text
    assert page.one('main a[href="/"]').text == "Go to the start page"
    assert page.all("nav[aria-label=Main] a")


@EACH
def test_htmx_gets_a_message_and_the_page_stays(
    method: str, path: str, status: int, title: str, text: str, client_as: ClientAs
) -> None:
    response = client_as("operator").request(method, path, headers=htmx("div#items"))
    fragment = html(response)
    assert response.status_code == status
    assert text in fragment.one('hx-partial[hx-target="#toasts"] [role=alert]').text
    assert response.headers["x-request-id"] in fragment.text
    assert fragment.all("html, main, h1, #items") == []
    assert not {"hx-retarget", "hx-push-url", "etag"} & set(response.headers)


@EACH
def test_a_program_gets_a_problem(
    method: str, path: str, status: int, title: str, text: str, client_as: ClientAs
) -> None:
    response = client_as("operator").request(method, path, headers=JSON)
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["title"]) == (status, status, title)
    assert text in problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("headers", [{}, JSON, htmx("div#items"), htmx("div#items", "full")])
def test_a_bug_shows_nothing_of_itself(headers: dict[str, str], client: TestClient) -> None:
    response = client.get("/shop/fails", headers=headers)
    assert response.status_code == 500
    assert "Traceback" not in response.text
    assert "ZeroDivisionError" not in response.text
    assert "secret is" not in response.text


def test_a_bug_is_in_the_log_under_the_request_id(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    response = client.get("/shop/fails")
    failed = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(failed) == 1
    assert response.headers["x-request-id"] in str(failed[0].msg)
    assert "the secret is 42" in str(failed[0].msg)


def test_what_is_refused_is_no_error_in_the_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/shop/items/nothing")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_each_request_has_an_id_of_its_own(client: TestClient) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/shop", "/shop", "/nowhere", "/-/health")}
    assert len(ids) == 4


def test_an_error_on_a_public_page_needs_no_menu(served: TestClient) -> None:
    response = served.get("/-/sign-in/a-link-that-never-was")
    assert response.status_code == 410
    assert html(response).all("nav[aria-label=Main]") == []


def test_what_an_address_says_never_becomes_markup(client: TestClient) -> None:
    response = client.get("/shop/items/<script>alert(1)</script>")
    assert response.status_code == 404
    assert "<script>alert" not in response.text


@pytest.mark.parametrize("headers", [{}, JSON])
def test_a_failed_request_is_not_kept_by_a_cache(headers: dict[str, str], client: TestClient) -> None:
    response = client.get("/nowhere", headers=headers)
    assert response.headers["cache-control"] in ("no-store", "private, no-cache")
    assert "etag" not in response.headers


def test_a_plain_routers_own_mistakes_are_problems_too(client: TestClient) -> None:
    response = client.get("/shop/api/nowhere", headers={"Accept": "*/*"})
    assert json.loads(response.text)["detail"] == "There is no such page."


@pytest.mark.sqlite("its words; on the server it would leave its database without a column")
def test_in_development_a_table_that_is_behind_its_model_says_what_to_run(
    client: TestClient, database: Database, settings: Settings
) -> None:
    settings.environment = "development"
    with database.write(TESTER) as db:
        db.connection().execute(text("ALTER TABLE shop_item RENAME COLUMN weight TO mass"))
    shown = html(client.get("/shop")).one("main").text
    assert 'The tables are behind the models; run: python -m core migrate --new "what changed"' in shown
    assert "no such column: shop_item.weight" in shown
