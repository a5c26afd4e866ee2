"""What people say about the work: how long it takes, and where nobody has to do it."""

from decimal import Decimal

from sqlmodel import Field, SQLModel, String

from core import Session

from .phases import RenewAt


class Assumptions(SQLModel, table=True):
    """What the numbers are worked out with; one row, and these defaults until somebody saves it."""

    id: int | None = Field(default=1, primary_key=True)
    certificates_per_domain: Decimal = Field(
        default=Decimal(1),
        ge=0,
        le=1000,
        max_digits=6,
        decimal_places=2,
        description="On average; 0.5 when every other domain serves nothing.",
    )
    renew_at: RenewAt = Field(default="at two thirds of the lifetime", sa_type=String)
    minutes_per_certificate: Decimal = Field(
        default=Decimal(30),
        ge=0,
        le=10_000,
        max_digits=7,
        decimal_places=1,
        description="To order, install and check one by hand.",
    )
    minutes_per_validation: Decimal = Field(
        default=Decimal(10),
        ge=0,
        le=10_000,
        max_digits=7,
        decimal_places=1,
        description="To prove by hand that a domain is ours: a DNS record, a file, a mail.",
    )
    hourly_rate: Decimal = Field(default=Decimal(60), ge=0, le=100_000, max_digits=8, decimal_places=2)
    currency: str = Field(default="EUR", regex="^[A-Z]{3}$", max_length=3, description="Of the hourly rate, like EUR.")


class AutomatedShare(SQLModel, table=True):
    """How much of a group is automated, by somebody's estimate, among the domains nobody said more about."""

    group_id: int = Field(primary_key=True, foreign_key="group.id", ondelete="CASCADE")
    percent: int = Field(default=0, ge=0, le=100, description="0 when all is done by hand.")


class AutomatedRule(SQLModel, table=True):
    """Whether the certificates of all domains that a rule places are automated, those to come as well."""

    rule_id: int = Field(primary_key=True, foreign_key="rule.id", ondelete="CASCADE")
    automated: bool


def assumptions(db: Session) -> Assumptions:
    """What somebody saved, or the defaults."""
    return db.get(Assumptions, 1) or Assumptions()
