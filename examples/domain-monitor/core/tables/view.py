"""What `Table.load` hands to the template: everything prepared, so that one loop renders it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from ..db import Session
from . import query
from .declare import PAGE_SIZES, Cell, Column, Table, word
from .state import Pairs, UrlState


@dataclass(slots=True)
class RowView:
    """One row: its link and its cells."""

    href: str
    cells: list[Cell]


@dataclass(frozen=True)
class Head:
    """One column's head; `href` sorts by it."""

    name: str
    label: str
    href: str
    sorted: str
    numeric: bool


@dataclass(frozen=True)
class Chip:
    """A filter that is on, in words; `href` takes it off."""

    text: str
    href: str


@dataclass(frozen=True)
class Option:
    """A value to choose in a filter."""

    value: str
    label: str
    selected: bool


@dataclass(frozen=True)
class Filter:
    """One filter's inputs."""

    name: str
    label: str
    kind: str
    value: str = ""
    low: str = ""
    high: str = ""
    options: list[Option] = field(default_factory=list)


@dataclass(frozen=True)
class SizeLink:
    """A page size to choose."""

    label: str
    href: str
    active: bool


@dataclass
class TableView:
    """One state of a table. `total` counts all its rows, `matching` those that search and filters leave."""

    path: str
    heads: list[Head]
    rows: list[RowView]
    total: int
    matching: int
    page: int
    size: int
    q: str
    searchable: bool
    filters: list[Filter]
    chips: list[Chip]
    sizes: list[SizeLink]
    prev_href: str
    next_href: str
    clear_href: str
    hidden: Pairs
    empty: str
    id: str = "table"

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, ceil(self.matching / self.size))

    @property
    def first(self) -> int:
        """The number of the first row shown, counted from 1; 0 when there is none."""
        return (self.page - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return (self.page - 1) * self.size + len(self.rows)


def view(table: Table, db: Session, state: UrlState, where: Sequence[Any]) -> TableView:
    """Answer one URL: count, fetch one page as columns, prepare cells and links."""
    narrowing = query.narrow(table, state, is_sqlite=db.get_bind().dialect.name == "sqlite")
    conditions = [*where, *narrowing.conditions]
    sizes = sorted({*PAGE_SIZES, table.size})
    size = state.number("size", table.size)
    size = size if size in sizes else table.size
    total = db.execute(query.count(table, where)).scalar_one()
    matching = db.execute(query.count(table, conditions)).scalar_one() if narrowing.conditions else total
    page = min(state.number("page", 1), max(1, ceil(matching / size)))
    found: Iterable[Any] = db.execute(query.rows(table, state, conditions, size=size, page=page)).mappings()
    shown = [column for column in table.columns if not column.hidden]
    rows = [RowView(table.href(row), [column.cell(row[column.name], row) for column in shown]) for row in found]
    filters = [_filter(column, db, state) for column in table.columns if column.filter]
    own = ["q", "page", *(f"{f.name}{end}" for f in filters for end in ("", ".has", ".from", ".to"))]
    kept = state.without(*own)
    return TableView(
        path=state.path,
        heads=[_head(column, state, query.sorting(table, state).split(",")[0]) for column in shown],
        rows=rows,
        total=total,
        matching=matching,
        page=page,
        size=size,
        q=state.get("q"),
        searchable=any(column.search for column in table.columns),
        filters=filters,
        chips=[Chip(text, href) for text, href in narrowing.chips],
        sizes=[SizeLink(str(n), state.with_(size=str(n)), n == size) for n in sizes],
        prev_href=state.with_(page=str(page - 1)) if page > 1 else "",
        next_href=state.with_(page=str(page + 1)) if page * size < matching else "",
        clear_href=state.url(kept),
        hidden=kept,
        empty=table.empty,
    )


def _head(column: Column, state: UrlState, first: str) -> Head:
    is_first = first.removeprefix("-") == column.name
    direction = "" if not is_first else "desc" if first.startswith("-") else "asc"
    turned = f"-{column.name}" if direction == "asc" else column.name
    return Head(
        column.name,
        column.label,
        state.with_(sort=turned) if column.sort else "",
        direction,
        column.is_numeric,
    )


def _filter(column: Column, db: Session, state: UrlState) -> Filter:
    if column.kind == "text":
        return Filter(column.name, column.label, "text", value=state.get(f"{column.name}.has"))
    if column.kind in ("number", "date"):
        low, high = state.get(f"{column.name}.from"), state.get(f"{column.name}.to")
        return Filter(column.name, column.label, column.kind, low=low, high=high)
    chosen = state.all(column.name)
    known = ("yes", "no") if column.kind == "flag" else map(word, db.execute(query.choices(column)).scalars())
    values = dict.fromkeys([*known, *chosen])  # what is chosen stays chosen, though no row has it
    own = {"", query.NONE, "any"} if column.kind == "flag" else {"", query.NONE}
    options = [Option("", "any", not chosen), *(Option(v, v, v in chosen) for v in values if v not in own)]
    options.append(Option(query.NONE, column.empty, query.NONE in chosen))
    return Filter(column.name, column.label, column.kind, value=chosen[0] if chosen else "", options=options)
