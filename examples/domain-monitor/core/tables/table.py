"""A Table: declared once from columns and deeds; `load` answers one URL, `picked` one form."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from sqlmodel import SQLModel
from starlette.datastructures import FormData

from ..db import Session
from ..errors import DeclarationError, Refused
from ..marks import Role, declared_here
from ..security import local
from .declare import BRACES, MOST_CHOICES, Cell, Column, Deed, Row, fill, word
from .query import ENDS, NONE, SOME, Pairs, Source, UrlState

PAGE_SIZES = (25, 50, 100, 250)
SAMPLE = 5
_PICKS = ("key", "only", "all", "back")


@dataclass(slots=True)
class RowView:
    """One row: its link, its cells, its key, and where its own buttons lead."""

    href: str
    cells: list[Cell]
    key: str
    row: Row
    urls: list[str] = field(default_factory=list)


@dataclass
class TableView:
    """One state of a table: `total` counts all rows, `matching` those that are left; no deed until `allow` is told."""

    table: "Table"
    state: UrlState
    conditions: list[Any]
    chips: list[Cell]
    shown: list[Column]
    filters: list[dict[str, Any]]
    total: int
    matching: int
    size: int
    rows: list[RowView] = field(default_factory=list)
    bulk: list[Deed] = field(default_factory=list)
    actions: list[Deed] = field(default_factory=list)
    id: str = "table"

    def __post_init__(self) -> None:
        self.source, self.empty = self.table.source, self.table.empty
        self.sorting, self.columns = self.source.sorting(self.state), self.source.columns
        self.sizes = sorted({*PAGE_SIZES, self.table.size})
        self.pages = max(1, ceil(self.matching / self.size))
        self.page = min(self.state.number("page", 1), self.pages)

    @property
    def kept(self) -> Pairs:
        """What the URL says beside search, filters and page."""
        names = [f"{f['column'].name}{end}" for f in self.filters for end in ("", ".has", ".from", ".to")]
        return self.state.without("q", "match", "page", "format", "table", *names)

    def allow(self, may: Callable[[Role], bool]) -> None:
        """Offer the deeds that somebody with these rights may do."""
        self.bulk, self.actions = ([deed for deed in deeds if may(deed.role)] for deeds in self.table.offered)
        for row in self.rows if self.actions else ():
            row.urls = [fill(deed.path, row.row) for deed in self.actions]


@dataclass(frozen=True)
class Picked:
    """The rows that somebody picked; until `is_confirmed`, answer with View("core/confirm.html", picked=picked)."""

    where: list[Any]
    count: int
    back: str
    is_confirmed: bool
    sample: list[str]
    chips: list[Cell]
    hidden: Pairs


class Table:
    """A list of rows, declared once; `load` answers one URL."""

    def __init__(
        self,
        model: type[SQLModel],
        *columns: Column,
        sort: Any = None,  # an attribute, or names: "group,-price"
        link: str = "",  # of a row, with columns or key in braces: "/domains/{id}"
        joins: Sequence[type[SQLModel]] = (),  # reached by a foreign key
        size: int = 50,
        empty: str = "Rows appear here as soon as there are some.",
        bulk: Sequence[Callable[..., Any]] = (),  # actions for picked rows
        actions: Sequence[Callable[..., Any]] = (),  # for one row: a path with braces, or an action for picked ones
    ) -> None:
        self.link, self.size, self.empty = link, size, empty
        self.offered = [Deed.of(f) for f in bulk], [Deed.of(f) for f in actions]
        if not isinstance(sort, str | None):
            sort = next((c.name for c in columns if c.expression is sort), str(getattr(sort, "key", sort)))
        self.source = Source(model, columns, joins, sort or (columns[0].name if columns else ""))
        for what in self._wrong():
            raise DeclarationError(f"{declared_here()}: Table({model.__name__}) {what}.")

    def _wrong(self) -> Iterator[str]:
        columns, names = self.source.columns, self.source.by_name
        if not columns:
            yield f"shows nothing; add a Column({self.source.model.__name__}.…)"
        if twice := [c.name for c in columns if names[c.name] is not c]:
            yield f"has two columns named {twice[0]!r}; give one of them a name="
        if unknown := [name for name in self.source.sort.split(",") if name.removeprefix("-") not in names]:
            yield f"sorts by {unknown[0]!r}, which is none of its columns: {', '.join(names)}"
        if many := [deed.path for deed in self.offered[0] if BRACES.search(deed.path)]:
            yield f"acts on many rows at {many[0]!r}; take the braces out of that path"
        known = {*names, *(key.key for key in self.source.primary)}
        for path in [self.link, *(deed.path for deed in self.offered[1])]:
            if (path and not path.startswith("/")) or not known.issuperset(BRACES.findall(path)):
                yield f"links to {path!r}; write a path with columns or the key in braces: '/domains/{{id}}'"

    def load(self, db: Session, state: UrlState, *, where: Sequence[Any] = ()) -> TableView:
        """The rows that a URL asks for, ready to render; `where` narrows what the table is about."""
        source, (narrows, chips) = self.source, self.source.narrow(db, state)
        conditions = [*where, *narrows]
        size = asked if (asked := state.number("size", self.size)) in PAGE_SIZES else self.size
        total = db.execute(source.count(where)).scalar_one()
        matching = db.execute(source.count(conditions)).scalar_one() if narrows else total
        shown, filters = self._shown(state), [_filter(column, db, state) for column in source.columns if column.filter]
        view = TableView(self, state, conditions, chips, shown, filters, total, matching, size)
        ordered = source.keys(conditions).order_by(*source.order(state))
        keys = [tuple(key) for key in db.execute(ordered.limit(size).offset((view.page - 1) * size))]
        view.rows = [
            RowView(fill(self.link, row), [c.cell(row[c.name], row) for c in shown], source.key_text(row), row)
            for row in source.rows(db, keys)
        ]
        return view

    def picked(self, db: Session, data: FormData, *, where: Sequence[Any] = ()) -> Picked:
        """The rows that a form is about: those that were ticked, or all that the table's URL narrows to."""
        source, back, chips = self.source, self.back(data), list[Cell]()
        if data.get("all") and not data.get("only"):
            path, _, query = back.partition("?")
            conditions, chips = source.narrow(db, state := UrlState(path, query))
            chips = [*([Cell(f"search for {q}")] if (q := state.get("q")) else []), *chips]
        else:
            keys = []
            for text in data.getlist("only") or data.getlist("key"):
                with suppress(ValueError):  # no row of ours has that
                    keys.append(source.parse_key(str(text)))
            conditions = [source.has(keys)]
        conditions = [*where, *conditions]
        own = [source.has(source.keys(conditions))] if conditions else []
        count = db.execute(source.count(own)).scalar_one()
        if not count:
            raise Refused(409, "No row is picked, or those that were are gone. Go back and pick some.")
        sample = db.execute(source.keys(own).with_only_columns(source.columns[0].expression).limit(SAMPLE)).scalars()
        hidden = [(name, value) for name, value in data.multi_items() if name in _PICKS and isinstance(value, str)]
        return Picked(own, count, back, "confirmed" in data, [str(x) for x in sample], chips, hidden)

    def back(self, data: FormData, default: str = "/") -> str:
        """Where a form of this table came from, with its filters; for an action's Go."""
        sent = data.get("back")
        return local(sent) if isinstance(sent, str) and sent else default

    def _shown(self, state: UrlState) -> list[Column]:
        """The columns that the URL picks, in its order, or the usual ones; the first stays, for it heads the row."""
        able = {column.name: column for column in self.source.columns if not column.hidden}
        names = ",".join(state.params.getlist("cols")).split(",")
        shown = [able[name] for name in names if name in able] or [c for c in able.values() if not c.optional]
        return list(dict.fromkeys([*able.values()][:1] + shown))


def _filter(column: Column, db: Session, state: UrlState) -> dict[str, Any]:
    """One column's filter, its values from its own table alone; more than people read become a text to contain."""
    kind, known = str(column.kind), ["yes", "no"] if column.kind == "flag" else []
    if kind == "choice":
        known = list(map(word, db.execute(column.choices).scalars()))
    if len(known) > MOST_CHOICES:
        kind, known = "text", []
    chosen = state.all(column.name)  # it stays to choose, though no row has it
    known = [value for value in dict.fromkeys([*known, *chosen]) if value not in ("", NONE, SOME)]
    ends = {end: state.get(f"{column.name}.{end}") for end in ENDS[column.kind]}
    return {"column": column, "kind": kind, "known": known, "chosen": chosen, "ends": ends}
