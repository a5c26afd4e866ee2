"""When money leaves: the renewals of the next 12 months, each name renewed for its term on the day it expires.

The year begins today and ends on this day of next year, so that a yearly renewal is in it once: of the first month the
rest counts, of the 13th what comes before that day. A budget is held against the same year.

A name that expired is paid this month. One whose expiry nobody knows may be due in any month: it is in none of them,
but counts in a year with what it costs a year.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import case, or_
from sqlmodel import col, select

from app.domains import Domain, first_days
from app.groups import UNASSIGNED, Group, Tree
from core import Chart, Session

from .prices import A_YEAR, PRICE
from .rates import Rates
from .totals import Cost, Costs, collect, together

MONTHS = 12
COLOURS = 8
OTHERS = "Other groups"


@dataclass(frozen=True)
class Month:
    """What one month's renewals cost."""

    first: date
    last: date
    cost: Cost


@dataclass(frozen=True)
class Budget:
    """What a group may spend in a year beside what the next 12 months cost, both in the budget's currency."""

    group: Group
    path: str
    limit: Decimal
    cost: Cost

    @property
    def is_exceeded(self) -> bool:
        """Whether the known prices alone are more."""
        return self.cost.total > self.limit


def starts_in(day: date) -> list[date]:
    """The first day of every month that the year from this day on touches, and behind them the day it is over."""
    over = date(day.year + 1, day.month, min(day.day, 28) if day.month == 2 else day.day)
    return [*(first for first in first_days(day, MONTHS + 1) if first < over), over]


def coming(db: Session, rates: Rates, day: date) -> Costs:
    """The next 12 months' cost by month (0 is the one of this day) and group."""
    starts = starts_in(day)
    month = case(*((expires_before(start), number) for number, start in enumerate(starts[1:])))
    return collect(db, rates, month, col(Domain.group_id), amount=PRICE, where=[expires_before(starts[-1])])


def calendar(costs: Costs, day: date) -> list[Month]:
    """The months with their cost."""
    starts = starts_in(day)
    return [
        Month(start, date.fromordinal(starts[number + 1].toordinal() - 1), together(
            cost for (at, _), cost in costs.items() if at == number
        ))
        for number, start in enumerate(starts[:-1])
    ]  # fmt: skip


def chart(costs: Costs, tree: Tree, day: date, currency: str) -> Chart:
    """The months as stacked bars, a colour for each group of the highest level."""
    names, series, starts = Colours(tree), dict[str, list[Decimal]](), starts_in(day)[:-1]
    for (month, group_id), cost in costs.items():
        figures = series.setdefault(names.of(group_id), [Decimal(0)] * len(starts))
        figures[month] += cost.total
    ordered = {name: [round(figure, 2) for figure in series[name]] for name in names.in_order if name in series}
    labels = [f"{start:%Y-%m}" for start in starts]
    return Chart(
        "stacked",
        labels,
        ordered or {"Cost": [None] * len(starts)},
        unit=currency,
        title="Renewals to pay",
        colours=names.colours,
    )


class Colours:
    """Which group of the highest level a group is drawn with: the first eight have a colour of their own, for good."""

    def __init__(self, tree: Tree) -> None:
        """Give the colours in the order in which the groups were added."""
        self.tree = tree
        tops = sorted(id for id, parent in tree.parents.items() if parent is None)
        self.own = {id: tree.names[id] for id in tops[:COLOURS]}
        self.in_order = [*self.own.values(), OTHERS, UNASSIGNED]
        self.colours: dict[str, Any] = {name: place for place, name in enumerate(self.own.values(), start=1)} | {
            UNASSIGNED: "unknown"
        }

    def of(self, group_id: int | None) -> str:
        """The name that a group's figures are drawn under."""
        return self.own.get(self.tree.line(group_id)[0], OTHERS) if group_id else UNASSIGNED


def year_by_group(db: Session, rates: Rates, day: date) -> Costs:
    """What the next 12 months cost by group, with a year of what may be due at any time."""
    is_undated = col(Domain.expires_at).is_(None)
    amount = case((is_undated, A_YEAR), else_=PRICE)
    return collect(
        db, rates, col(Domain.group_id), amount=amount, where=[or_(is_undated, expires_before(starts_in(day)[-1]))]
    )


def budgets(db: Session, rates: Rates, day: date) -> Iterator[Budget]:
    """Every group with a budget, with everything inside it."""
    groups = db.exec(select(Group).where(col(Group.budget).is_not(None))).all()
    tree = Tree.load(db)
    for currency in sorted({group.budget_currency or "" for group in groups}):
        costs = year_by_group(db, Rates(rates.day, rates.per_euro, currency), day)
        for group in groups:
            if group.budget_currency == currency and group.id and group.budget is not None:
                below = {(id,) for id in tree.below(group.id)}
                cost = together(cost for key, cost in costs.items() if key in below)
                yield Budget(group, tree.path(group.id), group.budget, cost)


def expires_before(day: date) -> Any:
    """Whether a domain expires before a day begins, in UTC."""
    return col(Domain.expires_at) < datetime.combine(day, time(), UTC)
