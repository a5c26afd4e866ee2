"""What a table shows, as a file: everything that matches, in the columns and order shown; no secret, no formula."""

import csv
import io
import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from subprocess import run
from typing import Any

import pytest
from openpyxl import load_workbook
from starlette.testclient import TestClient

from core.testing import html
from tests.web.asking import ClientAs, query
from tests.web.shop.models import Colour, Item, Maker

Sell = Callable[..., None]
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture(autouse=True)
def things(sell: Sell) -> None:
    sell(Maker(id=1, name="Anna"))
    sell(
        Item(id=1, name="armchair", maker_id=1, stock=3, price=Decimal("1234.50"), sold_on=date(2026, 1, 31),
             made_at=datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), is_new=True, colour=Colour.RED, recipe="glue"),
        Item(id=2, name="bench", stock=-3),
        Item(id=3, name="cot", stock=12),
    )  # fmt: skip


def lines(client: TestClient, address: str) -> list[list[str]]:
    answer = client.get(address)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.text)))


def cells(client: TestClient, address: str) -> list[list[Any]]:
    answer = client.get(address)
    assert answer.headers["content-type"] == SHEET
    book = load_workbook(io.BytesIO(answer.content))
    return [[cell.value for cell in row] for row in book.active.iter_rows()]


def test_a_csv_has_the_rows_that_match_in_the_columns_and_order_shown(client: TestClient) -> None:
    assert lines(client, "/shop/stock?cols=stock,id&sort=-stock&stock.from=-5&stock.to=4&format=csv") == [
        ["Name", "Stock", "Maker"],
        ["armchair", "3", "Anna"],
        ["bench", "-3", ""],
    ]


def test_a_file_has_a_name(client: TestClient) -> None:
    said = client.get("/shop/stock?format=xlsx").headers["content-disposition"]
    assert said == f'attachment; filename="stock-{datetime.now(UTC):%Y-%m-%d}.xlsx"'


def test_pages_and_sizes_do_not_cut_a_file(client: TestClient, sell: Sell) -> None:
    sell(*(Item(name=f"thing {n:04}") for n in range(1100)))
    assert len(lines(client, "/shop/stock?page=2&size=25&format=csv")) == 1 + 3 + 1100
    names = [line[0] for line in lines(client, "/shop/stock?q=thing&sort=-name&format=csv")]
    assert names == ["Name", *(f"thing {n:04}" for n in reversed(range(1100)))]


def test_a_sheet_has_numbers_and_dates_as_such(client: TestClient) -> None:
    sheet = cells(client, "/shop/stock?cols=stock,price,sold_on,made_at,is_new&q=armchair&format=xlsx")
    assert sheet == [
        ["Name", "Stock", "Price", "Sold on", "Made at", "Is new"],
        ["armchair", 3, 1234.5, datetime(2026, 1, 31), datetime(2026, 1, 31, 23, 59, 59), "yes"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'], ids=repr)
def test_a_text_never_becomes_a_formula(client: TestClient, sell: Sell, text: str) -> None:
    sell(Maker(id=2, name=text))
    sell(Item(id=9, name="trap", maker_id=2))
    assert lines(client, "/shop/stock?q=trap&format=csv")[1][1] == f"'{text}"
    shown = cells(client, "/shop/stock?q=trap&format=xlsx")[1][1]
    assert shown.replace("\n", "\r") == f"'{text}"  # XML reads a return as a line's end


def test_what_a_sheet_cannot_hold_is_left_out_of_it(client: TestClient, sell: Sell) -> None:
    sell(Maker(id=2, name="b\x01e\x0bll"))
    sell(Item(id=9, name="odd", maker_id=2))
    assert cells(client, "/shop/stock?q=odd&format=xlsx")[1][1] == "bell"


def test_json_has_raw_values_and_the_key(client: TestClient) -> None:
    answer = client.get("/shop?q=armchair&format=json").json()
    rows = answer.pop("rows")
    assert answer == {"total": 3, "matching": 1, "page": 1, "pages": 1, "next": None}
    assert rows == [
        {"id": 1, "name": "armchair", "maker": "Anna", "colour": "red", "price": "1234.50", "stock": 3, "weight": None,
         "sold_on": "2026-01-31", "made_at": "2026-01-31T23:59:59Z", "is_new": True, "url": "", "note": ""}
    ]  # fmt: skip


def test_json_comes_by_the_page_and_says_where_it_goes_on(client: TestClient, sell: Sell) -> None:
    sell(*(Item(name=f"thing {n:02}") for n in range(60)))
    first = client.get("/shop?q=thing&size=25&format=json&sort=-name").json()
    last = client.get(client.get(first["next"]).json()["next"]).json()
    assert (first["matching"], first["page"], first["pages"], len(first["rows"])) == (60, 1, 3, 25)
    assert [row["name"] for row in last["rows"]] == [f"thing {n:02}" for n in reversed(range(10))]
    assert last["next"] is None


def test_a_number_that_json_does_not_have_is_null(client: TestClient, sell: Sell) -> None:
    sell(Item(name="abyss", weight=-math.inf))
    assert client.get("/shop?q=abyss&format=json").json()["rows"][0]["weight"] is None


def test_no_row_is_still_a_file(client: TestClient) -> None:
    assert client.get("/shop?q=nowhere&format=json").json()["rows"] == []
    assert lines(client, "/shop/stock?q=nowhere&cols=price&format=csv") == [["Name", "Price"]]


@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_secret_is_masked_on_the_page_and_in_no_file(client: TestClient, format: str) -> None:
    page = client.get("/shop/stock?cols=recipe&q=arm")
    assert "••••" in html(page).one("#stock tbody").text
    exported = client.get(f"/shop/stock?cols=recipe&format={format}").text
    assert "glue" not in page.text + exported
    assert "ecipe" not in exported


def test_one_of_several_tables_is_named(client: TestClient) -> None:
    assert lines(client, "/shop/stock?format=csv&table=makers") == [["Id", "Name"], ["1", "Anna"]]
    page = html(client.get("/shop/stock?q=cot&page=1&size=25&sort=name"))
    asked = {"q": "cot", "sort": "name", "table": "stock"}
    assert query(page.one("#stock-csv").attribute("href")) == {**asked, "format": "csv"}
    assert query(page.one("#stock-xlsx").attribute("href")) == {**asked, "format": "xlsx"}


@pytest.mark.parametrize(
    "address", ["/shop?format=pdf", "/shop?format=", "/shop?format=csv&table=nowhere", "/shop/new?format=csv"]
)
def test_what_is_no_export_is_the_page(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_who_may_not_see_a_page_gets_no_file_of_it(served: TestClient, client_as: ClientAs) -> None:
    assert served.get("/shop?format=csv").status_code == 303
    assert client_as("viewer").get("/shop?format=csv").status_code == 200


def test_a_start_does_not_wait_for_the_sheets_library() -> None:
    command = "import core.tables, sys; sys.exit('openpyxl' in sys.modules)"
    assert run([sys.executable, "-c", command], cwd="template").returncode == 0
