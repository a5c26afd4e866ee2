"""The message about what a read found changed."""

from datetime import datetime
from typing import get_args

from sqlalchemy import func
from sqlmodel import col, select

from core import Session, Settings
from core.alerts import put

from .models import Change, What

LINES = 30  # of a message; the page has them all
ALARMING: tuple[What, ...] = ("unlocked", "auto-renew off", "expires earlier", "missing", "retired", "moved")


def tell(db: Session, since: datetime, settings: Settings) -> None:
    """Put what the reads since then found into one message, the alarming first; nothing when nothing changed."""
    read = col(Change.at) >= since
    counts = {what: n for what, n in db.execute(select(Change.what, func.count()).where(read).group_by(Change.what))}
    if not counts:
        return
    order = sorted(counts, key=lambda what: (what not in ALARMING, get_args(What).index(what)))
    lines: list[str] = []
    for what in order:
        rest = LINES - len(lines)
        rows = db.exec(select(Change).where(read, Change.what == what).order_by(col(Change.id)).limit(rest))
        lines += [in_words(row) for row in rows]
    more = sum(counts.values()) - len(lines)
    told = [*lines, f"… and {more:,} more"] if more else lines
    title = f"The read found {', '.join(f'{counts[what]:,} {what}' for what in order)}"
    body = "\n".join([*told, "", f"{settings.url}/changes?at.from={since:%Y-%m-%d}"])
    put(db, settings, title, body, is_critical=any(what in ALARMING for what in counts))


def in_words(row: Change) -> str:
    """One change as a line: "renewed: acme.com, 2026-12-20 → 2027-12-20 (Main)"."""
    was = " → ".join(side for side in (row.before, row.after) if side)
    return f"{row.what}: {row.name}{f', {was}' if was else ''} ({row.source})"
