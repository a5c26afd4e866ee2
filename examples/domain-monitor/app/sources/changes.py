"""What a read found changed: worked out name by name while it is stored, and kept for a year."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, delete, insert

from core import Session

from .models import Change, What

KEPT = timedelta(days=400)
LATELY = timedelta(hours=1)  # as long as one read of all accounts may take
RENEWAL = timedelta(days=20)  # registries and registrars disagree by hours and days, never by this much
SWITCHES: Mapping[str, tuple[What, What]] = {
    "auto_renew": ("auto-renew off", "auto-renew on"),
    "locked": ("unlocked", "locked"),
}

Found = tuple[What, str, str]  # what, before, after


def between(known: Any, row: Mapping[str, Any], accounts: Mapping[int, str]) -> Iterator[Found]:
    """What changed about a name, from what was known to what its row says now."""
    if known is None:
        yield "new", "", ""
        return
    before, after = known["source_id"], row["source_id"]
    if before is not None and before != after:
        yield "moved", accounts.get(before, known["registrar"]), accounts.get(after, row["registrar"])
    elif known["missing_since"] is not None:
        yield "back", f"missing since {known['missing_since']:%Y-%m-%d}", ""
    yield from _expiry(known["expires_at"], row["expires_at"])
    for column, words in SWITCHES.items():
        if None not in (known[column], row[column]) and known[column] != row[column]:
            yield words[row[column]], "", ""


def _expiry(before: datetime | None, after: datetime | None) -> Iterator[Found]:
    if before and after and abs(after - before) >= RENEWAL:
        yield "renewed" if after > before else "expires earlier", f"{before:%Y-%m-%d}", f"{after:%Y-%m-%d}"


def remember(db: Session, at: datetime, source: str, found: Iterable[tuple[str, Found]]) -> None:
    """Write the changes of one read: as plain rows, for a lost list may be thousands in one transaction."""
    rows = [
        {"at": at, "source": source, "name": name, "what": what, "before": before[:120], "after": after[:120]}
        for name, (what, before, after) in found
    ]
    if rows:
        db.connection().execute(insert(Change), rows)


def take_back_missing(db: Session, at: datetime, moved: Sequence[str]) -> None:
    """Say no more that names are missing which another account, read a little later, turns out to have."""
    lately = (col(Change.what) == "missing", col(Change.at) > at - LATELY)
    if moved:
        db.bulk(delete(Change).where(col(Change.name).in_(moved), *lately), why="moved, not missing")


def forget(db: Session, at: datetime) -> None:
    """Delete what changed longer ago than anybody asks."""
    db.bulk(delete(Change).where(col(Change.at) < at - KEPT), why="changes of long ago")
