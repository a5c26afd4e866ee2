"""Sample tables, jobs and ways to run things at once, for the tests of core."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from sqlalchemy import Column, MetaData, Numeric, UniqueConstraint
from sqlmodel import Field, Relationship, SQLModel

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


class Tagged(Sample, table=True):
    """Which tag belongs to which note: a table between two others."""

    note_id: int = Field(primary_key=True, foreign_key="note.id")
    tag_id: int = Field(primary_key=True, foreign_key="tag.id")


class Tag(Sample, table=True):
    """A row that many notes may be linked with."""

    id: int | None = Field(default=None, primary_key=True)
    name: str


class Note(Sample, table=True):
    """A row that may be linked with many tags."""

    id: int | None = Field(default=None, primary_key=True)
    text: str
    tags: list[Tag] = Relationship(link_model=Tagged)


class Counter(Sample, table=True):
    """One number to count up."""

    id: int = Field(primary_key=True)
    value: int = 0


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond a page of SQLite."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


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


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Until a condition holds; an AssertionError when it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)
