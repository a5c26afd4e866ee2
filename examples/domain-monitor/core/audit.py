"""The audit: who wrote what, when, from where; filled by every session at its commit, only ever appended to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import JSON, Column, Connection, insert
from sqlmodel import Field, SQLModel

from .time import now


@dataclass(frozen=True)
class Actor:
    """Who is writing: a person, a token, a job, the command line."""

    name: str
    kind: str = "system"
    request_id: str = ""
    address: str = ""
    did: str = ""


class Change(NamedTuple):
    """One row that was created, updated or deleted, or one bulk statement."""

    op: str
    table: str
    key: str
    before: dict[str, Any]
    after: dict[str, Any]


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


def record(connect: Callable[[], Connection], actor: Actor, changes: Sequence[Change]) -> None:
    """Write down what somebody changed, in the transaction that changes it."""
    if changes:
        who = dict(vars(actor))
        shared = {"at": now(), "actor": who.pop("name"), "actor_kind": who.pop("kind"), **who}
        connect().execute(insert(AuditEntry), [shared | change._asdict() for change in changes])
