"""What the home page shows of the portfolio."""

from datetime import UTC, datetime, time
from itertools import pairwise

from sqlalchemy import and_
from sqlmodel import col, select

from app.domains import Domain, first_days
from app.sources import Source, troubles
from core import DB, Cell, Chart, card, now, today

from .pages import IS_LOST, counts

MONTHS = 12


@card("Sources in trouble")
def sources(db: DB) -> Cell:
    """Accounts whose domains may be out of date."""
    wrong = troubles(db, now())
    if not wrong and db.execute(select(Source.id).limit(1)).first() is None:
        return Cell("none yet", "add a registrar account, or import a file", tone="unknown", href="/sources")
    if not wrong:
        return Cell("0", "every source in use is up to date", tone="good", href="/sources")
    return Cell(f"{len(wrong)}", wrong[0].partition(":")[0], tone="bad", href="/sources")


@card("Expire by month")
def expiring(db: DB) -> Chart:
    """The renewals that are coming; a missing name is not counted."""
    months = first_days(today(), MONTHS + 1)
    starts = [datetime.combine(month, time(), UTC) for month in months]
    spans = [(col(Domain.expires_at) >= a) & (col(Domain.expires_at) < b) for a, b in pairwise(starts)]
    numbers = counts(db, *(and_(span, ~IS_LOST) for span in spans))
    labels = [f"{month:%Y-%m}" for month in months[:-1]]
    return Chart("bar", labels, {"Domains": numbers})
