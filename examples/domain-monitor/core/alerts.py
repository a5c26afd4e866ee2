"""Alerts: what they find wrong, what of it opens, repeats or resolves, and the outbox of messages that tell of it."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, and_, bindparam, delete, func, or_, select, update
from sqlmodel import Field, SQLModel, col

from . import http
from .db import Session
from .errors import CoreError
from .jobs import Job, JobRun, Run
from .marks import AlertMark
from .settings import Channel, Settings
from .time import now, period, today

alert = AlertMark
DELIVERY = "core.deliver"  # the built-in job that empties the outbox
TODAY = bindparam("today", callable_=today, type_=Date, unique=True)  # core's: the database may be elsewhere
LONGEST_MESSAGE = 30  # findings named in one message; the page has them all


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong now; `key` tells it from the alert's others, `on` is its day in the calendar."""

    key: str
    text: str
    _: KW_ONLY
    critical: bool = False
    on: date | None = None
    href: str = ""


class Found(SQLModel, table=True):
    """A finding from the time it is first seen until it is gone."""

    __tablename__ = "core_finding"
    __table_args__ = {"info": {"audited": True}}

    id: int | None = Field(default=None, primary_key=True)
    alert: str = Field(index=True)
    key: str
    text: str
    critical: bool = False
    on: date | None = None
    href: str = ""
    opened_at: datetime
    told_at: datetime
    resolved_at: datetime | None = Field(default=None, index=True)
    acknowledged_by: str = ""
    muted_until: date | None = None


class Message(SQLModel, table=True):
    """One message for one channel; sent, or still to be sent."""

    __tablename__ = "core_message"
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    title: str
    body: str
    created_at: datetime = Field(default_factory=now)
    sent_at: datetime | None = Field(default=None, index=True)
    tries: int = 0
    error: str = ""


def look(mark: AlertMark, found: Any, *, run: Run, settings: Settings) -> None:
    """Compare what an alert yields with last time, and put what changed into one message; a part of the alert's run."""
    findings: dict[str, Finding] = {}
    for one in found if isinstance(found, Iterable) else [found]:  # nothing at all is a mistake, not "all is well"
        if not (isinstance(one, Finding) and isinstance(one.key, str)) or one.key in findings:
            raise CoreError(f"{run.job} yields {one!r}; yield Finding(key, text), each with a text of its own as key")
        findings[one.key] = one

    def compare_and_tell(db: Session) -> None:
        told = compare(db, run.job, findings, remind=period(mark.remind))
        title, body = in_words(told)
        step.log(f"{len(findings):,} wrong now; {title or 'nothing changed'}")
        if told:
            is_critical = any(row.critical for kind, row in told if kind != "resolved")
            body = f"{body}\n\n{settings.url}/-/alerts"
            put(db, settings, f"{run.did} ({title})", body, is_critical=is_critical)

    with run.step("findings") as step:
        step.call(compare_and_tell)


def compare(db: Session, name: str, findings: dict[str, Finding], *, remind: timedelta) -> list[tuple[str, Found]]:
    """Make an alert's rows what it finds now; what is to be told of them, as "new", "worse", "still" or "resolved"."""
    at, told = now(), list[tuple[str, Found]]()
    matters = or_(col(Found.resolved_at).is_(None), col(Found.muted_until) > at.date())
    rows = db.execute(select(Found).where(col(Found.alert) == name, matters)).scalars().all()
    still = {row.key: row for row in rows if row.resolved_at is None}
    muted = {row.key: row.muted_until for row in rows if row.muted_until}
    for key, one in findings.items():
        row = still.pop(key, None)
        if row is None:
            row = Found(alert=name, key=key, text=one.text, opened_at=at, told_at=at, muted_until=muted.get(key))
            db.add(row)
            kind = "new"
        elif one.critical and not row.critical:
            row.acknowledged_by, kind = "", "worse"
        else:
            kind = "still" if not row.acknowledged_by and at - row.told_at >= remind else ""
        row.sqlmodel_update(vars(one))
        told += [(kind, row)] if kind else []
    for row in still.values():
        row.resolved_at = at
        told.append(("resolved", row))
    heard = [(kind, row) for kind, row in told if row.muted_until is None or row.muted_until <= at.date()]
    for _, row in heard:
        row.told_at = at
    return heard


def in_words(told: Sequence[tuple[str, Found]]) -> tuple[str, str]:
    """A message's title, as in "2 new, 1 resolved", and its first lines."""
    title = ", ".join(f"{count:,} {kind}" for kind, count in Counter(kind for kind, _ in told).items())
    lines = [f"{kind}: {f'{row.key}: ' if row.key else ''}{row.text}" for kind, row in told]
    lines[LONGEST_MESSAGE:] = [f"… and {len(lines) - LONGEST_MESSAGE:,} more"] if len(lines) > LONGEST_MESSAGE else []
    return title, "\n".join(lines)


def forget(db: Session, names: Iterable[str]) -> None:
    """Resolve, silently, what alerts found that no longer exist; and jobs, unless they are paused."""
    db.bulk(delete(Job).where(col(Job.name).not_in(list(names)), col(Job.paused_at).is_(None)), why="the job is gone")
    gone = update(Found).where(col(Found.resolved_at).is_(None), col(Found.alert).not_in(list(names)))
    db.bulk(gone.values(resolved_at=now()), why="the alert is gone")


def needs_attention() -> ColumnElement[bool]:
    """SQL: whether a finding is open, and nobody has acknowledged or muted it."""
    is_heard = or_(col(Found.muted_until).is_(None), col(Found.muted_until) <= TODAY)
    return and_(col(Found.resolved_at).is_(None), col(Found.acknowledged_by) == "", is_heard)


def open_count(db: Session) -> int:
    """How many findings want somebody's attention."""
    return int(db.execute(select(func.count()).select_from(Found).where(needs_attention())).scalar_one())


def put(db: Session, settings: Settings, title: str, body: str, *, is_critical: bool = False) -> int:
    """Leave a message for every channel that takes it, and have it delivered; how many take it."""
    wanted = [channel for channel in settings.notify if is_critical or not channel.only_critical]
    db.add_all(Message(channel=channel.name, title=f"[{settings.tool_name}] {title}", body=body) for channel in wanted)
    waiting = update(JobRun).where(col(JobRun.job) == DELIVERY, col(JobRun.state) == "queued")
    if wanted and not db.bulk(waiting.values(not_before=None, attempt=1), why="a new message"):
        db.add(JobRun(job=DELIVERY, started_by="alerts"))
    return len(wanted)


def send(channel: Channel, title: str, body: str) -> None:
    """Send one message now; CoreError with Apprise's own words when it did not go out."""
    if reason := http.forbidden():
        raise CoreError(f"{reason} while a message would be sent; send first, then write")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # its plugins': not ours to heed
        import apprise  # here, for it takes 0.2 s

        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
            to = apprise.Apprise()
            if not to.add(channel.url.get_secret_value()):  # whose own words quote it
                raise CoreError(f"{channel.name}: the message did not go out: mend the channel's address in NOTIFY")
            if to.notify(body=body, title=title):
                return
            words = " ".join(said.getvalue().split()) or "the other side refused it"
    raise CoreError(f"{channel.name}: the message did not go out: {words}")
