"""Findings: look, acknowledge, mute, tell the channels; and a calendar of those that have a date."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from fastapi import Request
from sqlalchemy import case, select, update
from sqlmodel import col
from starlette.responses import Response

from ... import auth
from ...alerts import Finding, Found, Message, alert, needs_attention, open_count, send
from ...errors import CoreError, Refused
from ...forms import Field, Form
from ...jobs import LIVE, Job, JobRun, Run, job
from ...pages import DB, CurrentUser, Data, Go, Params, View, action, page, serving
from ...settings import Channel, Settings
from ...tables import Cell, Column, Table
from ...tables.declare import Row, Tone
from ...time import ago, now

ASK = "core/confirm.html"
GIVEN_UP_AFTER = timedelta(days=3)
FAILING_AFTER = 3  # due times without a success
IS_OPEN = col(Found.resolved_at).is_(None)
MUTE = Form(Found, Field(Found.muted_until, help="Nothing is said of them until that day; empty unmutes them."))
_TONES: dict[str, Tone] = {"critical": "bad", "open": "warn", "muted": "unknown", "resolved": "good"}
_STATE = case(
    (~IS_OPEN, "resolved"),
    (needs_attention(), case((col(Found.critical), "critical"), else_="open")),
    (col(Found.acknowledged_by) != "", "acknowledged"),
    else_="muted",
)


@action("/-/alerts/acknowledge")
def acknowledge(db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Acknowledge findings: they stay open, and are not told again unless they get worse."""
    if not (picked := FINDINGS.picked(db, data, where=[IS_OPEN])).is_confirmed:
        return View(ASK, picked=picked)
    db.bulk(update(Found).where(*picked.where).values(acknowledged_by=user.name), why="acknowledged")
    return Go(picked.back, toast=f"Acknowledged: {picked.count:,}")


@action("/-/alerts/mute")
def mute(db: DB, data: Data) -> View | Go:
    """Say nothing of findings until a day, or unmute them."""
    picked = FINDINGS.picked(db, data, where=[IS_OPEN])
    form = MUTE.read(db, data) if picked.is_confirmed else MUTE.show(db)
    if not (picked.is_confirmed and form.is_valid):
        return View(ASK, status=200 if form.is_valid else 422, picked=picked, form=form)
    db.bulk(update(Found).where(*picked.where).values(form.data), why="muted")
    return Go(picked.back, toast=f"{'Muted' if form.data['muted_until'] else 'Unmuted'}: {picked.count:,}")


def _state(value: str, row: Row) -> Cell:
    notes = {"acknowledged": row["acknowledged_by"], "muted": f"until {row['muted_until']}"}
    return Cell(value, tone=_TONES.get(value, ""), note=notes.get(value, ""))


FINDINGS = Table(
    Found,
    Column(Found.key, label="What", search=True, show=lambda value, row: Cell(value, href=row["href"])),
    Column(Found.text, label="Is wrong", search=True, show=lambda value, _: str(value)),
    Column(_STATE, name="state", filter=True, show=_state), Column(Found.alert, filter=True),
    Column(Found.opened_at, label="Since", filter=True, show=lambda at, _: Cell(ago(at, now()), title=at.isoformat())),
    Column(Found.on, label="About the day", filter=True, optional=True),
    Column(Found.told_at, label="Told", optional=True), Column(Found.resolved_at, label="Resolved", optional=True),
    *(Column(hidden, hidden=True) for hidden in (Found.acknowledged_by, Found.muted_until, Found.href, Found.critical)),
    Column(needs_attention(), name="waits", hidden=True), sort="-waits,-critical,-opened_at",
    bulk=[acknowledge, mute], empty="Nothing is wrong. Alerts write here what they find.",
)  # fmt: skip


@page("/-/alerts", nav="Alerts", icon="bell", badge=open_count)
def index(request: Request, db: DB, params: Params, settings: Settings, resolved: bool = False) -> View:
    """What is wrong now, what was, and who hears of it."""
    late = select(Message).where(col(Message.sent_at).is_(None)).order_by(col(Message.id).desc()).limit(10)
    due = {name: job.due for name, job in serving(request).scheduler.jobs.items() if isinstance(job.mark, alert)}
    ended = select(col(JobRun.job)).where(col(JobRun.job).in_(due), col(JobRun.ended_at).is_not(None)).distinct()
    unseen = [due[name] for name in due.keys() - set(db.execute(ended).scalars())]
    shown: dict[str, Any] = {"late": db.execute(late).scalars().all(), "channels": settings.notify}
    shown["waiting"] = [one.following(now()) for one in unseen if one]
    shown["findings"] = FINDINGS.load(db, params, where=[~IS_OPEN if resolved else IS_OPEN])
    return View("index.html", resolved=resolved, **shown)


@action("/-/alerts/test", role="admin")
def test(data: Data, settings: Settings) -> Go:
    """Send a test message to a channel."""
    channel = _channel(settings, str(data.get("channel")))
    try:
        send(channel, f"[{settings.tool_name}] Test", "This channel works.")
    except CoreError as error:
        raise Refused(502, f"{error}.") from error
    return Go(index, toast="The message went out")


@job(timeout=600, retries=80)  # three days of them: the later ones are an hour apart
def deliver(db: DB, run: Run, settings: Settings) -> None:
    """Send the messages that wait; given up after three days."""
    is_due = (col(Message.sent_at).is_(None), col(Message.created_at) > now() - GIVEN_UP_AFTER)
    found = db.execute(select(Message).where(*is_due).order_by(col(Message.tries), col(Message.id))).scalars()
    failed = set[str]()  # channels in this run: one that is silent does not hold up the others
    for message in (one for one in found if one.channel not in failed):
        mine = update(Message).where(col(Message.id) == message.id)
        with run.step(message.channel) as step:
            step.write(mine.values(tries=message.tries + 1))
            step.commit()  # before it is sent, so that the next run begins with others if this one hangs
            try:
                send(_channel(settings, message.channel), message.title, message.body)
            except CoreError as error:
                failed.add(message.channel)
                step.write(mine.values(error=str(error)))
                step.commit()
                raise
            step.write(mine.values(sent_at=now(), error=""))


@alert(every="15m")
def failing(db: DB) -> Iterator[Finding]:
    """A job or an alert has not succeeded at its last three due times."""
    for name in db.execute(select(col(Job.name)).where(col(Job.paused_at).is_(None))).scalars():
        ended = select(JobRun).where(col(JobRun.job) == name, col(JobRun.state).not_in(LIVE))
        was_due = ended.where(col(JobRun.due_at).is_not(None)).order_by(col(JobRun.id).desc()).limit(FAILING_AFTER)
        last = db.execute(was_due).scalars().all()
        since = col(JobRun.id) >= (last[-1].id if last else 0)  # a retry, or somebody, may have mended it later
        good = ended.where(col(JobRun.state) == "succeeded", since).limit(1)
        if len(last) == FAILING_AFTER and not db.execute(good).first():
            yield Finding(name, f"{last[0].state}: {last[0].error}".removesuffix(": "), href=f"/-/jobs/{name}")


def _channel(settings: Settings, name: str) -> Channel:
    if found := next((channel for channel in settings.notify if channel.name == name), None):
        return found
    raise Refused(404, f"There is no channel {name} in NOTIFY any more")


@action("/-/alerts/calendar", role="viewer")
def make_calendar(request: Request, db: DB, user: CurrentUser) -> View:
    """Make an address that a calendar program can subscribe to."""
    if user.kind != "user":  # it would outlive the token that asks, and belong to nobody
        raise Refused(403, "A program makes no address of a calendar; sign in as a person.")
    scopes = "read /-/alerts/calendar"  # the address lies in other people's programs, so it opens nothing else
    secret = auth.make_token(db, f"calendar of {user.name}", "viewer", scopes=scopes, owner=user.id)
    url = f"{serving(request).settings.url}/-/alerts/calendar/{secret}"
    subtitle = "Subscribe to it for the open findings that have a day. It is an API token: revoke it to close it."
    return View("core/secret.html", title="Calendar", subtitle=subtitle, secret=url, back="/-/alerts")


@page("/-/alerts/calendar/{secret}", public=True)
def calendar(secret: str, db: DB, request: Request) -> Response:
    """Open findings that have a date, as iCalendar (RFC 5545)."""
    from icalendar import Calendar, Event  # here, for it takes 0.1 s

    reader = auth.identity_of(db, secret, auth.Token)
    if reader is None or not reader.reaches("/-/alerts/calendar", writes=False):
        raise Refused(404, "This calendar was revoked; make a new address on the alerts page.")
    made = Calendar.new(prodid="-//PyOps//EN")
    for found in db.execute(select(Found).where(IS_OPEN, col(Found.on).is_not(None))).scalars():
        uid, summary = f"finding-{found.id}@{serving(request).settings.tool_name}", f"{found.key}: {found.text}"
        made.add_component(Event.new(uid=uid, summary=summary, start=found.on, stamp=found.opened_at))
    return Response(made.to_ical(), media_type="text/calendar", headers={"Cache-Control": "private, no-cache"})
