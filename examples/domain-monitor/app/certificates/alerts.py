"""What somebody must hear about: certificates that end, and those that browsers warn of."""

from collections.abc import Iterator
from typing import Any

from sqlmodel import col, select

from app.domains import Domain, days_left, in_words
from core import DB, Finding, alert, in_days, now, today

from .models import Certificate, shown_host

NEAR_DAYS = 14
CRITICAL_DAYS = 3


@alert(every="1h")
def certificate_ends(db: DB) -> Iterator[Finding]:
    """A certificate ends within 14 days."""
    for row, domain in db.execute(seen("accepted").where(col(Certificate.not_after) < in_days(NEAR_DAYS))):
        days = days_left(row.not_after, today())
        is_critical = row.not_after < in_days(CRITICAL_DAYS)
        text = f"ends {in_words(days)}, issued by {row.issuer}"
        yield Finding(
            shown_host(row.host), text, critical=is_critical, on=row.not_after.date(), href=f"/domains/{domain}"
        )


@alert(every="1h")
def certificate_not_accepted(db: DB) -> Iterator[Finding]:
    """A browser would not accept a certificate."""
    for row, domain in db.execute(seen("not accepted")):
        has_ended = row.not_after is not None and row.not_after < now()
        on = row.not_after.date() if row.not_after else None
        yield Finding(shown_host(row.host), row.problem, critical=has_ended, on=on, href=f"/domains/{domain}")


def seen(state: str) -> Any:
    """SELECT the hosts in a state, of domains that are in their account, with the domain's name."""
    is_ours = (col(Domain.missing_since).is_(None), col(Domain.retired_at).is_(None))
    return select(Certificate, Domain.name).join(Domain).where(Certificate.state == state, *is_ours)
