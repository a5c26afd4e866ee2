"""The costs by group, registrar, suffix and month, what could be saved, and the currency of the sums."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sqlmodel import col

from app.domains import SUFFIX, Domain
from app.groups import UNASSIGNED, Tree
from core import DB, Data, Field, Form, Go, Params, Session, View, action, page, today

from .models import Reporting
from .months import Budget, budgets, calendar, chart, coming
from .rates import Rates, current
from .savings import savings
from .totals import Cost, Costs, collect, together

WAYS: dict[str, Any] = {"group": col(Domain.group_id), "registrar": col(Domain.registrar), "suffix": SUFFIX}
VIEWS = [
    ("By group", "/costs"),
    ("By registrar", "/costs?by=registrar"),
    ("By suffix", "/costs?by=suffix"),
    ("By month", "/costs/months"),
    ("Savings", "/costs/savings"),
    ("Price list", "/costs/prices"),
    ("Currency", "/costs/currency"),
]


@dataclass(frozen=True)
class Line:
    """One line of the costs: a group with everything inside it, a registrar, or a suffix."""

    name: str
    cost: Cost
    filter: list[tuple[str, str]]
    above: str = ""
    budget: Budget | None = None

    def href(self, **more: str) -> str:
        """Its domains in the portfolio."""
        return f"/domains?{urlencode([*self.filter, *more.items()])}"


def tabs(here: str) -> list[dict[str, Any]]:
    """The ways to look at costs, one of them active."""
    return [{"label": label, "href": href, "active": href == here, "badge": ""} for label, href in VIEWS]


def choices(db: Any) -> list[str]:
    """The currencies with a rate."""
    return current(db).currencies


REPORTING = Form(Reporting, Field(Reporting.currency, label="Tell sums in", choices=choices))


@page("/costs", nav="Costs", icon="coins")
def costs(db: DB, params: Params) -> View:
    """What a year of renewals costs, with what nobody knows beside every sum."""
    by = way if (way := params.get("by")) in WAYS else "group"
    rates = current(db)
    found = collect(db, rates, WAYS[by])
    lines = by_group(db, found, rates) if by == "group" else by_text(found, by)
    return View(
        "costs.html",
        tabs=tabs("/costs" if by == "group" else f"/costs?by={by}"),
        by=by,
        lines=lines,
        whole=together(found.values()),
        most=max((line.cost.total for line in lines), default=Decimal(0)),
        **about(rates, found.values()),
    )


def by_group(db: Session, found: Costs, rates: Rates) -> list[Line]:
    """Every group with everything inside it, and what is unassigned at the end."""
    tree = Tree.load(db)
    limits = {budget.group.id: budget for budget in budgets(db, rates, today())}
    lines = []
    for id in tree:
        below = tree.below(id)
        cost = together(found[each,] for each in below if (each,) in found)
        names = [("group", tree.names[each]) for each in below]
        lines.append(Line(tree.names[id], cost, names, tree.above(id), limits.get(id)))
    return [*lines, Line(UNASSIGNED, found.get((None,), Cost()), [("group", "none")])]


def by_text(found: Costs, by: str) -> list[Line]:
    """Every registrar or suffix, the dearest first."""
    lines = [Line(key or "unknown", cost, [(by, key or "none")]) for (key,), cost in found.items()]
    return sorted(lines, key=lambda line: (-line.cost.total, line.name))


def about(rates: Rates, found: Iterable[Cost]) -> dict[str, Any]:
    """What stands under every page with sums: the rates, and whether they are too old for them."""
    return {"rates": rates, "is_old": rates.is_old(today()) and is_converted(found, rates)}


def is_converted(found: Iterable[Cost], rates: Rates) -> bool:
    """Whether any sum holds another currency."""
    return any(currency != rates.to for cost in found for currency in cost.amounts)


@page("/costs/months")
def months(db: DB) -> View:
    """The renewals to pay in the next 12 months, as if every name were renewed on the day it expires."""
    rates, day = current(db), today()
    found = coming(db, rates, day)
    undated = collect(db, rates, where=[col(Domain.expires_at).is_(None)])
    return View(
        "months.html",
        tabs=tabs("/costs/months"),
        chart=chart(found, Tree.load(db), day, rates.to),
        months=calendar(found, day),
        whole=together(found.values()),
        undated=together(undated.values()),
        **about(rates, found.values()),
    )


@page("/costs/savings")
def cheaper(db: DB) -> View:
    """Suffixes that cost less at another registrar which has names of ours with the same suffix."""
    rates = current(db)
    found = savings(db, rates)
    whole = together(collect(db, rates).values())
    return View("savings.html", title="Savings", tabs=tabs("/costs/savings"), savings=found, rates=rates, whole=whole)


@page("/costs/currency")
def currency(db: DB) -> View:
    """The currency that sums are told in, and the exchange rates behind them."""
    return currency_of(db, REPORTING.show(db, currency=current(db).to))


@action("/costs/currency")
def choose_currency(db: DB, data: Data) -> View | Go:
    """Choose the currency that sums are told in."""
    form = REPORTING.read(db, data)
    if not form.is_valid:
        return currency_of(db, form, status=422)
    REPORTING.save(db, form, db.get(Reporting, 1))
    return Go(currency, toast=f"Sums are told in {form.data['currency']}")


def currency_of(db: Session, form: Any, *, status: int = 200) -> View:
    """The page of the currency with its form."""
    rates, at = current(db), together(collect(db, current(db)).values())
    return View(
        "currency.html", status=status, title="Currency", tabs=tabs("/costs/currency"), form=form, cost=at,
        **about(rates, [at]),
    )  # fmt: skip
