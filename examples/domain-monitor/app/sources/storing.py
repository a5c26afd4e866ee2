"""Writes what an account listed. It adds and corrects; it neither deletes nor blanks.

A value of None means that the registrar did not say, so it never replaces one that is known, not even in a
complete list: several registrars leave out prices or flags now and then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, func, or_
from sqlmodel import col, delete, select, update

from app.domains import Domain, shown_name
from core import Session

from .changes import Found, between, remember, take_back_missing
from .kinds import KINDS
from .listing import Registration
from .models import Listed, Source

CENT = Decimal("0.01")
KEEPS_NAMES = timedelta(days=3)  # after its last complete read; then whoever else lists a name gets it
TOGETHER = (("expires_at", "expires_is_day"), ("renewal_price", "currency"))  # one without the other would lie
NOT_MISSING = {"missing_since": None, "missing_reads": 0, "retired_at": None}
COLUMNS = [column.name for column in Domain.__table__.columns]  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Part:
    """Some of the names that an account listed at a time, few enough for one short transaction."""

    source_id: int
    source: str
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
    retired: int = 0

    def __str__(self) -> str:
        said = f"{self.new:,} new, {self.changed:,} changed, {self.unchanged:,} as before"
        said += f", {self.missing:,} missing" if self.missing else ""
        return f"{said}, {self.retired:,} retired" if self.retired else said


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
    now_ours = {"source_id": part.source_id, "registrar": part.registrar, **NOT_MISSING}
    rows = [
        {
            **keep_known(columns(listed[name]), known.get(name)),
            **now_ours,
            "first_seen_at": first_seen(known.get(name), part),
        }
        for name in sorted(listed.keys() - set(elsewhere))
    ]
    done = db.upsert(Domain, rows, key="name")
    seen = update(Domain).where(col(Domain.name).in_([row["name"] for row in rows]))
    db.bulk(seen.values(last_seen_at=part.at), why="listed by its account")
    accounts = {id: name for id, (name, _) in others.items()} | {part.source_id: part.source}
    changes = [(row["name"], change) for row in rows for change in between(known.get(row["name"]), row, accounts)]
    take_back_missing(db, part.at, [name for name, (what, *_) in changes if what == "moved"])
    remember(db, part.at, part.source, changes)
    mark_listed(db, part)
    tally.new, tally.changed = tally.new + done.created, tally.changed + done.updated
    tally.unchanged += done.unchanged
    tally.elsewhere += elsewhere


def mark_listed(db: Session, part: Part) -> None:
    """Note that the account lists these names, whoever has them."""
    ids = db.scalars(select(Domain.id).where(col(Domain.name).in_([each.name for each in part.registrations])))
    rows = [{"domain_id": id, "source_id": part.source_id, "seen_at": part.at} for id in ids]
    db.upsert(Listed, rows, key=("domain_id", "source_id"))


def others_in_use(source_id: int) -> Any:
    """SELECT the other accounts that are read every day: key, name, last complete read."""
    return select(Source.id, Source.name, Source.complete_at).where(Source.is_enabled, Source.id != source_id)


def first_seen(known: Any, part: Part) -> datetime:
    """When a name was seen first: now, or long ago."""
    return known["first_seen_at"] if known else part.at


def miss(db: Session, *, source_id: int, source: str, at: datetime, tally: Tally, retire_after: int) -> None:
    """Mark the names that a complete list of their account lacks; one that was lacking often enough is retired."""
    ours = col(Domain.source_id) == source_id
    is_unseen = or_(col(Domain.last_seen_at).is_(None), col(Domain.last_seen_at) < at)
    hand_over(db, [ours, is_unseen], source=source, at=at)
    is_lost = and_(ours, col(Domain.missing_since).is_(None), is_unseen)
    lost = db.scalars(select(Domain.name).where(is_lost).order_by(Domain.name)).all()
    tally.missing = db.bulk(
        update(Domain).where(is_lost).values(missing_since=at), why="not in the complete list of its account"
    )
    is_missing = and_(ours, col(Domain.missing_since).is_not(None), col(Domain.retired_at).is_(None))
    more = update(Domain).where(is_missing).values(missing_reads=col(Domain.missing_reads) + 1)
    db.bulk(more, why="one more complete list without it")
    is_gone = and_(is_missing, col(Domain.missing_reads) >= retire_after)
    gone = db.scalars(select(Domain.name).where(is_gone).order_by(Domain.name)).all()
    why = f"missing in {retire_after} complete lists in a row"
    tally.retired = db.bulk(update(Domain).where(is_gone).values(retired_at=at), why=why)
    found: list[tuple[str, Found]] = [(name, ("missing", "", "")) for name in lost]
    remember(db, at, source, [*found, *((name, ("retired", "", why)) for name in gone)])


def hand_over(db: Session, unlisted: Sequence[Any], *, source: str, at: datetime) -> None:
    """Give the names that their account does not list any more to another account in use that does: they moved."""
    told: list[Any] = [Domain.name, Source.id, Source.kind, Source.name]
    others = select(*told).select_from(Domain).join(Listed).join(Source, col(Source.id) == col(Listed.source_id))
    lately = (Source.is_enabled, col(Listed.source_id) != col(Domain.source_id), Listed.seen_at >= at - KEEPS_NAMES)
    rows, found = [], list[tuple[str, Found]]()
    for name, id, kind, other in db.execute(others.where(*unlisted, *lately)):
        rows.append({"name": name, "source_id": id, "registrar": KINDS[kind].label, **NOT_MISSING})
        found.append((name, ("moved", source, other)))
    db.upsert(Domain, rows, key="name")
    remember(db, at, source, found)


def count_accounts(db: Session, *, source_id: int, at: datetime, is_complete: bool) -> None:
    """Count for every name how many accounts list it; only a complete list can tell that one does no longer."""
    if is_complete:
        old = delete(Listed).where(col(Listed.source_id) == source_id, col(Listed.seen_at) < at)
        db.bulk(old, why="not in the complete list")
    number = select(func.count()).where(Listed.domain_id == Domain.id).correlate(Domain).scalar_subquery()
    db.bulk(update(Domain).where(col(Domain.accounts) != number).values(accounts=number), why="accounts that list it")


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
