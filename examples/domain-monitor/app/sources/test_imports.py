"""Reading a CSV, its dry run, and the import that is all or nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from app.costs import ListPrice, TypedPrice
from app.domains import Domain
from app.groups import Group, Rule, assign
from core import Session
from core.testing import html

from .imports import UnusableFile, read, text_of

GOOD = "Domain;Expiry date;Price;Currency;Group\nacme.com;2027-01-31;12,50;eur;Shops\nacme.de;;;;\n"


def only(text: str) -> dict[str, object]:
    [row] = read(text).rows
    assert not row.wrong
    return row.values


def upload(client: TestClient, text: str) -> str:
    answer = client.post("/sources/import", files={"file": ("domains.csv", text.encode())})
    return str(answer.headers["location"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2027-01-31", date(2027, 1, 31), id="iso"),
        pytest.param("2027-01-31T10:00:00Z", datetime(2027, 1, 31, 10, tzinfo=UTC), id="a moment"),
        pytest.param("31.01.2027", date(2027, 1, 31), id="german"),
        pytest.param("31/01/2027", date(2027, 1, 31), id="day first"),
        pytest.param("01/31/2027", date(2027, 1, 31), id="month first"),
        pytest.param("31 Jan 2027", date(2027, 1, 31), id="in words"),
    ],
)
def test_a_date_is_read_in_the_forms_that_people_write(text: str, expected: date) -> None:
    values = only(f"name,expires\nacme.com,{text}\n")
    found = values["expires_at"]
    assert isinstance(found, datetime)
    assert (found.date() if values["expires_is_day"] else found) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12.50", "12.50"), ("12,5", "12.50"), ("1.234,50", "1234.50"), ("1,234.50", "1234.50"), ("9", "9.00")],
)
def test_a_price_is_read_with_either_comma(text: str, expected: str) -> None:
    assert only(f"name;price;currency\nacme.com;{text};EUR\n")["renewal_price"] == Decimal(expected)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param("no name,,,", "'no name' is no domain name", id="name"),
        pytest.param("acme.com,03/04/2027,,", "may begin with the day or the month", id="ambiguous date"),
        pytest.param("acme.com,soon,,", "'soon' is no date", id="date"),
        pytest.param("acme.com,,perhaps,", "auto_renew is 'perhaps'", id="flag"),
        pytest.param("acme.com,,,0", "is no price", id="a price of zero"),
        pytest.param("acme.com,,,1e30", "'1e30' is no price", id="a price with a power"),
        pytest.param("acme.com,,,1.234", "'1.234' is no price", id="a price that may mean a thousand"),
        pytest.param("acme.com,,,99999999999999", "is no price", id="a price beyond its column"),
        pytest.param("acme.com,31/31/2027,,", "'31/31/2027' is no date; write it like 2027-01-31", id="a day too many"),
        pytest.param("acme.com,2027-1-5,,", "'2027-1-5' is no date; write it like", id="a day without its zero"),
        pytest.param("acme.com,,,12.50", "a price and its currency come together", id="price without currency"),
        pytest.param("acme.com,,,12.50,EUX", "'EUX' is no currency; write its code, like EUR", id="no such currency"),
        pytest.param("acme.com,,,,,,", "more cells than the header", id="too many cells"),
    ],
)
def test_a_wrong_row_says_why(cells: str, expected: str) -> None:
    [row] = read(f"name,expires,auto renew,price,currency\n{cells}\n").rows
    assert expected in row.wrong


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"PK\x03\x04...", "workbook cannot be read", id="broken workbook"),
        pytest.param(b"\xd0\xcf\x11\xe0...", "workbook cannot be read", id="broken older workbook"),
        pytest.param(b"a\x00b", "no text file", id="binary"),
        pytest.param(b"", "No column is called name", id="empty"),
        pytest.param(b"host,expires\na.de,2027-01-01\n", "The first line has: host, expires", id="no name column"),
        pytest.param(b"name,domain\na.de,a.de\n", "Two columns stand for name", id="two name columns"),
        pytest.param(b"name\n", "no rows", id="only a header"),
    ],
)
def test_a_file_that_is_no_list_says_why(content: bytes, expected: str) -> None:
    with pytest.raises(UnusableFile, match=expected):
        read(text_of(content))


def test_a_file_longer_than_one_transaction_is_refused(client: TestClient) -> None:
    names = "".join(f"n{number}.com\n" for number in range(3001))
    answer = client.post("/sources/import", files={"file": ("domains.csv", f"name\n{names}".encode())})
    assert answer.status_code == 422
    assert "3,001 rows; split it into files of at most 3,000" in html(answer).one("[role=alert]").text
    assert "at most 3,000 rows, and is imported whole" in html(client.get("/sources/import")).text


def test_a_byte_order_mark_and_windows_letters_are_read() -> None:
    assert read(text_of(b"\xef\xbb\xbfname\nacme.com\n")).rows[0].name == "acme.com"
    assert read(text_of("name\nmünchen.de\n".encode("cp1252"))).rows[0].name == "xn--mnchen-3ya.de"


def test_a_name_that_comes_twice_is_wrong() -> None:
    assert [row.wrong for row in read("name\nacme.com\nACME.com\n").rows] == ["", "line 2 has this name already"]


def test_the_dry_run_writes_nothing(client: TestClient, db: Session) -> None:
    page = html(client.get(upload(client, GOOD)))
    assert page.one("#new tbody tr:first-child").text.startswith("2 acme.com expires: 20")
    assert page.one("#new tbody tr:first-child").text.endswith("group: Shops")
    assert page.one("form[action='/sources/import/1']").text == "Import 2 rows"
    assert html(client.get("/domains")).one("#domains [role=status]").text == "0"


def test_the_import_writes_every_row(client: TestClient, db: Session) -> None:
    client.post(upload(client, GOOD))
    page = html(client.get("/domains/acme.com"))
    assert "EUR 12.50" in page.text
    assert "imported by admin" in page.text


def test_an_import_again_is_unchanged(client: TestClient) -> None:
    client.post(upload(client, GOOD))
    page = html(client.get(upload(client, GOOD)))
    assert len(page.all("#unchanged tbody tr")) == 2
    assert not page.all("#changed, #new, #wrong")


def test_a_change_is_shown_with_what_it_replaces(client: TestClient, db: Session) -> None:
    db.add(Domain(name="acme.com", shown_name="acme.com", locked=True))
    db.commit()
    page = html(client.get(upload(client, "name,locked,registrar\nacme.com,no,Quickname\n")))
    assert page.one("#changed tbody tr").text == "2 acme.com locked: yes → no; registrar: unknown → Quickname"


STATUS = "client transfer prohibited, client update prohibited, client delete prohibited"


@pytest.fixture
def ruled(db: Session) -> Domain:
    """A name whose group a rule says, and whose price the price list."""
    db.add_all(
        [
            domain := Domain(name="acme.ch", shown_name="acme.ch", registrar="North", status=STATUS),
            Group(id=1, name="Switzerland"),
        ]
    )
    db.add(ListPrice(registrar="North", suffix="ch", price=Decimal("9.80"), currency="EUR"))
    db.flush()
    db.add(Rule(position=1, kind="suffix", value="ch", group_id=1))
    db.flush()
    assign(db)
    db.commit()
    return domain


def test_a_table_that_is_exported_and_imported_again_changes_nothing(client: TestClient, ruled: Domain) -> None:
    exported = client.get("/domains?format=csv").text
    assert ",Switzerland," in exported and ",9.80,EUR," in exported
    page = html(client.get(upload(client, exported)))
    assert page.one("#unchanged tbody tr").text == "2 acme.ch"
    assert not page.all("#changed, #new, #wrong")


def test_only_what_a_file_changes_is_typed_in(client: TestClient, db: Session, ruled: Domain) -> None:
    there = upload(client, "name,locked,price,currency,group\nacme.ch,yes,9.80,EUR,Switzerland\n")
    assert html(client.get(there)).one("#changed tbody tr").text == "2 acme.ch locked: unknown → yes"
    client.post(there)
    db.refresh(ruled)
    assert (ruled.locked, ruled.group_is_typed, db.get(TypedPrice, ruled.id)) == (True, False, None)


def test_a_price_of_a_file_is_told_beside_the_one_that_counts(client: TestClient, ruled: Domain) -> None:
    page = html(client.get(upload(client, "name,price,currency\nacme.ch,10,EUR\n")))
    assert page.one("#changed tbody tr").text == "2 acme.ch renewal price: 9.80 → 10.00"


def test_a_group_that_is_nearly_another_is_asked_about(client: TestClient, ruled: Domain) -> None:
    there = upload(client, "name,group\nacme.ch,Swizerland\nacme.de,Shops\n")
    page = html(client.get(there))
    assert "Swizerland: did you mean Switzerland?" in page.one("main").text
    assert "Shops: did you mean" not in page.one("main").text
    assert client.post(there).status_code == 303


def test_two_new_groups_of_nearly_one_name_are_asked_about(client: TestClient) -> None:
    page = html(client.get(upload(client, "name,group\nacme.ch,Retail\nacme.de,Retial\n")))
    assert "Retial: did you mean Retail?" in page.one("main").text


def test_an_empty_cell_blanks_nothing(client: TestClient, db: Session) -> None:
    db.add(Domain(name="acme.com", shown_name="acme.com", registrar="Quickname"))
    db.commit()
    page = html(client.get(upload(client, "name,registrar\nacme.com,\n")))
    assert page.one("#unchanged tbody tr").text == "2 acme.com"


def test_one_wrong_row_keeps_the_whole_file_out(client: TestClient, db: Session) -> None:
    there = upload(client, "name,expires\nacme.com,2027-01-31\nacme.de,soon\n")
    assert "'soon' is no date" in html(client.get(there)).one("#wrong tbody tr").text
    assert client.post(there).status_code == 409
    assert html(client.get("/domains")).one("#domains [role=status]").text == "0"


def test_a_bad_file_is_told_where_it_was_uploaded(client: TestClient) -> None:
    answer = client.post("/sources/import", files={"file": ("domains.xlsx", b"PK\x03\x04")})
    assert answer.status_code == 422
    assert "save it as CSV" in html(answer).one("[role=alert]").text


def test_an_imported_file_cannot_be_imported_twice(client: TestClient) -> None:
    there = upload(client, GOOD)
    assert [client.post(there).status_code, client.post(there).status_code] == [303, 404]
