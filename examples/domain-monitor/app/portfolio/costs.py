"""What a year of renewals costs, per group and currency. An unknown price is counted, never added as zero."""

from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from app.groups import UNASSIGNED, Group
from core import Session


@dataclass(frozen=True)
class Amount:
    """A sum in one currency, as what it was billed in."""

    currency: str
    value: Decimal

    def __str__(self) -> str:
        return f"{self.currency} {self.value:,.2f}"


@dataclass
class GroupCost:
    """One group's year: how many names, what is known of their price, how many have none."""

    name: str
    key: str
    domains: int = 0
    unknown: int = 0
    amounts: list[Amount] = field(default_factory=list)


def per_group(db: Session) -> list[GroupCost]:
    """Every group by name, and what is unassigned at the end."""
    named = [*db.execute(select(Group.id, Group.name).order_by(Group.name)), (None, UNASSIGNED)]
    costs = {id: GroupCost(name, name if id else "none") for id, name in named}
    summed = (
        select(Domain.group_id, Domain.currency, func.count(), func.sum(col(Domain.renewal_price)))
        .group_by(col(Domain.group_id), col(Domain.currency))
        .order_by(col(Domain.currency))
    )
    for group_id, currency, count, amount in db.execute(summed):
        cost = costs[group_id]
        cost.domains += count
        if currency is None:
            cost.unknown += count
        else:
            cost.amounts.append(Amount(currency, amount))
    return list(costs.values())


def total(costs: list[GroupCost]) -> GroupCost:
    """All groups together; each currency for itself, since nothing is converted."""
    sums: dict[str, Decimal] = {}
    for amount in (amount for cost in costs for amount in cost.amounts):
        sums[amount.currency] = sums.get(amount.currency, Decimal(0)) + amount.value
    amounts = [Amount(currency, sums[currency]) for currency in sorted(sums)]
    return GroupCost("All", "", sum(c.domains for c in costs), sum(c.unknown for c in costs), amounts)
