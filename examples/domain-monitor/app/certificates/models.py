"""The hosts whose certificates are looked at, and what each showed last."""

from datetime import datetime
from typing import Literal

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel, String, Text

from app.domains import shown_name
from core import now

State = Literal["accepted", "not accepted", "no listener", "not looked at"]
TLS_PORT = 443


class ExtraHost(SQLModel, table=True):
    """A host that a person added to a domain's own two, as in shop.acme.com or mail.acme.com:8443."""

    __tablename__ = "extra_host"

    id: int | None = Field(default=None, primary_key=True)
    domain_id: int = Field(foreign_key="domain.id", ondelete="CASCADE", index=True)
    name: str = Field(unique=True, min_length=1, max_length=260)
    added_by: str = Field(default="", max_length=120)
    added_at: datetime = Field(default_factory=now)


class Certificate(SQLModel, table=True):
    """What one host showed last. It is what anybody on the internet sees, so the audit leaves it out."""

    __table_args__ = {"info": {"audited": False}}

    id: int | None = Field(default=None, primary_key=True)
    host: str = Field(unique=True, max_length=260, description="With its port, where that is another one than 443.")
    domain_id: int = Field(foreign_key="domain.id", ondelete="CASCADE", index=True)
    state: State = Field(sa_type=String, index=True)
    checked_at: datetime
    not_before: datetime | None = None
    not_after: datetime | None = Field(default=None, index=True)
    lifetime_days: int | None = None
    issuer: str | None = Field(default=None, index=True)
    names: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    problem: str = Field(
        default="", sa_type=Text, description="Why a browser would not accept it, or who is not there."
    )


def split(host: str) -> tuple[str, int]:
    """A host's name and its port."""
    name, _, port = host.partition(":")
    return name, int(port or TLS_PORT)


def shown_host(host: str) -> str:
    """The host as people write it: in U-labels."""
    name, colon, port = host.partition(":")
    return f"{shown_name(name)}{colon}{port}"
