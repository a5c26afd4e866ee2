"""The portfolio table: which columns there are, and how each value reads."""

from datetime import date
from typing import Any

from sqlmodel import col

from app.domains import Domain, days_left, in_words, urgency
from app.groups import REASON, UNASSIGNED, Group
from app.sources import Source
from core import Cell, Column, Table, now, today
from core.time import ago


def expiry(value: Any, row: Any) -> Cell:
    """The day it expires, the days left in words, the exact moment on hover where it is known."""
    days = days_left(value, today())
    if days is None:
        return Cell("unknown", tone="unknown")
    moment = "" if row["expires_is_day"] else f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return Cell(f"{value:%Y-%m-%d}", note=in_words(days), tone=urgency(days), title=moment)


def group(value: str | None, row: Any) -> Cell:
    """The group, and on hover who or what put it there."""
    return Cell(value, title=row["group_why"]) if value else Cell(UNASSIGNED, tone="unknown")


def wanted(value: bool | None, _row: Any) -> Cell:
    """A flag that should be on: yes, no as a warning, or unknown."""
    if value is None:
        return Cell("unknown", tone="unknown")
    return Cell("yes") if value else Cell("no", tone="warn")


def status(value: str | None, row: Any) -> Cell:
    """What the registrar says of it, unless its account does not list it any more."""
    if row["retired_at"]:
        return Cell(f"retired {row['retired_at']:%Y-%m-%d}", tone="unknown", title=value or "")
    if row["missing_since"]:
        return Cell(f"missing since {row['missing_since']:%Y-%m-%d}", tone="warn", title=value or "")
    return Cell(value) if value else Cell("unknown", tone="unknown")


def seen(value: Any, _row: Any) -> Cell:
    """How long ago its account listed it."""
    return Cell(ago(value, now()), title=f"{value:%Y-%m-%d %H:%M} UTC") if value else Cell("never", tone="unknown")


def source(value: str | None, row: Any) -> Cell:
    """The account it belongs to, and whether it is in another one too."""
    if row["accounts"] > 1:
        return Cell(value or "none", note=f"in {row['accounts']} accounts", tone="warn")
    return Cell(value) if value else Cell("none", tone="unknown")


def day(value: date | None, _row: Any) -> Cell:
    """A bare day."""
    return Cell(value.isoformat()) if value else Cell("unknown", tone="unknown")


DOMAINS = Table(
    Domain,
    Column(Domain.shown_name, label="Name", search=True),
    Column(Domain.expires_at, label="Expires", filter=True, show=expiry),
    Column(Group.name, name="group", label="Group", filter=True, empty=UNASSIGNED, show=group),
    Column(Domain.registrar, filter=True),
    Column(Source.name, name="source", label="Source", filter=True, empty="none", show=source),
    Column(Domain.auto_renew, label="Auto-renew", filter=True, empty="unknown", show=wanted),
    Column(Domain.locked, label="Lock", filter=True, empty="unknown", show=wanted),
    Column(Domain.privacy, filter=True, empty="unknown"),
    Column(Domain.renewal_price, label="Renewal price", filter=True, empty="unknown"),
    Column(Domain.currency, filter=True, empty="unknown"),
    Column(Domain.registered_on, label="Registered", show=day),
    Column(Domain.status, filter=True, empty="unknown", show=status),
    Column(Domain.last_seen_at, label="Last seen", show=seen),
    Column(col(Domain.missing_since).is_not(None), name="missing", filter=True, hidden=True),
    Column(col(Domain.accounts) > 1, name="twice", label="In two accounts", filter=True, hidden=True),
    Column(Domain.accounts, hidden=True),
    Column(Domain.missing_since, hidden=True),
    Column(Domain.retired_at, hidden=True),
    Column(Domain.name, name="name", search=True, hidden=True),
    Column(Domain.expires_is_day, hidden=True),
    Column(REASON, name="group_why", hidden=True),
    joins=[Group, Source],
    sort=Domain.expires_at,
    link="/domains/{name}",
    empty="Add a source or import a CSV under Sources; its domains appear here.",
)
