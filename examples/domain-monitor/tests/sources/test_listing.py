"""The forms in which registrars write names, flags, dates and prices."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from app.domains import domain_name
from app.sources.listing import count, flag, moment, money, price, registration

NEW_YEAR = datetime(2027, 1, 31, 8, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("b\u00fccher\u3002example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a--b.co.uk", "a--b.co.uk"),
        ("xn--i-7iq.ws", "xn--i-7iq.ws"),
    ],
)
def test_a_name_becomes_its_a_labels(text: str, name: str) -> None:
    assert domain_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "com",
        "a..com",
        "-a.com",
        "a b.com",
        "a.com/x",
        "😀​.com",
        f"{'a' * 64}.com",
        "a." * 130 + "com",
    ],
)
def test_what_is_no_domain_name_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="is no domain name"):
        domain_name(text)


@pytest.mark.parametrize("value", [True, 1, "1", "true", "True", "yes", "Yes", " on "])
def test_a_flag_is_set(value: object) -> None:
    assert flag(value) is True


@pytest.mark.parametrize("value", [False, 0, "0", "false", "False", "no", "No", "off"])
def test_a_flag_is_not_set(value: object) -> None:
    assert flag(value) is False


@pytest.mark.parametrize("value", [None, "", "maybe", 2, [], {}])
def test_a_flag_is_unknown(value: object) -> None:
    assert flag(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "2027-01-31T08:05:09Z",
        "2027-01-31T08:05:09.000Z",
        "2027-01-31T08:05:09.123456789Z",
        "2027-01-31T08:05:09",
        "2027-01-31 08:05:09",
        "2027-01-31T11:05:09+03:00",
        "2027-01-31T08:05:09+0000",
        1801382709,
        1801382709.0,
        "1801382709000",
    ],
)
def test_a_time_is_read_as_utc(value: object) -> None:
    found = moment(value)
    assert isinstance(found, datetime)
    assert found.replace(microsecond=0) == NEW_YEAR


@pytest.mark.parametrize("value", ["2027-01-31", "01/31/2027", "1/31/2027"])
def test_a_day_stays_a_day(value: str) -> None:
    assert moment(value) == date(2027, 1, 31)
    assert not isinstance(moment(value), datetime)


@pytest.mark.parametrize("value", [None, "", "  ", "0001-01-01T00:00:00", "0000-00-00 00:00:00"])
def test_a_date_is_absent(value: object) -> None:
    assert moment(value) is None


@pytest.mark.parametrize("value", ["31/01/2027", "soon", "2027-13-01", "99999999999999999999", True, 17, "1" * 400])
def test_a_date_we_cannot_read_is_no_absent_one(value: object) -> None:
    with pytest.raises(ValueError, match="is no date"):
        moment(value)


@pytest.mark.parametrize(("value", "amount"), [(17.99, "17.99"), ("1,234.50", "1234.50"), ("11.00", "11.00"), (9, "9")])
def test_a_price_keeps_its_digits(value: object, amount: str) -> None:
    assert str(price(value)) == amount


@pytest.mark.parametrize("value", [None, "", "0.0", 0, -1, "NaN", "Infinity", "free", True, "1e30"])
def test_a_price_is_unknown_and_never_zero(value: object) -> None:
    assert price(value) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), ("3", 3), (0, 0), (None, None), ("", None), ("x", None), (-1, None), (True, None)],
)
def test_a_count_is_a_number_or_nothing(value: object, number: int | None) -> None:
    assert count(value) == number


def test_what_is_unknown_is_null() -> None:
    assert registration("a.com").as_json() == {
        "name": "a.com",
        "expires_at": None,
        "registered_at": None,
        "auto_renew": None,
        "locked": None,
        "privacy": None,
        "status": None,
        "nameservers": None,
        "renewal_price": None,
        "currency": None,
    }


def test_json_has_utc_times_bare_days_and_the_price_in_its_own_digits() -> None:
    found = registration(
        "a.com",
        expires="2027-01-31T09:05:09.7+01:00",
        registered="01/31/2020",
        nameservers=["NS1.example.net.", "", None],
        renewal_price="1,017.90",
        currency="USD",
    )
    text = json.dumps(found.as_json())
    assert '"expires_at": "2027-01-31T08:05:09Z", "registered_at": "2020-01-31"' in text
    assert '"nameservers": ["ns1.example.net"], "renewal_price": 1017.9, "currency": "USD"' in text


def test_a_currency_without_a_price_says_nothing() -> None:
    assert registration("a.com", currency="USD").currency is None


def test_a_registration_holds_exact_money() -> None:
    assert registration("a.com", renewal_price=17.99, currency="USD").renewal_price == Decimal("17.99")


@pytest.mark.parametrize("currency", [None, "", "dollars", "$", 3])
def test_a_price_in_no_currency_says_nothing(currency: object) -> None:
    found = registration("a.com", renewal_price=17.99, currency=currency)
    assert (found.renewal_price, found.currency) == (None, None)


def test_a_currency_may_be_written_small() -> None:
    assert money("10", "eur") == (Decimal(10), "EUR")


def test_a_status_holds_nothing_that_a_database_refuses() -> None:
    assert registration("a.com", status="act\0ive").status == "active"
