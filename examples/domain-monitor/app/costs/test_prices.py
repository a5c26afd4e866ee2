"""What a price is, who says it, and what is known of it in which currency."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import bindparam
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.domains import SUFFIX, Domain
from core import Session, now, today
from core.testing import html

from .conftest import Add
from .prices import A_YEAR, CURRENCY, IS_KNOWN, IS_UNKNOWN, PRICE, SAID_BY, YEARS, prices_of
from .rates import Rates
from .totals import collect, together
from .typing_in import forget, type_in

Listed = Callable[..., None]
RATES = Rates(today(), {"EUR": Decimal(1), "USD": Decimal("1.25"), "GBP": Decimal("0.8")})


def told(db: Session, name: str) -> tuple[object, ...]:
    return tuple(db.execute(select(PRICE, CURRENCY, YEARS, SAID_BY).where(col(Domain.name) == name)).one())


def price_it(db: Session, domain: Domain, price: str, years: int = 1) -> None:
    type_in(db, [Domain.id == domain.id], {"price": price, "currency": "GBP", "years": years}, said="typed in by ann")


def test_a_typed_price_beats_the_account_which_beats_the_list(db: Session, add: Add, listed: Listed) -> None:
    domain = add("acme.com", "10 EUR", registrar="North")
    listed("North", "com", "12 USD")
    price_it(db, domain, "9")
    assert told(db, "acme.com") == (Decimal(9), "GBP", 1, "typed in")
    forget(db, [Domain.id == domain.id], why="test")
    assert told(db, "acme.com") == (Decimal(10), "EUR", 1, "account")
    domain.renewal_price = domain.currency = None
    assert told(db, "acme.com") == (Decimal(12), "USD", 1, "price list")


def test_what_nobody_says_is_unknown(db: Session, add: Add, listed: Listed) -> None:
    add("acme.com", registrar="North")
    listed("South", "com", "12 USD")
    assert told(db, "acme.com") == (None, None, None, None)
    assert db.execute(select(col(Domain.name)).where(IS_KNOWN)).all() == []


def test_typing_in_again_replaces_the_price(db: Session, add: Add) -> None:
    domain = add("acme.com")
    price_it(db, domain, "9")
    price_it(db, domain, "30", years=3)
    assert told(db, "acme.com") == (Decimal(30), "GBP", 3, "typed in")


def test_of_a_list_the_last_price_that_has_begun_counts(
    db: Session, add: Add, listed: Listed, clock: Callable[[str], None]
) -> None:
    add("acme.com", registrar="North")
    listed("North", "com", "10 USD")
    listed("North", "com", "12 USD", since=date(2027, 1, 1))
    listed("North", "com", "15 USD", since=date(2027, 4, 1))
    clock("2027-03-31 23:59")
    assert told(db, "acme.com")[0] == Decimal(12)
    clock("2027-04-01")
    assert told(db, "acme.com")[0] == Decimal(15)


def test_a_query_of_prices_may_have_a_parameter_named_today(db: Session, add: Add) -> None:
    add("acme.com")
    asked = select(col(Domain.name)).where(IS_UNKNOWN, col(Domain.name) == bindparam("today"))
    assert db.execute(asked, {"today": "acme.com"}).scalars().all() == ["acme.com"]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("acme.de", "de"), ("acme.co.uk", "co.uk"), ("xn--mnchen-3ya.com.br", "com.br"), ("4-you.shop", "shop")],
)
def test_a_suffix_is_what_stands_after_the_first_label(db: Session, add: Add, name: str, suffix: str) -> None:
    add(name)
    assert db.execute(select(SUFFIX)).scalar_one() == suffix


@pytest.mark.parametrize(("price", "years", "yearly"), [("30", 3, "10.00"), ("10", 3, "3.33"), ("10", 1, "10.00")])
def test_a_price_for_years_costs_a_part_of_it_a_year(
    db: Session, add: Add, price: str, years: int, yearly: str
) -> None:
    price_it(db, add("acme.com"), price, years)
    assert round(db.execute(select(A_YEAR)).scalar_one(), 2) == Decimal(yearly)


def test_a_currency_that_there_is_not_is_refused_beside_its_field(client: TestClient, add: Add) -> None:
    add("acme.com")
    answer = client.post("/domains/acme.com/price", data={"price": "10", "currency": "eux", "years": "1"})
    assert answer.status_code == 422
    assert html(answer).one("#f-currency-error").text == "'eux' is no currency; write its code, like EUR."


def test_a_currency_is_kept_in_capitals(client: TestClient, db: Session, add: Add) -> None:
    domain = add("acme.com")
    client.post("/domains/acme.com/price", data={"price": "10", "currency": "chf", "years": "1"})
    assert [told.currency for told in prices_of(db, domain)] == ["CHF"]


def test_sums_keep_what_is_billed_and_are_told_in_one_currency(db: Session, add: Add) -> None:
    add("acme.com", "10 USD")
    add("acme.net", "2.50 USD")
    add("acme.de", "5 EUR")
    whole = together(collect(db, RATES).values())
    assert (whole.amounts, whole.total) == ({"USD": Decimal("12.50"), "EUR": Decimal(5)}, Decimal(15))


def test_an_unknown_price_is_counted_and_never_zero(db: Session, add: Add) -> None:
    add("acme.com", "10 EUR")
    add("acme.jp")
    whole = together(collect(db, RATES).values())
    assert (whole.total, whole.domains, whole.unknown) == (Decimal(10), 2, 1)


def test_a_price_of_zero_is_known(db: Session, add: Add) -> None:
    add("acme.com", "0 EUR")
    assert together(collect(db, RATES).values()).unknown == 0


def test_a_currency_without_a_rate_is_unknown(db: Session, add: Add) -> None:
    add("acme.vn", "750000 VND")
    whole = together(collect(db, RATES).values())
    assert (whole.total, whole.unknown, whole.amounts) == (Decimal(0), 1, {"VND": Decimal(750000)})


def test_a_missing_name_is_in_no_sum_and_a_retired_one_in_no_count(db: Session, add: Add) -> None:
    add("sold.com", "10 EUR", missing_since=now())
    add("gone.com", "10 EUR", missing_since=now(), retired_at=now())
    whole = together(collect(db, RATES).values())
    assert (whole.domains, whole.missing, whole.total) == (0, 1, Decimal(0))


@pytest.mark.parametrize(
    ("to", "amount", "currency", "expected"),
    [
        pytest.param("EUR", "12.50", "USD", "10", id="into euros"),
        pytest.param("USD", "10", "EUR", "12.50", id="from euros"),
        pytest.param("GBP", "12.50", "USD", "8", id="across two"),
        pytest.param("XTS", "3", "XTS", "3", id="itself needs no rate"),
        pytest.param("EUR", "3", "XTS", None, id="no rate"),
    ],
)
def test_an_amount_is_converted_by_the_rates_of_euros(to: str, amount: str, currency: str, expected: str) -> None:
    converted = Rates(today(), RATES.per_euro, to).convert(Decimal(amount), currency)
    assert converted == (Decimal(expected) if expected else None)
