"""How each value of the portfolio reads."""

from datetime import date
from typing import Any

from app.domains import days_left, in_words, urgency
from app.groups import UNASSIGNED
from core import Cell, now, today
from core.time import ago

NOT_KNOWN = Cell("—", title="not known")  # nobody has to act: an icon in every such cell would look like a fault


def expiry(value: Any, row: Any) -> Cell:
    """The day it expires, the days left in words, the exact moment on hover where it is known."""
    days = days_left(value, today())
    if days is None:
        return Cell("unknown", tone="unknown")
    moment = "" if row["expires_is_day"] else f"{value.isoformat(' ', 'seconds')[:19]} UTC"
    return Cell(value.date().isoformat(), note=in_words(days), tone=urgency(days), title=moment)


def deadline(value: date | None, row: Any) -> Cell:
    """The day by which somebody has to act, and the phase where it is a late one."""
    days = days_left(value, today())
    if value is None or days is None:
        return Cell("unknown", tone="unknown")
    is_late = row["phase"] not in ("registered", "expired")
    note = f"{row['phase']}, {in_words(days)}" if is_late else in_words(days)
    return Cell(value.isoformat(), note=note, tone="bad" if is_late else urgency(days))


def group(value: str | None, row: Any) -> Cell:
    """The group, and on hover who or what put it there."""
    return Cell(value, title=row["group_why"]) if value else Cell(UNASSIGNED, tone="unknown")


def price(value: Any, row: Any) -> Cell:
    """What one renewal costs; on hover who says so, and beside it the years that it pays for when they are more."""
    if value is None:
        return Cell("unknown", tone="unknown")
    note = f"for {row['price_years']} years" if row["price_years"] > 1 else ""
    return Cell(f"{value:,.2f}", note=note, title=f"{row['currency']}, {row['price_from']}")


def wanted(value: bool | None, _row: Any) -> Cell:
    """A flag that should be on: yes, no as a warning, or a dash."""
    if value is None:
        return NOT_KNOWN
    return Cell("yes") if value else Cell("no", tone="warn")


def word(value: str | None, _row: Any) -> Cell:
    """What is said of it, in a word."""
    return Cell(value) if value else NOT_KNOWN


def plain(value: bool | None, _row: Any) -> Cell:
    """A flag that is right either way."""
    return NOT_KNOWN if value is None else Cell("yes" if value else "no")


def status(value: str | None, row: Any) -> Cell:
    """What the registrar says of it, unless its account does not list it any more."""
    if row["retired_at"]:
        return Cell(f"retired {row['retired_at']:%Y-%m-%d}", tone="unknown", title=value or "")
    if row["missing_since"]:
        return Cell(f"missing since {row['missing_since']:%Y-%m-%d}", tone="warn", title=value or "")
    return Cell(value) if value else NOT_KNOWN


def seen(value: Any, _row: Any) -> Cell:
    """How long ago its account listed it."""
    return Cell(ago(value, now()), title=f"{value:%Y-%m-%d %H:%M} UTC") if value else Cell("—", title="never")


def source(value: str | None, row: Any) -> Cell:
    """The account it belongs to, and whether it is in another one too."""
    if row["accounts"] > 1:
        return Cell(value or "none", note=f"in {row['accounts']} accounts", tone="warn")
    return Cell(value) if value else Cell("—", title="in no account")


def day(value: date | None, _row: Any) -> Cell:
    """A bare day."""
    return Cell(value.isoformat()) if value else NOT_KNOWN
