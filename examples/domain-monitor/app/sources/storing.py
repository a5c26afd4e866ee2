"""Writes what an account listed. It adds and corrects; it neither deletes nor blanks.

A value of None means that the registrar did not say, so it never replaces one that is known, not even in a
complete list: several registrars leave out prices or flags now and then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, or_
from sqlmodel import col, select, update

from app.domains import Domain, shown_name
from core import Session

from .listing import Registration
from .models import Source

CENT = Decimal("0.01")
KEEPS_NAMES = timedelta(days=3)  # after its last complete read; then whoever else lists a name gets it
TOGETHER = (("expires_at", "expires_is_day"), ("renewal_price", "currency"))  # one without the other would lie
COLUMNS = [column.name for column in Domain.__table__.columns]  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Part:
    """Some of the names that an account listed at a time, few enough for one short transaction."""

    source_id: int
    registrar: str
    registrations: Sequence[Registration]
    at: datetime


@dataclass
class Tally:
    """What became of a whole list, part by part."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    elsewhere: list[str] = field(default_factory=list)
    taken: dict[str, list[str]] = field(default_factory=dict)  # by the account that had them
    missing: int = 0

    def __str__(self) -> str:
        said = f"{self.new:,} new, {self.changed:,} changed, {self.unchanged:,} as before"
        return f"{said}, {self.missing:,} missing" if self.missing else said


def store(db: Session, part: Part, tally: Tally) -> None:
    """Insert new names and correct known ones; a name stays with another account that was read lately."""
    listed = {each.name: each for each in part.registrations}
    known = {row["name"]: row for row in db.execute(rows_of(listed)).mappings()}
    others = {id: (name, at) for id, name, at in db.execute(others_in_use(part.source_id))}
    elsewhere: list[str] = []
    for name, row in known.items():
        if row["source_id"] in others and row["missing_since"] is None:
            other, complete_at = others[row["source_id"]]
            is_fresh = complete_at is not None and part.at - complete_at <= KEEPS_NAMES
            (elsewhere if is_fresh else tally.taken.setdefault(other, [])).append(name)
    now_ours = {"source_id": part.source_id, "registrar": part.registrar, "missing_since": None}
    rows = [
        {
            **keep_known(columns(listed[name]), known.get(name)),
            **now_ours,
            "first_seen_at": first_seen(known.get(name), part),
        }
        for name in listed.keys() - set(elsewhere)
    ]
    done = db.upsert(Domain, rows, key="name")
    seen = update(Domain).where(col(Domain.name).in_([row["name"] for row in rows]))
    db.bulk(seen.values(last_seen_at=part.at), why="listed by its account")
    tally.new, tally.changed = tally.new + done.created, tally.changed + done.updated
    tally.unchanged += done.unchanged
    tally.elsewhere += elsewhere


def others_in_use(source_id: int) -> Any:
    """SELECT the other accounts that are read every day: key, name, last complete read."""
    return select(Source.id, Source.name, Source.complete_at).where(Source.is_enabled, Source.id != source_id)


def first_seen(known: Any, part: Part) -> datetime:
    """When a name was seen first: now, or long ago."""
    return known["first_seen_at"] if known else part.at


def miss(db: Session, *, source_id: int, at: datetime, tally: Tally) -> None:
    """Mark the names that a complete list of their account lacks."""
    unseen = or_(col(Domain.last_seen_at).is_(None), col(Domain.last_seen_at) < at)
    gone = update(Domain).where(col(Domain.source_id) == source_id, col(Domain.missing_since).is_(None), unseen)
    tally.missing = db.bulk(gone.values(missing_since=at), why="not in the complete list of its account")


def known_to(db: Session, source_id: int) -> int:
    """How many names an account has that are not missing."""
    counted = select(func.count()).where(col(Domain.source_id) == source_id, col(Domain.missing_since).is_(None))
    return db.scalar(counted) or 0


def expiries_of(source_id: int) -> Any:
    """SELECT the names of an account and when they expire."""
    return select(Domain.name, Domain.expires_at).where(Domain.source_id == source_id)


def rows_of(names: Iterable[str]) -> Any:
    """SELECT the columns of the domains with these names."""
    return select(*(getattr(Domain, name) for name in COLUMNS)).where(col(Domain.name).in_(list(names)))


def columns(registration: Registration) -> dict[str, Any]:
    """A registration as columns of a domain."""
    expires, registered = registration.expires_at, registration.registered_at
    price = registration.renewal_price
    return {
        "name": registration.name,
        "shown_name": shown_name(registration.name),
        "status": registration.status,
        "expires_at": moment_of(expires),
        "expires_is_day": expires is not None and not isinstance(expires, datetime),
        "registered_on": registered.date() if isinstance(registered, datetime) else registered,
        "auto_renew": registration.auto_renew,
        "locked": registration.locked,
        "privacy": registration.privacy,
        "nameservers": None if registration.nameservers is None else list(registration.nameservers),
        "renewal_price": None if price is None else price.quantize(CENT),
        "currency": registration.currency,
    }


def keep_known(row: dict[str, Any], known: Any) -> dict[str, Any]:
    """The row, with what is known in the place of what nobody said."""
    if known is None:
        return row
    kept = {name: known[name] if value is None else value for name, value in row.items()}
    for first, second in TOGETHER:
        kept[second] = known[second] if row[first] is None else row[second]
    return kept


def moment_of(expires: datetime | date | None) -> datetime | None:
    """A bare day as the moment it begins, in UTC."""
    if expires is None or isinstance(expires, datetime):
        return expires
    return datetime.combine(expires, time(), UTC)
