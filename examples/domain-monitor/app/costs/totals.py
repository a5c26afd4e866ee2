"""What renewals cost, added up by whatever one asks for: group, registrar, suffix, month.

A price that nobody knows is counted, never added as zero, and so is one in a currency without a rate. A missing name is
counted too, but not among those that cost.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from app.domains import Domain
from core import Session

from .prices import A_YEAR, CURRENCY, SAID_BY
from .rates import Rates

UNKNOWN = "unknown"


@dataclass
class Cost:
    """What some domains cost: as billed in each currency, in the currency of the sums, and what no sum holds."""

    domains: int = 0
    total: Decimal = Decimal(0)
    amounts: dict[str, Decimal] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)  # how many prices come from where
    unrated: Counter[str] = field(default_factory=Counter)  # names with a price in a currency without a rate
    missing: int = 0

    @property
    def unpriced(self) -> int:
        """How many names have a price that nobody knows."""
        return self.said[UNKNOWN]

    @property
    def unknown(self) -> int:
        """How many names are in no sum: nobody knows the price, or its currency has no rate."""
        return self.unpriced + self.unrated.total()

    def add(self, other: "Cost") -> None:
        """Add the cost of other domains."""
        self.domains, self.total = self.domains + other.domains, self.total + other.total
        self.missing += other.missing
        self.said.update(other.said)
        self.unrated.update(other.unrated)
        for currency, amount in other.amounts.items():
            self.amounts[currency] = self.amounts.get(currency, Decimal(0)) + amount


Costs = dict[tuple[Any, ...], Cost]


def collect(db: Session, rates: Rates, *by: Any, amount: Any = A_YEAR, where: Sequence[Any] = ()) -> Costs:
    """The cost of all domains by the values of these columns; one statement, whatever their number."""
    is_missing = col(Domain.missing_since).is_not(None).label("is_missing")
    keys = [column.label(f"key_{n}") for n, column in enumerate(by)]
    each = [*keys, CURRENCY.label("currency"), func.coalesce(SAID_BY, UNKNOWN).label("said"), is_missing]
    rows = select(*each, amount.label("amount")).where(col(Domain.retired_at).is_(None), *where).subquery()
    of = [column for column in rows.c if column.name != "amount"]
    costs: Costs = {}
    for *key, currency, said, is_lost, count, sum in db.execute(
        select(*of, func.count(), func.sum(rows.c.amount)).group_by(*of)
    ):
        cost = costs.setdefault(tuple(key), Cost())
        cost.add(Cost(missing=count) if is_lost else cost_of(rates, currency, said, count, sum))
    return costs


def cost_of(rates: Rates, currency: str | None, said: str, count: int, amount: Decimal | None) -> Cost:
    """So many domains whose price comes from one place, in one currency."""
    cost = Cost(count, said=Counter({said: count}))
    if currency is None or amount is None:
        return cost
    cost.amounts = {currency: amount}
    converted = rates.convert(amount, currency)
    if converted is None:
        cost.unrated[currency] = count
    else:
        cost.total = converted
    return cost


def together(costs: Iterable[Cost]) -> Cost:
    """All of these costs in one."""
    whole = Cost()
    for cost in costs:
        whole.add(cost)
    return whole
