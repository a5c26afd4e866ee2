"""The pages of costs: by group, registrar, suffix and month, budgets, and what could be saved."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from app.domains import Domain
from app.groups import Group, Tree
from core import Session, in_days, today
from core.testing import html

from .alerts import over_budget
from .conftest import Add
from .months import budgets, calendar, chart, coming
from .rates import Rates
from .savings import savings
from .totals import together
from .typing_in import type_in

Listed = Callable[..., None]
DAY = date(2026, 11, 23)
RATES = Rates(DAY, {"EUR": Decimal(1), "USD": Decimal("1.25")})


def on(year: int, month: int, day: int) -> datetime:
    return datetime.combine(date(year, month, day), time(12), UTC)


def rows(client: TestClient, path: str) -> list[str]:
    return [row.text for row in html(client.get(path)).all("main tbody tr")]


def test_a_group_costs_what_is_inside_it_too(client: TestClient, add: Add, retail: Group, campaigns: Group) -> None:
    add("acme.com", "10 EUR", group_id=retail.id)
    add("acme-sale.com", "5 EUR", group_id=campaigns.id)
    add("acme.jp", group_id=campaigns.id)
    assert rows(client, "/costs") == [
        "Retail 3 15.00 15.00 price unknown: 1",
        "Retail / Campaigns 2 5.00 5.00 price unknown: 1",
        "unassigned 0 0.00 —",
    ]
    assert html(client.get("/costs")).all("main .rounded-box > .text-xl")[0].text == "15.00"


def test_each_cost_leads_to_its_domains(client: TestClient, add: Add, retail: Group, campaigns: Group) -> None:
    add("acme.com", "10 EUR", group_id=retail.id)
    add("acme.jp", group_id=campaigns.id)
    links = [link.attribute("href") for link in html(client.get("/costs")).all("main tbody a")]
    assert links[:2] == [
        "/domains?group=Retail&group=Campaigns",
        "/domains?group=Retail&group=Campaigns&priced=no&missing=no",
    ]
    assert html(client.get(links[1])).one("#domains tbody tr th").text == "acme.jp"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("registrar", ["North 2 14.00 14.00 every price known", "South 1 3.00 3.00 every price known"]),
        ("suffix", ["com 2 13.00 13.00 every price known", "co.uk 1 4.00 4.00 every price known"]),
    ],
)
def test_costs_are_told_by_registrar_and_suffix(client: TestClient, add: Add, by: str, expected: list[str]) -> None:
    add("acme.com", "10 EUR", registrar="North")
    add("acme.co.uk", "4 EUR", registrar="North")
    add("acme2.com", "3 EUR", registrar="South")
    assert rows(client, f"/costs?by={by}") == expected


def test_where_prices_come_from_is_counted(client: TestClient, add: Add, listed: Listed) -> None:
    listed("North", "de", "6 EUR")
    add("acme.com", "10 EUR", registrar="North")
    add("acme.de", registrar="North")
    stats = [link.text for link in html(client.get("/costs")).all("main a.rounded-box")]
    assert stats[1:] == ["Price from: typed in 0", "Price from: account 1", "Price from: price list 1"]
    page = html(client.get("/domains?missing=no&price_from=price+list"))
    assert page.one("#domains tbody tr th").text == "acme.de"


def test_a_price_without_an_exchange_rate_is_not_an_unknown_price(client: TestClient, add: Add) -> None:
    add("acme.com", "10 EUR")
    add("acme.vn", "750000 VND")
    add("acme.jp")
    stats = [link.text for link in html(client.get("/costs")).all("main a.rounded-box")]
    assert stats[:2] == ["Price unknown 1 of 3 domains, in no sum", "No exchange rate 1 billed in VND, in no sum"]
    assert "Price unknown 1 in no sum of costs" in html(client.get("/domains")).one("main").text


def test_a_renewal_is_paid_in_the_month_that_it_expires(db: Session, add: Add) -> None:
    add("acme.com", "10 USD", expires_at=on(2026, 12, 31))
    add("late.com", "4 EUR", expires_at=on(2026, 9, 1))
    add("next.com", "3 EUR", expires_at=on(2027, 11, 22))
    add("far.com", "5 EUR", expires_at=on(2027, 11, 23))
    add("undated.ch", "7 EUR")
    months = calendar(coming(db, RATES, DAY), DAY)
    assert [month.cost.total for month in months] == [4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    assert (months[0].first, months[1].last) == (date(2026, 11, 1), date(2026, 12, 31))
    assert (months[-1].first, months[-1].last) == (date(2027, 11, 1), date(2027, 11, 22))


@pytest.mark.parametrize(
    ("day", "months", "last"),
    [
        pytest.param(date(2026, 11, 1), 12, date(2027, 10, 31), id="whole months"),
        pytest.param(date(2026, 11, 2), 13, date(2027, 11, 1), id="parts of two"),
        pytest.param(date(2028, 2, 29), 13, date(2029, 2, 27), id="a day that next year lacks"),
    ],
)
def test_the_next_twelve_months_are_a_year(day: date, months: int, last: date) -> None:
    found = calendar({}, day)
    assert (len(found), found[-1].last) == (months, last)


def test_a_budget_and_the_months_look_at_the_same_year(db: Session, add: Add, retail: Group) -> None:
    add("next.com", "3 EUR", expires_at=on(2027, 11, 22), group_id=retail.id)
    add("far.com", "5 EUR", expires_at=on(2027, 11, 23), group_id=retail.id)
    budget(db, retail, "3", "EUR")
    [held] = budgets(db, RATES, DAY)
    assert held.cost.total == together(coming(db, RATES, DAY).values()).total == 3


def test_a_price_for_years_is_paid_at_once(db: Session, add: Add) -> None:
    domain = add("acme.com", expires_at=on(2026, 12, 1))
    type_in(db, [Domain.id == domain.id], {"price": "30", "currency": "EUR", "years": 3}, said="typed in by ann")
    assert together(coming(db, RATES, DAY).values()).total == 30


def test_the_months_are_stacked_by_the_highest_group(db: Session, add: Add, retail: Group, campaigns: Group) -> None:
    add("acme.com", "10 EUR", expires_at=on(2026, 12, 1), group_id=campaigns.id)
    add("acme.net", "1 EUR", expires_at=on(2026, 12, 2), group_id=retail.id)
    add("acme.org", "4 EUR", expires_at=on(2026, 11, 30))
    drawn = chart(coming(db, RATES, DAY), Tree.load(db), DAY, "EUR")
    assert {name: list(figures)[:2] for name, figures in drawn.series.items()} == {
        "Retail": [0, 11],
        "unassigned": [4, 0],
    }
    assert drawn.colours == {"Retail": 1, "unassigned": "unknown"}


def test_the_page_of_months_tells_what_is_in_none_of_them(client: TestClient, add: Add) -> None:
    add("acme.ch", "7 EUR")
    add("acme.com", expires_at=in_days(0))
    page = html(client.get("/costs/months"))
    assert "Expiry unknown 1 in no month; 7.00 EUR a year" in page.one("main").text
    first = page.all("[aria-label='Costs by month'] tbody tr")[0]
    assert first.text == f"{today():%Y-%m} with what expired before 1 0.00 price unknown: 1"


def budget(db: Session, group: Group, limit: str, currency: str) -> None:
    group.budget, group.budget_currency, group.owner = Decimal(limit), currency, "Ann"
    db.commit()


def test_a_budget_is_held_against_the_next_twelve_months(
    db: Session, add: Add, retail: Group, campaigns: Group
) -> None:
    add("acme.com", "60 EUR", group_id=retail.id, expires_at=in_days(20))
    add("acme.ch", "50 EUR", group_id=campaigns.id)
    add("acme.jp", group_id=campaigns.id)
    add("far.com", "900 EUR", group_id=retail.id, expires_at=in_days(900))
    budget(db, retail, "110", "EUR")
    assert list(over_budget(db)) == []
    budget(db, retail, "109.99", "EUR")
    (finding,) = over_budget(db)
    said = "110.00 EUR in the next 12 months, 109.99 EUR budgeted; price unknown: 1; owner: Ann"
    assert (finding.key, finding.text) == ("Retail", said)


def test_a_budget_in_another_currency_is_compared_in_it(db: Session, add: Add, retail: Group) -> None:
    add("acme.com", "100 EUR", group_id=retail.id, expires_at=in_days(20))
    budget(db, retail, "111", "USD")
    assert [finding.text.partition(";")[0] for finding in over_budget(db)] == [
        "111.72 USD in the next 12 months, 111.00 USD budgeted"
    ]


def test_the_costs_show_a_budget_that_will_not_do(client: TestClient, db: Session, add: Add, retail: Group) -> None:
    add("acme.com", "60 EUR", group_id=retail.id, expires_at=in_days(20))
    budget(db, retail, "50", "EUR")
    cell = html(client.get("/costs")).one("tbody td:has(.text-error)")
    assert cell.text == "60.00 budget 50.00 EUR"


def test_the_cheapest_registrar_of_a_suffix_is_the_one_that_we_use_for_it(db: Session, add: Add) -> None:
    add("a.com", "10 EUR", registrar="North")
    add("b.com", "10 EUR", registrar="North")
    add("c.com", "10 USD", registrar="South")
    add("d.de", "1 EUR", registrar="South")
    (found,) = savings(db, RATES)
    assert (found.now.registrar, found.cheapest.registrar, found.now.domains) == ("North", "South", 2)
    assert (found.cheapest.price, found.saved) == (Decimal(8), Decimal(4))


def test_a_rounded_exchange_rate_is_no_saving(db: Session, add: Add) -> None:
    add("a.com", "12.51 USD", registrar="North")  # 10.008 EUR
    add("b.com", "10.00 EUR", registrar="South")
    assert savings(db, RATES) == []


def test_a_premium_name_is_neither_usual_nor_saved(db: Session, add: Add) -> None:
    add("a.com", "10 EUR", registrar="North")
    add("b.com", "10 EUR", registrar="North")
    add("gold.com", "900 EUR", registrar="North")
    add("c.com", "10 EUR", registrar="South")
    assert savings(db, RATES) == []


def test_the_savings_are_told_on_their_page(client: TestClient, add: Add) -> None:
    add("a.com", "10 EUR", registrar="North")
    add("c.com", "8 EUR", registrar="South")
    add("d.com", registrar="South")
    assert rows(client, "/costs/savings") == ["com North 1 10.00 South 8.00 2.00"]
    assert "Price unknown, not compared: 1." in html(client.get("/costs/savings")).one("main").text


def test_the_home_page_shows_costs_by_group(client: TestClient, add: Add, retail: Group, campaigns: Group) -> None:
    add("acme.com", "10.50 EUR", group_id=campaigns.id)
    add("acme.jp")
    page = html(client.get("/"))
    assert [row.text for row in page.all("figure[data-chart=doughnut] tbody tr")] == ["Retail 10.50"]
    assert "Price unknown, in no sum: 1." in page.one("main").text
