"""The page of what changed: in one read, for one account, for one name, or altogether."""

from typing import Any

from core import DB, Cell, Column, Params, Table, View, page

from .models import Change

TONES: dict[str, Any] = {
    "auto-renew off": "warn",
    "unlocked": "warn",
    "expires earlier": "warn",
    "missing": "warn",
    "retired": "bad",
}


def what(value: str, _row: Any) -> Cell:
    """What changed, in the colour of how soon somebody should look."""
    return Cell(value, tone=TONES.get(value, ""))


CHANGES = Table(
    Change,
    Column(Change.id, hidden=True),
    Column(Change.name, search=True),
    Column(Change.what, filter=True, show=what),
    Column(Change.before),
    Column(Change.after),
    Column(Change.source, filter=True),
    Column(Change.at, label="Read", filter=True),
    sort="-id",
    link="/domains/{name}",
    empty="What the daily read finds new, gone, renewed, moved or switched appears here.",
)


@page("/changes", nav="Changes", icon="history")
def changes(db: DB, params: Params) -> View:
    """What the reads found new, gone, renewed, moved to another account, or switched."""
    return View("changes.html", changes=CHANGES.load(db, params))
