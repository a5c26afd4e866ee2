"""Every recorded change: find it, look at it."""

import json
from typing import Any

from ...audit import AuditEntry
from ...errors import Refused
from ...pages import DB, Params, View, page
from ...tables import Cell, Column, Table
from ...tables.declare import Row, Tone, shorten

_TONES: dict[str, Tone] = {"create": "good", "delete": "bad"}


def _changed(value: dict[str, Any], row: Row) -> str:
    """The first of what changed, in one line."""
    shown = value or row["before"]
    return shorten(", ".join(f"{name}: {one}" for name, one in shown.items()))


ENTRIES = Table(
    AuditEntry,
    Column(AuditEntry.at, label="When", filter=True),
    Column(AuditEntry.actor, label="Who", filter=True, search=True),
    Column(AuditEntry.did, label="Did", search=True),
    Column(AuditEntry.op, label="What", filter=True, show=lambda value, _: Cell(value, tone=_TONES.get(value, ""))),
    Column(AuditEntry.table, filter=True),
    Column(AuditEntry.key, label="Which", search=True),
    Column(AuditEntry.after, label="To", sort=False, show=_changed),
    Column(AuditEntry.before, sort=False, hidden=True),
    Column(AuditEntry.actor_kind, label="As", hidden=True),
    Column(AuditEntry.address, label="From", hidden=True, search=True),
    Column(AuditEntry.request_id, hidden=True, search=True),
    sort="-at",
    link="/-/audit/{id}",
    empty="Every change that somebody or something makes is written here.",
)


@page("/-/audit", nav="Audit", icon="scroll-text", role="admin")
def index(db: DB, params: Params) -> View:
    """Who changed what, when, from where; nobody can change or remove these."""
    return View("index.html", entries=ENTRIES.load(db, params))


@page("/-/audit/{id}", role="admin")
def show(id: int, db: DB) -> View:
    """One change: before and after."""
    entry = db.get(AuditEntry, id)
    if entry is None:
        raise Refused(404, f"There is no audit entry {id}; it may be of another database.")
    names = dict.fromkeys([*entry.before, *entry.after])
    sides = [
        (name, *(json.dumps(side[name]) if name in side else "" for side in (entry.before, entry.after)))
        for name in names
    ]
    return View(
        "show.html", title=f"{entry.op} {entry.table} {entry.key}", subtitle=entry.did, entry=entry, sides=sides
    )
