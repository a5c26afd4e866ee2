"""The audit pages; and that nobody can rewrite what they show."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from core import CoreError
from core.db import Database
from core.testing import TESTER, html
from tests.web.shop.models import Item


def test_a_change_is_found_by_who_made_it(client: TestClient, sell: Callable[..., None]) -> None:
    sell(Item(name="chair"))
    row = html(client.get("/-/audit?actor=test&table=shop_item")).one("#entries tbody tr")
    assert "create shop_item" in row.text
    assert "name: chair" in row.text


def test_one_change_shows_before_and_after(client: TestClient, sell: Callable[..., None]) -> None:
    client.post("/shop/sell/response")
    shown = html(client.get(html(client.get("/-/audit?table=shop_item")).one("#entries tbody a").attribute("href")))
    assert '"sold response"' in shown.one("main").text
    assert "admin (token)" in shown.one("main").text


def test_only_an_admin_reads_the_audit(client_as: Callable[[str], TestClient]) -> None:
    assert client_as("operator").get("/-/audit").status_code == 403


@pytest.mark.parametrize("statement", ["UPDATE core_audit SET actor = 'nobody'", "DELETE FROM core_audit"])
def test_the_database_itself_refuses_to_change_the_audit(
    statement: str, database: Database, sell: Callable[..., None]
) -> None:
    sell(Item(name="chair"))
    with database.write(TESTER) as db, pytest.raises(DBAPIError, match="core_audit is only appended to"):
        db.connection().execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM shop_item",
        "  update shop_item set name = 'x'",
        "/* a */ -- comment\n REPLACE INTO shop_item (name) VALUES ('x')",
        "WITH chosen AS (SELECT 1) DELETE FROM shop_item",
    ],
)
def test_a_statement_as_text_that_writes_must_say_why(statement: str, database: Database) -> None:
    with database.write(TESTER) as db, pytest.raises(CoreError, match="must say why"):
        db.execute(text(statement))


@pytest.mark.parametrize("statement", ["SELECT replace('a', 'a', 'b')", "WITH x AS (SELECT 1) SELECT 'update' AS done"])
def test_a_statement_as_text_that_reads_need_say_nothing(statement: str, database: Database) -> None:
    with database.write(TESTER) as db:
        assert db.execute(text(statement)).scalar_one()


def test_a_change_has_its_time_in_the_readers_zone(client: TestClient, sell: Callable[..., None]) -> None:
    sell(Item(name="chair"))
    time = html(client.get("/-/audit")).all("#entries tbody time")[0]
    assert time.attribute("data-time") == "moment" and time.text.endswith(" UTC")
