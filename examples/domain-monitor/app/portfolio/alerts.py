"""What somebody must hear about: names that run out."""

from collections.abc import Iterator

from sqlmodel import col, select

from app.domains import RED_DAYS, Domain, days_left, in_words
from core import DB, Finding, alert, in_days, today

CRITICAL_DAYS = 7


@alert(every="1h")
def expires_soon(db: DB) -> Iterator[Finding]:
    """A domain expires within 30 days."""
    soon = (col(Domain.expires_at) < in_days(RED_DAYS), col(Domain.missing_since).is_(None))
    for domain in db.exec(select(Domain).where(*soon)):
        days = days_left(domain.expires, today())
        if days is None or days >= RED_DAYS or domain.expires_at is None:
            continue
        text = f"{'expired' if days < 0 else 'expires'} {in_words(days).removeprefix('expired ')}"
        text += "" if domain.auto_renew else ", and does not renew by itself"
        yield Finding(
            domain.shown_name,
            text,
            critical=days < CRITICAL_DAYS,
            on=domain.expires_at.date(),
            href=f"/domains/{domain.name}",
        )
