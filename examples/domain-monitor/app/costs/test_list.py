"""The price list: line by line, and from a file."""

from collections.abc import Callable

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from core import Session, today
from core.marks import Role
from core.testing import html

from .conftest import Add
from .list_file import COLUMNS
from .models import ALWAYS, ListPrice

Listed = Callable[..., None]
LINE = {"registrar": "North", "suffix": "de", "price": "6.50", "currency": "EUR", "years": "1", "since": ""}


def lines(db: Session) -> list[str]:
    named = (getattr(ListPrice, name) for name in COLUMNS)
    return sorted(" ".join(map(str, line)) for line in db.execute(select(*named)))


def upload(client: TestClient, text: str) -> list[str]:
    answer = client.post("/costs/prices/import", files={"file": ("prices.csv", text.encode(), "text/csv")})
    return [problem.text for problem in html(answer).all("main li")] if answer.status_code == 422 else []


def test_a_line_is_added_and_says_whose_price_it_is(client: TestClient, db: Session, add: Add) -> None:
    add("acme.de", registrar="North")
    answer = client.post("/costs/prices", data={**LINE, "registrar": "NORTH", "suffix": ".DE", "currency": "eur"})
    assert lines(db) == [f"North de 6.50 EUR 1 {ALWAYS}"]
    page = html(client.get(answer.headers["location"]))
    assert "The price of de is saved; names of that registrar and suffix: 1" in page.node.get_text(" ")


def test_the_same_line_twice_is_refused(client: TestClient, db: Session, listed: Listed) -> None:
    listed("North", "de", "6 EUR")
    answer = client.post("/costs/prices", data=LINE)
    assert "There is a price for this registrar, suffix and day already" in html(answer).one("#f-since-error").text
    assert client.post("/costs/prices", data={**LINE, "since": str(today())}).status_code == 303


def test_a_line_is_changed_on_its_page(client: TestClient, db: Session, listed: Listed) -> None:
    listed("North", "de", "6 EUR")
    href = html(client.get("/costs/prices")).one("tbody a").attribute("href")
    assert html(client.get(href)).one("#f-since").attribute("value") == ""
    client.post(href, data={**LINE, "years": "2"})
    assert lines(db) == [f"North de 6.50 EUR 2 {ALWAYS}"]


def test_picked_lines_are_deleted(client: TestClient, db: Session, listed: Listed) -> None:
    listed("North", "de", "6 EUR")
    listed("South", "de", "6 EUR")
    asked = {"all": "1", "back": "/costs/prices?registrar=South", "confirmed": "1"}
    client.post("/costs/prices/delete", data=asked)
    assert lines(db) == [f"North de 6.00 EUR 1 {ALWAYS}"]


def test_a_file_adds_and_corrects(client: TestClient, db: Session, listed: Listed) -> None:
    listed("North", "de", "6 EUR")
    listed("North", "fr", "9 EUR")
    assert (
        upload(client, "Registrar;Suffix;Price;Currency;Since\nNorth;de;6,50;eur;\nNorth;.co.uk;8;GBP;2027-01-01\n")
        == []
    )
    assert lines(db) == [
        "North co.uk 8.00 GBP 1 2027-01-01",
        f"North de 6.50 EUR 1 {ALWAYS}",
        f"North fr 9.00 EUR 1 {ALWAYS}",
    ]


def test_what_the_list_exports_can_be_imported_again(client: TestClient, db: Session, listed: Listed) -> None:
    listed("North", "de", "6 EUR", years=2)
    listed("North", "de", "7 EUR", since=today())
    before = lines(db)
    assert upload(client, client.get("/costs/prices?format=csv").text) == []
    assert lines(db) == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("registrar,suffix,price\nNorth,de,6\n", "No column is called currency; the first line has:"),
        ("registrar,suffix,price,currency\n", "The file has 0 lines"),
        ("registrar,suffix,price,currency\nNorth,de,six,EUR\n", "Line 2: 'six' is no price; write it like 12.50."),
        ("registrar,suffix,price,currency\nNorth,d e,6,EURO\n", "Line 2: 'd e' is no suffix; write it like de or"),
        ("registrar,suffix,price,currency\nN,de,6,EUR\nN,de,7,EUR\n", "Line 3: line 2 has this registrar, suffix and"),
        ("registrar,suffix,price,currency,since\nN,de,6,EUR,soon\n", "Line 2: 'soon' is no day; write it like"),
        ("registrar,suffix,price,currency,years\nN,de,6,EUR,11\n", "Line 2: '11' is no number of years from 1 to 10"),
        ("", "Choose a CSV file that is not empty and not larger than 2 MB."),
    ],
)
def test_a_wrong_file_is_refused_whole(client: TestClient, db: Session, text: str, problem: str) -> None:
    (said,) = upload(client, text)
    assert said.startswith(problem)
    assert lines(db) == []


def test_a_viewer_sees_the_list_and_may_not_change_it(client_as: Callable[[Role], TestClient], listed: Listed) -> None:
    listed("North", "de", "6 EUR")
    viewer = client_as("viewer")
    page = html(viewer.get("/costs/prices"))
    assert page.one("tbody tr").text == "North de 6.00 EUR 1 always"
    assert not html(viewer.get(page.one("tbody tr a").attribute("href"))).all("main form")
    assert viewer.post("/costs/prices", data=LINE).status_code == 403
