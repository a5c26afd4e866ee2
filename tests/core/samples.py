"""Sample tables, jobs and ways to run things at once, for the tests of core."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from sqlalchemy import Column, MetaData, Numeric, UniqueConstraint
from sqlmodel import Field, SQLModel

from core import Encrypted

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Sample(SQLModel):
    """The tables of the tests, apart from those of core and of the app."""

    metadata: ClassVar[MetaData] = MetaData()


class Item(Sample, table=True):
    """A row with a column of each kind that an upsert compares."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    note: str = "nothing yet"
    count: int = Field(default_factory=lambda: 7)
    price: Decimal | None = Field(default=None, sa_column=Column(Numeric(10, 2)))
    seen_at: datetime | None = None
    is_on: bool = False
    api_key: str = ""
    login: Any = Field(default=None, sa_column=Column("credentials", Encrypted))


class Place(Sample, table=True):
    """A row whose key has two columns."""

    __table_args__ = (UniqueConstraint("city", "street"),)

    id: int | None = Field(default=None, primary_key=True)
    city: str
    street: str
    people: int


class Counter(Sample, table=True):
    """One number to count up."""

    id: int = Field(primary_key=True)
    value: int = 0


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Call functions in threads of their own, at once; what they return."""
    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(60) for future in [pool.submit(function) for function in functions]]


class Worker(Protocol):
    """A thread or a process."""

    def start(self) -> object:
        """Begin."""

    def join(self, timeout: float | None = None) -> object:
        """Wait for the end."""


def start(workers: Sequence[Worker]) -> None:
    """Start threads or processes."""
    for worker in workers:
        worker.start()


def join(workers: Sequence[Worker]) -> None:
    """Wait until threads or processes have ended."""
    for worker in workers:
        worker.join(60)
