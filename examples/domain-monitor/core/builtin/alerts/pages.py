"""Findings: look, acknowledge, mute; and a calendar of those that have a date."""

from datetime import date
from typing import Any

from fastapi import Request
from sqlalchemy import case, func, select
from sqlmodel import col
from starlette.responses import Response

from ... import auth
from ...alerts import Found, needs_attention, open_count
from ...errors import Refused
from ...notify import Channel, Message
from ...pages import DB, CurrentUser, Data, Go, Params, View, action, page, serving
from ...tables import Cell, Column, Table
from ...tables.declare import Row, Tone
from ...time import ago, now, today

CALENDAR_TOKEN = "calendar"
_TONES: dict[str, Tone] = {
    "critical": "bad",
    "open": "warn",
    "muted": "unknown",
    "acknowledged": "",
    "resolved": "good",
}
_STATE = case(
    (col(Found.resolved_at).is_not(None), "resolved"),
    (~needs_attention() & (col(Found.acknowledged_by) != ""), "acknowledged"),
    (~needs_attention(), "muted"),
    (col(Found.critical), "critical"),
    else_="open",
)


def _state(value: str, row: Row) -> Cell:
    by = row["acknowledged_by"] if value == "acknowledged" else ""
    return Cell(value, tone=_TONES[value], note=by or (f"until {row['muted_until']}" if value == "muted" else ""))


FINDINGS = Table(
    Found,
    Column(Found.key, label="What", search=True),
    Column(Found.text, label="Is wrong", search=True),
    Column(_STATE, name="state", filter=True, show=_state),
    Column(Found.alert, filter=True),
    Column(Found.opened_at, label="Since", show=lambda value, _: Cell(ago(value, now()), title=value.isoformat())),
    Column(Found.acknowledged_by, hidden=True),
    Column(Found.muted_until, hidden=True),
    sort="-opened_at",
    link="/-/alerts/{id}",
    empty="Nothing was ever wrong. Alerts write here what they find.",
)


@page("/-/alerts", nav="Alerts", icon="bell", badge=open_count)
def index(db: DB, params: Params, user: CurrentUser) -> View:
    """What is wrong now, and what was."""
    attention = db.execute(select(Found).where(needs_attention()).order_by(col(Found.critical).desc(), col(Found.id)))
    unsent = (
        select(Message, Channel).join(Channel).where(col(Message.sent_at).is_(None)).order_by(col(Message.id).desc())
    )
    return View(
        "index.html",
        findings=FINDINGS.load(db, params),
        now_wrong=list(attention.scalars().fetchmany(20)),
        count=open_count(db),
        unsent=db.execute(unsent.limit(10)).all(),
        channels=db.execute(select(func.count()).select_from(Channel)).scalar_one(),
        may_act=user.can("operator"),
    )


@page("/-/alerts/{id}")
def show(id: int, db: DB, user: CurrentUser) -> View:
    """One finding: since when, who knows of it."""
    found = _found(db, id)
    return View(
        "show.html", title=found.key or found.text, subtitle=found.text, found=found, may_act=user.can("operator")
    )


@action("/-/alerts/{id}/acknowledge")
def acknowledge(id: int, db: DB, user: CurrentUser) -> Go:
    """Acknowledge a finding: it stays open, and is not told again unless it gets worse."""
    _found(db, id).acknowledged_by = user.name
    return Go(show, id=id, toast="Acknowledged")


@action("/-/alerts/{id}/mute")
def mute(id: int, db: DB, data: Data) -> Any:
    """Mute a finding until a date, or unmute it."""
    found, typed = _found(db, id), str(data.get("until", ""))
    try:
        found.muted_until = date.fromisoformat(typed) if typed else None
    except ValueError as error:
        raise Refused(422, f"{typed!r} is no date; write it like {today()}.") from error
    return Go(show, id=id, toast=f"Muted until {typed}" if typed else "Not muted any more")


@action("/-/alerts/calendar", role="viewer")
def make_calendar(request: Request, db: DB, user: CurrentUser) -> View:
    """Make an address that a calendar program can subscribe to."""
    owner = user.id if user.kind == "user" else None
    scopes = "read /-/alerts/calendar"  # the address lies in other people's programs, so it opens nothing else
    secret = auth.make_token(db, f"{CALENDAR_TOKEN} of {user.name}", "viewer", scopes=scopes, owner=owner)
    url = f"{serving(request).settings.url}/-/alerts/calendar/{secret}"
    return View("calendar.html", title="Calendar", url=url)


@page("/-/alerts/calendar/{secret}", public=True)
def calendar(secret: str, db: DB, request: Request) -> Response:
    """Open findings that have a date, as iCalendar (RFC 5545)."""
    from icalendar import Calendar, Event  # here, for it takes 0.1 s

    if auth.token_identity(db, secret) is None:
        raise Refused(404, "This calendar was revoked; make a new address on the alerts page.")
    made = Calendar()
    made.add("prodid", "-//PyOps//EN")
    made.add("version", "2.0")
    for found in db.execute(
        select(Found).where(col(Found.resolved_at).is_(None), col(Found.on).is_not(None))
    ).scalars():
        event = Event()
        event.add("uid", f"finding-{found.id}@{serving(request).settings.tool_name}")
        event.add("summary", f"{found.key}: {found.text}")
        event.add("dtstart", found.on)
        event.add("dtstamp", found.opened_at)
        made.add_component(event)
    return Response(made.to_ical(), media_type="text/calendar", headers={"Cache-Control": "private, no-cache"})


def _found(db: DB, id: int) -> Found:
    found = db.get(Found, id)
    if found is None:
        raise Refused(404, f"There is no finding {id}; it may be of another database.")
    return found
