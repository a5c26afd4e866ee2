"""Notifications: channels that Apprise speaks to, and an outbox whose delivery is a job that is tried again."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Field, SQLModel, col

from . import http
from .db import Session
from .errors import CoreError
from .jobs import JobRun
from .settings import Channel, Settings
from .time import now

DELIVERY = "core.deliver"  # the built-in job that empties the outbox


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


def put(db: Session, settings: Settings, title: str, body: str, *, is_critical: bool = False) -> int:
    """Leave a message for every channel that takes it, and have it delivered; how many take it."""
    wanted = [channel for channel in settings.notify if is_critical or not channel.only_critical]
    named = f"[{settings.tool_name}] {title}"
    db.add_all(Message(channel=channel.name, title=named, body=body) for channel in wanted)
    waiting = update(JobRun).where(col(JobRun.job) == DELIVERY, col(JobRun.state) == "queued")
    if wanted and not db.bulk(waiting.values(not_before=None), why="a new message"):
        db.add(JobRun(job=DELIVERY, started_by="alerts"))
    return len(wanted)


def send(channel: Channel, title: str, body: str) -> None:
    """Send one message now; CoreError with Apprise's own words when it did not go out."""
    if reason := http.forbidden():
        raise CoreError(f"{reason} while a message would be sent; send first, then write")
    with _apprise() as apprise, apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
        to = apprise.Apprise()
        is_sent = to.add(channel.url.get_secret_value()) and to.notify(body=body, title=title)
        words = " ".join(said.getvalue().split())
    if not is_sent:
        reason = words or "Apprise does not know its address, or the other side refused it"
        raise CoreError(f"{channel.name}: the message did not go out: {reason}")


@contextmanager
def _apprise() -> Iterator[Any]:
    """The library, imported at the first need: it takes 0.2 s, and its plugins warn of what Python will drop."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        import apprise

        yield apprise
