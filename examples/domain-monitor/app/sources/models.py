"""The registrar accounts that are read, and the files that wait to be imported."""

from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import and_
from sqlalchemy.orm import defer
from sqlmodel import Field, SQLModel, String, Text, UniqueConstraint, col, select

from app.domains import Domain
from core import Encrypted, Session, now

What = Literal[
    "new", "back", "moved", "renewed", "expires earlier", "auto-renew on", "auto-renew off", "locked", "unlocked",
    "missing", "retired",
]  # fmt: skip
State = Literal["never read", "complete", "incomplete", "failed"]
STALE_AFTER = timedelta(hours=36)  # a daily read, and half a day of grace


class Source(SQLModel, table=True):
    """One account at one registrar."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, min_length=1, max_length=60, description="What you call the account.")
    kind: str
    credentials: dict[str, Any] = Field(default_factory=dict, sa_type=Encrypted)
    base_url: str = Field(default="", max_length=200, description="Only for a server that stands in for the registrar.")
    is_enabled: bool = Field(default=True, description="Read it every day.")

    state: State = Field(default="never read", sa_type=String)
    tried_at: datetime | None = None
    complete_at: datetime | None = Field(default=None, description="When its whole list was read last.")
    notes: str = Field(default="", sa_type=Text, description="Why the last read was not complete, or what it remarked.")

    def trouble(self, at: datetime) -> str:
        """Why its domains may be out of date, in one sentence; "" when all is well."""
        if not self.is_enabled or self.state == "never read":
            return ""
        since = (
            f"not read to the end since {self.complete_at:%Y-%m-%d}" if self.complete_at else "never read to the end"
        )
        if self.state != "complete":
            return f"{self.name}: {since}, because {self.notes}"
        is_stale = self.complete_at is not None and at - self.complete_at > STALE_AFTER
        return f"{self.name}: {since}; look whether the job read_sources runs." if is_stale else ""


def troubles(db: Session, at: datetime) -> list[str]:
    """What is wrong with the sources in use, a sentence for each that is not well."""
    in_use = select(Source).where(Source.is_enabled).order_by(Source.name).options(defer(Source.credentials))  # type: ignore[arg-type]
    return [said for source in db.exec(in_use) if (said := source.trouble(at))]


def is_left_alone() -> Any:
    """SQL: whether a domain's account is switched off, so that nobody on the internet is asked about it."""
    off = select(Source.id).where(~col(Source.is_enabled))
    return and_(col(Domain.source_id).is_not(None), col(Domain.source_id).in_(off))


class Upload(SQLModel, table=True):
    """A file between its dry run and its import; its text stays out of the audit."""

    __table_args__ = {"info": {"audited": False}}

    id: int | None = Field(default=None, primary_key=True)
    text: str = Field(sa_type=Text)
    uploaded_by: str
    uploaded_at: datetime = Field(default_factory=now)


class Listed(SQLModel, table=True):
    """That an account lists a name; when two do, the name is in both."""

    __table_args__ = (UniqueConstraint("domain_id", "source_id"), {"info": {"audited": False}})

    id: int | None = Field(default=None, primary_key=True)
    domain_id: int = Field(foreign_key="domain.id", ondelete="CASCADE")
    source_id: int = Field(foreign_key="source.id", ondelete="CASCADE", index=True)
    seen_at: datetime


class Change(SQLModel, table=True):
    """What a read found changed about one name; it says so in words that stay when account or name are gone."""

    __table_args__ = {"info": {"audited": False}}

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True, description="When the read began.")
    source: str = Field(max_length=60, index=True)
    name: str = Field(max_length=253, index=True)
    what: What = Field(sa_type=String, index=True)
    before: str = Field(default="", max_length=120)
    after: str = Field(default="", max_length=120)
