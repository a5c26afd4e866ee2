"""What we know of a domain. None always means that nobody told us.

What the portfolio filters and counts by has an index: its first page is to be quick at any size.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, Index, func, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlmodel import Field, SQLModel, col

from core import now


class Domain(SQLModel, table=True):
    """One name that we own, or owned: a domain is never deleted by a read, only missed."""

    __table_args__ = (Index("ix_domain_retired_at_expires_at", "retired_at", "expires_at"),)  # the portfolio's order

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=253, description="As the DNS has it: lower case, A-labels.")
    shown_name: str = Field(max_length=253, description="As people write it: münchen.de, not xn--mnchen-3ya.de.")

    source_id: int | None = Field(default=None, foreign_key="source.id", ondelete="SET NULL", index=True)
    registrar: str = Field(default="", max_length=80, index=True)
    status: str | None = Field(default=None, index=True)

    expires_at: datetime | None = Field(default=None, index=True)
    expires_is_day: bool = Field(default=False, description="Only the day is known; the time is made up.")
    registered_on: date | None = None
    auto_renew: bool | None = None
    locked: bool | None = None
    privacy: bool | None = None
    nameservers: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))

    renewal_price: Decimal | None = Field(default=None, max_digits=12, decimal_places=2)
    currency: str | None = Field(default=None, max_length=3, index=True, description="Known exactly when the price is.")

    group_id: int | None = Field(default=None, foreign_key="group.id", ondelete="SET NULL", index=True)
    group_is_typed: bool = Field(default=False, description="A person chose the group; the rules keep off.")
    group_said: str = Field(default="", max_length=160, description="Who chose it and how: typed in by ann.")
    rule_id: int | None = Field(default=None, foreign_key="rule.id", ondelete="SET NULL", index=True)

    certificates_automated: bool | None = Field(default=None, description="What a person said of this very name.")

    first_seen_at: datetime = Field(default_factory=now)
    last_seen_at: datetime | None = Field(default=None, description="When its account listed it last.")
    missing_since: datetime | None = Field(default=None, index=True, description="Since when a complete list lacks it.")
    missing_reads: int = Field(default=0, description="How many complete lists in a row lacked it.")
    retired_at: datetime | None = Field(default=None, description="Since when it counts as gone for good.")
    accounts: int = Field(default=0, index=True, description="How many accounts list it; two is one too many.")

    @property
    def is_unlisted(self) -> bool:
        """Whether no account lists it: it is missing, or came from a file or an account that is deleted."""
        return self.missing_since is not None or self.source_id is None

    @property
    def expires(self) -> datetime | date | None:
        """When it expires: a moment, a bare day where no more is known, or None."""
        return self.expires_at.date() if self.expires_at and self.expires_is_day else self.expires_at


class instr(GenericFunction[int]):
    """SQL: where a text begins in another, from 1."""

    inherit_cache = True


@compiles(instr, "postgresql")
def _strpos(element: Any, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


# SQL: what stands after a name's first label, as price lists call it: "com", "co.uk".
SUFFIX = func.substr(col(Domain.name), func.instr(col(Domain.name), literal_column("'.'")) + literal_column("1"))
