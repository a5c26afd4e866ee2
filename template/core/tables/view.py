"""What `Table.load` hands to the template: everything fetched and counted; the template writes the links."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from ..db import Session
from ..marks import Role
from .declare import Cell, Column, Deed, Row, fill, word
from .query import MOST_CHOICES, NONE, SOME, Source, choices
from .state import Link, Pairs, UrlState


@dataclass(slots=True)
class RowView:
    """One row: its link, its cells, its key, and where its own buttons lead."""

    href: str
    cells: list[Cell]
    key: str
    row: Row
    urls: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Filter:
    """A column that can be filtered, and the values there are to choose."""

    column: Column
    kind: str
    known: list[str]


@dataclass
class TableView:
    """One state of a table: `total` counts all rows, `matching` those that are left; no deed until `allow` is told."""

    source: Source
    state: UrlState
    conditions: list[Any]
    shown: list[Column]
    rows: list[RowView]
    total: int
    matching: int
    page: int
    size: int
    sizes: list[int]
    filters: list[Filter]
    chips: list[Link]
    empty: str
    offered: tuple[list[Deed], list[Deed]]
    bulk: list[Deed] = field(default_factory=list)
    actions: list[Deed] = field(default_factory=list)
    id: str = "table"

    def __post_init__(self) -> None:
        self.sorting, self.columns = self.source.sorting(self.state), self.source.columns
        self.pages = max(1, ceil(self.matching / self.size))

    @property
    def kept(self) -> Pairs:
        """What the URL says beside search, filters and page."""
        names = [f"{f.column.name}{end}" for f in self.filters for end in ("", ".has", ".from", ".to")]
        return self.state.without("q", "match", "page", "format", "table", *names)

    def allow(self, may: Callable[[Role], bool]) -> None:
        """Offer the deeds that somebody with these rights may do."""
        self.bulk, self.actions = ([deed for deed in deeds if may(deed.role)] for deeds in self.offered)
        for row in self.rows if self.actions else ():
            row.urls = [fill(deed.path, row.row) for deed in self.actions]


def filter_of(column: Column, db: Session, state: UrlState) -> Filter:
    """One column's filter; more choices than people read become a text to contain."""
    kind: str = column.kind
    known = list(map(word, db.execute(choices(column)).scalars())) if kind == "choice" else []
    if len(known) > MOST_CHOICES:
        known, kind = [], "text"
    # What is chosen stays to be chosen, though no row has it.
    values = dict.fromkeys([*(("yes", "no") if kind == "flag" else known), *state.all(column.name)])
    return Filter(column, kind, [value for value in values if value not in ("", NONE, SOME, "any")])
