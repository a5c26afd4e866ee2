"""Notifications: channels that Apprise speaks to, and an outbox whose delivery is a job that is tried again."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Field, SQLModel, col

from . import http
from .crypto import Encrypted
from .db import Session
from .errors import CoreError
from .jobs import JobRun
from .time import now

DELIVERY = "core.deliver"  # the built-in job that empties the outbox


class Channel(SQLModel, table=True):
    """One place that messages go to."""

    __tablename__ = "core_channel"
    __table_args__ = {"info": {"audited": True}}

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, min_length=1, max_length=80)
    url: Any = Field(sa_type=Encrypted, description="As Apprise writes it: mailtos://…, slack://…, json://….")
    only_critical: bool = Field(default=False, description="Leave out what is not critical.")
    is_active: bool = Field(default=True, description="Messages go there.")


class Message(SQLModel, table=True):
    """One message for one channel; sent, or still to be sent."""

    __tablename__ = "core_message"

    id: int | None = Field(default=None, primary_key=True)
    channel_id: int = Field(foreign_key="core_channel.id", ondelete="CASCADE", index=True)
    title: str
    body: str
    created_at: datetime = Field(default_factory=now)
    sent_at: datetime | None = Field(default=None, index=True)
    tries: int = 0
    error: str = ""


def put(db: Session, title: str, body: str, *, is_critical: bool = False) -> int:
    """Leave a message for every active channel that takes it, and have it delivered; how many take it."""
    wanted = select(col(Channel.id)).where(col(Channel.is_active))
    channels = db.execute(wanted if is_critical else wanted.where(~col(Channel.only_critical))).scalars().all()
    db.add_all(Message(channel_id=id or 0, title=title, body=body) for id in channels)
    waiting = update(JobRun).where(col(JobRun.job) == DELIVERY, col(JobRun.state) == "queued")
    if channels and not db.bulk(waiting.values(not_before=None), why="a new message"):
        db.add(JobRun(job=DELIVERY, started_by="alerts"))
    return len(channels)


def fits(url: str) -> bool:
    """Whether Apprise can read an address."""
    with _apprise() as apprise:
        return apprise.Apprise.instantiate(url) is not None


def send(url: str, title: str, body: str) -> None:
    """Send one message now; CoreError with Apprise's own words when it did not go out."""
    if reason := http.forbidden():
        raise CoreError(f"{reason} while a message would be sent; send first, then write")
    with _apprise() as apprise, apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
        to = apprise.Apprise()
        is_sent = to.add(url) and to.notify(body=body, title=title)
        words = " ".join(said.getvalue().split())
    if not is_sent:
        raise CoreError(f"the message did not go out: {words or 'its channel refused it'}")


@contextmanager
def _apprise() -> Iterator[Any]:
    """The library, imported at the first need: it takes 0.2 s, and its plugins warn of what Python will drop."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        import apprise

        yield apprise
