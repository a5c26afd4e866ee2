"""Prices that people know, exchange rates, and the currency that costs are told in."""

from datetime import date
from decimal import Decimal

from sqlmodel import Field, SQLModel, UniqueConstraint

ALWAYS = date(1970, 1, 1)
EURO = "EUR"


class TypedPrice(SQLModel, table=True):
    """What a person says that the renewal of one domain costs; it beats every other price."""

    domain_id: int | None = Field(default=None, foreign_key="domain.id", ondelete="CASCADE", primary_key=True)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)
    currency: str = Field(min_length=3, max_length=3, description="Like EUR.")
    years: int = Field(default=1, ge=1, le=10, description="How many years one renewal pays for.")
    said: str = Field(default="", max_length=160, description="Who said so: typed in by ann.")


class ListPrice(SQLModel, table=True):
    """What a registrar charges for renewing a name with a suffix, from a day on."""

    __table_args__ = (UniqueConstraint("registrar", "suffix", "since"),)

    id: int | None = Field(default=None, primary_key=True)
    registrar: str = Field(min_length=1, max_length=80)
    suffix: str = Field(min_length=1, max_length=100, description="Like de or co.uk.")
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)
    currency: str = Field(min_length=3, max_length=3, description="Like EUR.")
    years: int = Field(default=1, ge=1, le=10, description="How many years one renewal pays for.")
    since: date = Field(default=ALWAYS, description="The first day of this price; empty when it always held.")


class Rate(SQLModel, table=True):
    """How much of a currency one euro buys, on a day of the European Central Bank."""

    __table_args__ = ({"info": {"audited": False}},)

    day: date = Field(primary_key=True)
    currency: str = Field(primary_key=True, max_length=3)
    per_euro: Decimal = Field(max_digits=14, decimal_places=6)


class Reporting(SQLModel, table=True):
    """The one currency that sums are told in."""

    id: int = Field(default=1, primary_key=True)
    currency: str = Field(default=EURO, min_length=3, max_length=3, description="Like EUR.")
