"""Groups, and the rules that put domains into them."""

from typing import Literal

from sqlmodel import Field, SQLModel, String

RuleKind = Literal["name pattern", "suffix", "registrar", "source"]


class Group(SQLModel, table=True):
    """A unit that owns domains and pays for them."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=60, min_length=1)


class Rule(SQLModel, table=True):
    """One line of the rules; the first line that fits a domain decides."""

    id: int | None = Field(default=None, primary_key=True)
    position: int = 0
    kind: RuleKind = Field(sa_type=String)
    value: str = Field(min_length=1, max_length=253)
    group_id: int = Field(foreign_key="group.id", ondelete="CASCADE", index=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
