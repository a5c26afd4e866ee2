"""What a year of renewals costs, per group and currency.

An unknown price is counted, never added as zero. A missing name is counted too, but no longer among those that cost.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from app.groups import UNASSIGNED, Group
from core import Session


@dataclass
class GroupCost:
    """One group's year: how many names, how many prices nobody knows, how many names are missing, the known sums."""

    name: str
    key: str
    domains: int = 0
    unknown: int = 0
    missing: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)


def per_group(db: Session) -> list[GroupCost]:
    """Every group by name, and what is unassigned at the end."""
    named = [*db.execute(select(Group.id, Group.name).order_by(Group.name)), (None, UNASSIGNED)]
    costs = {id: GroupCost(name, name if id else "none") for id, name in named}
    of_what: list[Any] = [Domain.group_id, Domain.currency, col(Domain.missing_since).is_not(None)]
    counted = [func.count(), func.sum(col(Domain.renewal_price))]
    for group_id, currency, is_missing, count, amount in db.execute(
        select(*of_what, *counted).where(col(Domain.retired_at).is_(None)).group_by(*of_what)
    ):
        cost = costs[group_id]
        if is_missing:
            cost.missing += count
            continue
        cost.domains += count
        if currency is None:
            cost.unknown += count
        else:
            cost.amounts[currency] = amount
    return list(costs.values())


def total(costs: list[GroupCost]) -> GroupCost:
    """All groups together; each currency for itself, since nothing is converted."""
    numbers = (sum(getattr(cost, name) for cost in costs) for name in ("domains", "unknown", "missing"))
    whole = GroupCost("All", "", *numbers)
    for currency in sorted({currency for cost in costs for currency in cost.amounts}):
        whole.amounts[currency] = sum((cost.amounts.get(currency, Decimal(0)) for cost in costs), Decimal(0))
    return whole


def largest(costs: list[GroupCost]) -> dict[str, Decimal]:
    """The largest sum of any group in each currency, which the bars are measured against."""
    return {
        currency: max(cost.amounts.get(currency, Decimal(0)) for cost in costs) for currency in total(costs).amounts
    }
