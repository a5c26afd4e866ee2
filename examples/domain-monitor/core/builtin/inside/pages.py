"""What the tool says of itself: who changed what, its settings, its API, its components."""

from typing import Any

from ... import settings
from ...audit import AuditEntry
from ...pages import DB, Params, View, page
from ...settings import Settings
from ...tables import Cell, Column, Table, UrlState
from ...tables.declare import Row, Tone, shorten

_TONES: dict[str, Tone] = {"create": "good", "delete": "bad"}


def _changed(value: dict[str, Any], row: Row) -> str:
    return shorten(", ".join(f"{name}: {one}" for name, one in (value or row["before"]).items()))


ENTRIES = Table(
    AuditEntry,
    Column(AuditEntry.at, label="When", filter=True), Column(AuditEntry.actor, label="Who", filter=True, search=True),
    Column(AuditEntry.did, label="Did", search=True),
    Column(AuditEntry.op, label="What", filter=True, show=lambda value, _: Cell(value, tone=_TONES.get(value, ""))),
    Column(AuditEntry.table, filter=True), Column(AuditEntry.key, label="Which", search=True),
    Column(AuditEntry.after, label="To", sort=False, show=_changed), Column(AuditEntry.before, sort=False, hidden=True),
    Column(AuditEntry.actor_kind, label="As", optional=True, filter=True),
    Column(AuditEntry.address, label="From", optional=True, search=True),
    Column(AuditEntry.request_id, label="Request", optional=True, search=True),
    sort="-at", link="/-/audit/{id}", empty="Every change that somebody or something makes is written here.",
)  # fmt: skip


@page("/-/audit", nav="Audit", icon="scroll-text", role="admin")
def audit(db: DB, params: Params) -> View:
    """Who changed what, when, from where; nobody can change or remove these."""
    return View("audit.html", entries=ENTRIES.load(db, params))


@page("/-/audit/{id}", role="admin")
def entry(id: int, db: DB) -> View:
    """One change: before and after."""
    found = db.get_or_404(AuditEntry, id, "audit entry")
    return View("entry.html", title=f"{found.op} {found.table} {found.key}", subtitle=found.did, entry=found)


@page("/-/api", nav="API", icon="book-open")
def api() -> View:
    """Every endpoint for programs; send a token with it: Authorization: Bearer …"""
    return View("core/api_docs.html", openapi_url="/-/openapi.json")


@page("/-/settings", nav="Settings", icon="settings", role="admin")
def list_settings(here: Settings) -> View:
    """What is set, and where that comes from; change it in the environment or .env and start again."""
    return View("settings.html", settings=settings.listing(here))


@page("/-/ui", nav="Components", icon="layout-dashboard", role="admin")
def components() -> View:
    """Every component in every state, to copy from."""
    return View("components.html", cell=Cell, state=UrlState("/-/ui", "price.from=5&group=Retail&match=any"))
