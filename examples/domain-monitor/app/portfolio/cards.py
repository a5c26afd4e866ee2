"""What the home page shows of the portfolio."""

from datetime import UTC, date, datetime, time
from itertools import pairwise

from sqlalchemy import and_
from sqlmodel import col

from app.domains import Domain
from app.groups import UNASSIGNED
from app.sources import troubles
from core import DB, Cell, Chart, View, card, now, today

from .costs import per_group, total
from .pages import IS_LOST, counts

MONTHS = 12


@card("Sources in trouble")
def sources(db: DB) -> Cell:
    """Accounts whose domains may be out of date."""
    wrong = troubles(db, now())
    if not wrong:
        return Cell("0", "every source in use is up to date", tone="good", href="/sources")
    return Cell(f"{len(wrong)}", wrong[0].partition(":")[0], tone="bad", href="/sources")


@card("Expire by month")
def expiring(db: DB) -> Chart:
    """The renewals that are coming; a missing name is not counted."""
    months = coming(today(), MONTHS + 1)
    starts = [datetime.combine(month, time(), UTC) for month in months]
    spans = [(col(Domain.expires_at) >= a) & (col(Domain.expires_at) < b) for a, b in pairwise(starts)]
    numbers = counts(db, *(and_(span, ~IS_LOST) for span in spans))
    labels = [f"{month:%Y-%m}" for month in months[:-1]]
    return Chart("bar", labels, {"Domains": numbers})


@card("Cost by group")
def costs(db: DB) -> View:
    """A year of renewals, as far as the prices are known; nothing is converted."""
    groups = per_group(db)
    sums = total(groups).amounts
    main = max(sums, key=lambda currency: sums[currency], default="")
    paying = [cost for cost in groups if main in cost.amounts]
    chart = Chart(
        "doughnut",
        [cost.name for cost in paying],
        {main or "Cost": [cost.amounts[main] for cost in paying]},
        unit=main,
        title="Cost a year",
        colours={UNASSIGNED: "unknown"},
    )
    return View("costs_card.html", chart=chart, others={name: value for name, value in sums.items() if name != main})


def coming(day: date, count: int) -> list[date]:
    """The first days of so many months, from the month of a day on."""
    at = [day.month - 1 + ahead for ahead in range(count)]
    return [date(day.year + month // 12, month % 12 + 1, 1) for month in at]
