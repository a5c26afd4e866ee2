"""The audit: who wrote what, when, from where; filled by the session itself, only ever appended to."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, insert
from sqlmodel import Field, SQLModel

from .db import Database, Session
from .time import now


class AuditEntry(SQLModel, table=True):
    """One change of one row, or one bulk statement."""

    __tablename__ = "core_audit"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True)
    actor: str = Field(index=True)
    actor_kind: str
    did: str = Field(description="The docstring of the action or job that wrote.")
    op: str
    table: str = Field(index=True)
    key: str
    before: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    after: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    request_id: str
    address: str


def watch(database: Database) -> None:
    """Record every change that a session of this database commits, in the same transaction."""
    database.before_commit = _record


def _record(session: Session) -> None:
    who = dict(vars(session.actor))
    shared = {"at": now(), "actor": who.pop("name"), "actor_kind": who.pop("kind"), **who}
    session.connection().execute(insert(AuditEntry), [shared | change._asdict() for change in session.changes])
