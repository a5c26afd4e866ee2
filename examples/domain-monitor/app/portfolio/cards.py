"""What the home page shows of the portfolio."""

from datetime import UTC, datetime, time
from itertools import pairwise

from sqlalchemy import and_, func
from sqlmodel import col, select

from app.domains import RED_DAYS, Domain, first_days, last_day_under
from app.sources import Source, troubles
from core import DB, Cell, Chart, card, now, today
from core.alerts import Found, needs_attention, open_count
from core.jobs import JobRun

from .pages import IS_LOST, counts, ends_by, to

MONTHS = 12


@card("Open findings")
def findings(db: DB) -> Cell:
    """What the alerts found wrong, and nobody has acknowledged or muted."""
    critical = db.execute(select(func.count()).select_from(Found).where(needs_attention(), Found.critical)).scalar_one()
    if found := open_count(db):
        return Cell(f"{found:,}", f"{critical:,} critical", tone="bad" if critical else "warn", href="/-/alerts")
    if not any(counts(db, None)):
        return Cell("—", "the alerts look as soon as there are domains", tone="unknown", href="/-/alerts")
    looked = select(JobRun.id).where(JobRun.job == "portfolio.expires_soon", col(JobRun.ended_at).is_not(None))
    if not db.execute(looked.limit(1)).first():
        return Cell("—", "the alerts have not looked yet", tone="unknown", href="/-/alerts")
    return Cell("0", "acknowledged and muted ones do not count", tone="good", href="/-/alerts")


@card(f"Expire in under {RED_DAYS} days")
def urgent(db: DB) -> Cell:
    """Names that somebody must renew; a missing one is not counted."""
    red = last_day_under(RED_DAYS, today())
    tests = [and_(ends_by(day), ~IS_LOST) for day in (last_day_under(0, today()), red)]
    expired, ending, every = counts(db, *tests, None)
    if not every:
        return Cell("—", "counted as soon as there are domains", tone="unknown", href="/domains")
    note = f"{expired:,} expired already" if expired else "none has expired"
    return Cell(f"{ending:,}", note, tone="bad" if ending else "good", href=to(red))


@card("Sources in trouble")
def sources(db: DB) -> Cell:
    """Accounts whose domains may be out of date."""
    wrong, used = troubles(db, now()), db.execute(select(Source.is_enabled).distinct()).scalars().all()
    if wrong:
        return Cell(f"{len(wrong)}", wrong[0].partition(":")[0], tone="bad", href="/sources")
    if not used:
        return Cell("none yet", "add a registrar account, or import a file", tone="unknown", href="/sources")
    if not any(used):
        return Cell("none in use", "no source is enabled, so nobody reads what changes", tone="warn", href="/sources")
    if unread := db.execute(select(func.count()).where(Source.is_enabled, col(Source.complete_at).is_(None))).scalar():
        return Cell(f"{unread:,}", "never read to the end", tone="warn", href="/sources")
    return Cell("0", "every source in use is up to date", tone="good", href="/sources")


@card("Expire by month")
def expiring(db: DB) -> Chart:
    """The renewals that are coming; a missing name is not counted."""
    months = first_days(today(), MONTHS + 1)
    starts = [datetime.combine(month, time(), UTC) for month in months]
    spans = [(col(Domain.expires_at) >= a) & (col(Domain.expires_at) < b) for a, b in pairwise(starts)]
    numbers = counts(db, *(and_(span, ~IS_LOST) for span in spans))
    labels = [f"{month:%Y-%m}" for month in months[:-1]]
    return Chart("bar", labels, {"Domains": numbers})
