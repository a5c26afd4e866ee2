"""Imports: a file, its columns, what it would do, and all of it or nothing."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import Workbook
from sqlmodel import select
from starlette.testclient import TestClient

from core import UserError, sheets
from core.audit import AuditEntry
from core.db import Database
from core.testing import html
from tests.web.shop.models import Colour, Item, Maker

ROWS = "Name;Price;Colour;New;Sold on\nchair;12.50;Red;yes;2027-01-31\ndesk;;;;\n"


def look(client: TestClient, content: str | bytes) -> Any:
    """Upload a file and see what it would do."""
    data = content.encode() if isinstance(content, str) else content
    return client.post("/shop/import", files={"file": ("things.csv", data)})


def agree(client: TestClient, answer: Any) -> Any:
    """Press the button of the dry run."""
    forms = html(answer).all("[action='/shop/import']")
    fields = {one.attribute("name"): one.attribute("value") for one in forms[-1].all("input")}
    return client.post("/shop/import", data=fields)


def workbook(*rows: list[Any]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


@pytest.fixture
def items(database: Database) -> Any:
    """What is in the shop by now, by name."""

    def read() -> dict[str, Item]:
        with database.read() as db:
            return {item.name: item for item in db.exec(select(Item))}

    return read


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        pytest.param("a;b\n1;2\n", [["a", "b"], ["1", "2"]], id="semicolon"),
        pytest.param('a,b\n"1, 2", 3\n', [["a", "b"], ["1, 2", "3"]], id="comma"),
        pytest.param("a\tb\n1\t2", [["a", "b"], ["1", "2"]], id="tab"),
        pytest.param("\ufeffä\n", [["ä"]], id="byte order mark"),
        pytest.param("ä\n".encode("cp1252"), [["ä"]], id="windows"),
        pytest.param("a\n'=1+1\n'tis\n", [["a"], ["=1+1"], ["'tis"]], id="no formula"),
        pytest.param(
            workbook(["a", "b"], [1.0, 2.5], [None, datetime(2027, 1, 31)], [True, datetime(2027, 1, 31, 10)]),
            [["a", "b"], ["1", "2.5"], ["", "2027-01-31"], ["True", "2027-01-31 10:00:00"]],
            id="workbook",
        ),
    ],
)
def test_a_sheet_is_read_as_people_write_it(content: str | bytes, rows: list[list[str]]) -> None:
    data = content.encode() if isinstance(content, str) else content
    assert list(sheets.read(data, "file")) == rows


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"", "It needs a first row that names the columns", id="empty"),
        pytest.param(b"a\0b", "things.csv cannot be read (it is neither)", id="binary"),
        pytest.param(b"PK\x03\x04", "things.csv cannot be read (File is not a zip file)", id="broken workbook"),
        pytest.param(b'name\n"' + b"x" * 200_000, "field larger than field limit", id="open quote"),
        pytest.param(b"name\n\n", "1 to 3,000 rows below it", id="no rows"),
        pytest.param(b"name\n" + b"x\n" * 3001, "1 to 3,000 rows below it", id="too many rows"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_where_it_was_chosen(
    content: bytes, error: str, client: TestClient
) -> None:
    answer = look(client, content)
    assert answer.status_code == 422
    assert error in html(answer).one("#f-file-error").text


def test_a_workbook_that_is_written_reads_the_same() -> None:
    rows = [["name", "note"], ["chair", "a\0b"]]
    assert list(sheets.read(b"".join(sheets.write("things", rows)), "file")) == [["name", "note"], ["chair", "ab"]]


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LARGEST_UNPACKED", 100)
    with pytest.raises(UserError, match="too large when unpacked"):
        list(sheets.read(workbook(["a"]), "file"))


def test_columns_are_known_by_their_names_and_the_others_left_out(client: TestClient) -> None:
    page = html(look(client, "NAME,sold_on,Maker,what\nchair,2027-01-31,,x\n"))
    assert page.one("#new tbody td:last-child").text == "Sold on: 2027-01-31"
    assert "left out what" in page.one("main").text


@pytest.mark.parametrize("heads", ["note,price", "name,note,Note", "Name,name"])
def test_columns_that_do_not_fit_are_refused(heads: str, client: TestClient) -> None:
    answer = look(client, f"{heads}\nchair,1,2\n")
    error = "Name one column Name, which tells rows apart, and no two alike."
    assert (answer.status_code, html(answer).one("#f-file-error").text) == (422, error)


def test_the_dry_run_says_what_each_row_would_do_and_writes_nothing(client: TestClient, sell: Any, items: Any) -> None:
    sell(Item(name="desk", note="old", price=Decimal(5)), Item(name="lamp"))
    page = html(look(client, "name,note,price\ndesk,new,5.00\nchair,,7\nlamp,,\nbed,x,dear\n"))
    assert [row.text for row in page.all("tbody tr")] == [
        "5 bed Price: Should be a valid decimal.",
        "2 desk Note: old → new",
        "3 chair Price: 7",
        "4 lamp",
    ]
    assert set(items()) == {"desk", "lamp"}


def test_an_import_writes_every_row_as_its_types(client: TestClient, items: Any, sell: Any) -> None:
    sell(Item(name="desk", note="kept"))
    answer = agree(client, look(client, ROWS))
    chair = items()["chair"]
    assert answer.headers["location"] == "/shop"
    assert (chair.price, chair.colour, chair.is_new, str(chair.sold_on), chair.note) == (
        Decimal("12.50"), Colour.RED, True, "2027-01-31", "")  # fmt: skip
    assert items()["desk"].note == "kept"


def test_a_workbook_is_imported_like_a_csv(client: TestClient, items: Any, sell: Any) -> None:
    sell(Maker(id=3, name="Anna"))
    book = workbook(["Name", "Stock", "Maker", "Made at"], ["chair", 3, "anna", datetime(2027, 1, 31, 10, 30)])
    agree(client, look(client, book))
    chair = items()["chair"]
    assert (chair.stock, chair.maker_id, chair.made_at) == (3, 3, datetime(2027, 1, 31, 10, 30, tzinfo=UTC))


def test_an_import_is_in_the_audit_row_by_row(client: TestClient, database: Database) -> None:
    agree(client, look(client, "name,password\nchair,hunter2\n"))
    with database.read() as db:
        [entry] = db.exec(select(AuditEntry).where(AuditEntry.table == "shop_item")).all()
    assert (entry.key, entry.did, entry.after["password"]) == ("chair", "Add and change things from a file.", "••••")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        pytest.param("name,new\nchair,perhaps\n", "New: Should be a valid boolean", id="flag"),
        pytest.param("name,colour\nchair,green\n", "Colour: 'green' is not one of the choices.", id="choice"),
        pytest.param("name\nchair\nchair\n", "Row 2 has the same name.", id="twice"),
        pytest.param("name,note\nchair,x,y\n", "It has more cells than the first row.", id="more cells"),
        pytest.param("name,note\n,x\n", "Name: This is needed.", id="no key"),
        pytest.param("name,sold_on\nchair,soon\n", "Sold on: Should be a valid date", id="date"),
        pytest.param("name,colour\nchair,red\n", "A red thing needs a price.", id="the form's own check"),
    ],
)
def test_one_wrong_row_keeps_the_whole_file_out(content: str, wrong: str, client: TestClient, items: Any) -> None:
    answer = look(client, content)
    page = html(answer)
    assert wrong in page.one("#wrong tbody tr").text
    assert not page.all("input[name=apply]")
    rows = json.dumps(list(enumerate(sheets.read(content.encode(), "file"), 1)))
    assert client.post("/shop/import", data={"rows": rows, "apply": "yes"}).status_code == 409
    assert items() == {}


def test_a_row_that_only_the_database_refuses_keeps_the_whole_file_out(client: TestClient, items: Any) -> None:
    answer = agree(client, look(client, "name,weight\nchair,1\ndesk,2000000\n"))
    assert (answer.status_code, items()) == (409, {})
    assert "The database refuses a row (CHECK constraint failed" in answer.text


def test_a_second_click_changes_nothing(client: TestClient, items: Any) -> None:
    dry = look(client, ROWS)
    assert [agree(client, dry).status_code for _ in range(2)] == [303, 303]
    assert set(items()) == {"chair", "desk"}


@pytest.mark.parametrize("rows", ["", "no JSON", "{}", "[[1, [1]]]", "[[1, []], [2, []]]"], ids=repr)
def test_rows_that_do_not_come_from_a_form_are_refused(rows: str, client: TestClient) -> None:
    assert client.post("/shop/import", data={"rows": rows, "apply": "yes"}).status_code == 422
