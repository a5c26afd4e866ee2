"""What the registries said of our domains, what somebody typed in where they say nothing, and who is busy."""

from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel, String, Text, col, select

from app.domains import Domain
from core import now

from .lifecycle import Phase

State = Literal["answered", "not there", "refused", "no rdap"]


class RegistryRecord(SQLModel, table=True):
    """What the registry of one domain said last. It is a copy of public data, so the audit leaves it out."""

    __tablename__ = "registry_record"
    __table_args__ = {"info": {"audited": False}}

    id: int | None = Field(default=None, primary_key=True)
    domain_id: int = Field(foreign_key="domain.id", ondelete="CASCADE", unique=True)
    state: State = Field(sa_type=String, index=True)
    asked_at: datetime | None = None
    answered_at: datetime | None = Field(default=None, description="When it last said what stands below.")
    problem: str = Field(default="", sa_type=Text, description="Why it said nothing, the last time.")
    registrar_said: datetime | None = Field(default=None, description="The registrar's date when this was asked.")

    expires_at: datetime | None = None
    zone_assumed: bool = False
    registered_at: datetime | None = None
    changed_at: datetime | None = None
    registrar: str | None = None
    registrar_iana_id: int | None = None
    status: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    status_since: datetime | None = Field(default=None, description="When it first said this status.")
    nameservers: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    dnssec: bool | None = None

    phase: Phase = Field(default="unknown", sa_type=String)
    deadline_on: date | None = Field(default=None, index=True, description="By when somebody has to act.")


class TypedDate(SQLModel, table=True):
    """An expiry that a person typed in, for a name of which neither registrar nor registry tells one."""

    __tablename__ = "typed_date"

    id: int | None = Field(default=None, primary_key=True)
    domain_id: int = Field(foreign_key="domain.id", ondelete="CASCADE", unique=True)
    expires_on: date
    reason: str = Field(min_length=1, max_length=300)
    owner: str = Field(min_length=1, max_length=120)
    typed_by: str = Field(default="", max_length=120)
    typed_at: datetime = Field(default_factory=now)


class RegistryServer(SQLModel, table=True):
    """A server that was busy or out of reach, and until when it is left alone."""

    __tablename__ = "registry_server"
    __table_args__ = {"info": {"audited": False}}

    host: str = Field(primary_key=True, max_length=255)
    failures: int = 0
    paused_until: datetime
    problem: str = Field(default="", sa_type=Text)


class BootstrapCopy(SQLModel, table=True):
    """IANA's list of servers as it was fetched last; one row."""

    __tablename__ = "rdap_bootstrap"
    __table_args__ = {"info": {"audited": False}}

    id: int = Field(default=1, primary_key=True)
    text: str = Field(sa_type=Text)
    etag: str = ""
    fetched_at: datetime


def of_domain(column: Any) -> Any:
    """SQL: a column of the domain's record, to be shown and sorted in a table of domains."""
    return select(column).where(col(RegistryRecord.domain_id) == col(Domain.id)).correlate(Domain).scalar_subquery()


DEADLINE = of_domain(RegistryRecord.deadline_on)
PHASE = of_domain(RegistryRecord.phase)
