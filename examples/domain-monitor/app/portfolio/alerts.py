"""What somebody must hear about: names that run out, and renewals that nobody or nothing does."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

from sqlmodel import col, select

from app.domains import RED_DAYS, Domain, days_left
from app.sources import Source
from core import DB, Finding, Session, alert, in_days, today

THRESHOLDS = (1, 7, 14, 30, 60)  # days to the expiry; each is told once for each name
CRITICAL_DAYS = 7
RENEWED_BY_THEN = 14  # days before the end; a renewal that is still to come does not come by itself


@alert(every="1h", remind="1000d")  # the next threshold is the reminder
def expires_soon(db: DB) -> Iterator[Finding]:
    """A domain has come to 60, 30, 14, 7 or 1 days before its expiry, or is past it."""
    for domain, day, days in ending(db, THRESHOLDS[-1] + 1):
        threshold, words = reached(days)
        yield Finding(
            f"{domain.shown_name}@{threshold}",
            f"{'expired' if days < 0 else 'expires'} on {day}{words}",
            critical=days <= CRITICAL_DAYS,
            on=day,
            href=f"/domains/{domain.name}",
        )


@alert(every="6h")
def lapses(db: DB) -> Iterator[Finding]:
    """A domain expires in under 30 days and its auto-renew is off."""
    for domain, day, days in ending(db, RED_DAYS, col(Domain.auto_renew).is_(False)):
        text = f"ends on {day} and nothing renews it: renew it by hand, or mute this when it may go"
        critical = days <= CRITICAL_DAYS
        yield Finding(domain.shown_name, text, critical=critical, href=f"/domains/{domain.name}")


@alert(every="6h")
def renewal_fails(db: DB) -> Iterator[Finding]:
    """A domain expires in under 14 days though its auto-renew is on: the renewal seems to fail."""
    names = {id: name for id, name in db.execute(select(Source.id, Source.name))}
    for domain, day, days in ending(db, RENEWED_BY_THEN, col(Domain.auto_renew).is_(True)):
        account = names.get(domain.source_id, "its account")
        text = f"ends on {day} and was not renewed yet: look at the payment and the messages of {account}"
        critical = days <= CRITICAL_DAYS
        yield Finding(domain.shown_name, text, critical=critical, href=f"/domains/{domain.name}")


def reached(days: int) -> tuple[str, str]:
    """The narrowest threshold that so many days are within, and that range in words.

    It is a range and no day, so that a run that did not happen misses nothing. The words stay the same within it:
    the finding changes when the threshold does, and not every night.
    """
    if days < 0:
        return "expired", ""
    above, limit = next(pair for pair in pairwise((-1, *THRESHOLDS)) if days <= pair[1])
    return str(limit), f", in {above + 1} to {limit} days" if limit > 1 else ", today or tomorrow"


def ending(db: Session, days: int, *where: Any) -> Iterator[tuple[Domain, date, int]]:
    """The domains that we have and that end in under so many days, with that day and the days to it, soonest first."""
    soon = (col(Domain.expires_at) < in_days(days + 1), col(Domain.missing_since).is_(None), *where)
    for domain in db.exec(select(Domain).where(*soon).order_by(col(Domain.expires_at), col(Domain.name))):
        left = days_left(domain.expires, today())
        if left is not None and left < days and domain.expires_at:
            yield domain, domain.expires_at.date(), left
