"""Groups, and the rules that put domains into them."""

from decimal import Decimal
from typing import Literal

from sqlmodel import Field, SQLModel, String

RuleKind = Literal["name pattern", "suffix", "registrar", "source"]


class Group(SQLModel, table=True):
    """A unit that owns domains and pays for them, or one of the purposes that a unit has them for."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=60, min_length=1)
    parent_id: int | None = Field(default=None, foreign_key="group.id", ondelete="SET NULL", index=True)
    owner: str = Field(default="", max_length=80, description="Who decides about its domains.")
    owner_mail: str = Field(default="", max_length=254)
    budget: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=2, description="A year.")
    budget_currency: str | None = Field(default=None, min_length=3, max_length=3, description="Like EUR.")


class Rule(SQLModel, table=True):
    """One line of the rules; the first line that fits a domain decides."""

    id: int | None = Field(default=None, primary_key=True)
    position: int = 0
    kind: RuleKind = Field(sa_type=String)
    value: str = Field(min_length=1, max_length=253)
    group_id: int = Field(foreign_key="group.id", ondelete="CASCADE", index=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
