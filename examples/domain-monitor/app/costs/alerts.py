"""What somebody must hear about: budgets that will not do, and rates that nobody brings."""

from collections.abc import Iterator

from core import DB, Finding, alert, today

from .months import budgets
from .pages import is_converted
from .rates import current
from .totals import collect


@alert(every="1d")
def over_budget(db: DB) -> Iterator[Finding]:
    """The renewals of the next 12 months exceed a group's budget."""
    for budget in budgets(db, current(db), today()):
        if budget.is_exceeded:
            money = budget.group.budget_currency
            text = f"{budget.cost.total:,.2f} {money} in the next 12 months, {budget.limit:,.2f} {money} budgeted"
            unknown = f"; price unknown: {budget.cost.unpriced:,}" if budget.cost.unpriced else ""
            unknown += f"; no exchange rate: {budget.cost.unrated.total():,}" if budget.cost.unrated else ""
            owner = f"; owner: {budget.group.owner}" if budget.group.owner else ""
            yield Finding(budget.path, f"{text}{unknown}{owner}", href="/costs")


@alert(every="1d")
def rates_are_old(db: DB) -> Iterator[Finding]:
    """Sums are converted by exchange rates that are more than a week old."""
    rates = current(db)
    if rates.is_old(today()) and is_converted(collect(db, rates).values(), rates):
        text = f"the rates are of {rates.day}; look why the job fetch_rates does not bring newer ones"
        yield Finding("exchange rates", text, href="/costs/currency")
