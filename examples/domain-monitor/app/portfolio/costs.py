"""What a year of renewals costs, per group and currency. An unknown price is counted, never added as zero."""

from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from app.groups import UNASSIGNED, Group
from core import Session


@dataclass
class GroupCost:
    """One group's year: how many names, the sum of known prices by currency, how many prices nobody knows."""

    name: str
    key: str
    domains: int = 0
    unknown: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)


def per_group(db: Session) -> list[GroupCost]:
    """Every group by name, and what is unassigned at the end."""
    named = [*db.execute(select(Group.id, Group.name).order_by(Group.name)), (None, UNASSIGNED)]
    costs = {id: GroupCost(name, name if id else "none") for id, name in named}
    summed = select(Domain.group_id, Domain.currency, func.count(), func.sum(col(Domain.renewal_price)))
    for group_id, currency, count, amount in db.execute(summed.group_by(col(Domain.group_id), col(Domain.currency))):
        cost = costs[group_id]
        cost.domains += count
        if currency is None:
            cost.unknown += count
        else:
            cost.amounts[currency] = amount
    return list(costs.values())


def total(costs: list[GroupCost]) -> GroupCost:
    """All groups together; each currency for itself, since nothing is converted."""
    whole = GroupCost("All", "", sum(cost.domains for cost in costs), sum(cost.unknown for cost in costs))
    for currency in sorted({currency for cost in costs for currency in cost.amounts}):
        whole.amounts[currency] = sum((cost.amounts.get(currency, Decimal(0)) for cost in costs), Decimal(0))
    return whole


def largest(costs: list[GroupCost]) -> dict[str, Decimal]:
    """The largest sum of any group in each currency, which the bars are measured against."""
    return {
        currency: max(cost.amounts.get(currency, Decimal(0)) for cost in costs) for currency in total(costs).amounts
    }
