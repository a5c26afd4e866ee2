"""A Table: declared once from columns and deeds; `load` answers one URL, `picked` one form."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any

from sqlmodel import SQLModel
from starlette.datastructures import FormData

from ..db import Session
from ..errors import DeclarationError, Refused
from ..marks import declared_here
from ..security import local
from .declare import BRACES, Column, Deed, fill
from .query import Source
from .state import Link, Pairs, UrlState
from .view import RowView, TableView, filter_of

PAGE_SIZES = (25, 50, 100, 250)
SAMPLE = 5
_PICKS = ("key", "only", "all", "back")


@dataclass(frozen=True)
class Picked:
    """The rows that somebody picked: `where` for a statement about them, how many, and the way `back`.

    Until `is_confirmed`, answer with View("core/confirm.html", picked=picked), which asks and comes again.
    """

    where: list[Any]
    count: int
    back: str
    is_confirmed: bool
    sample: list[str]
    chips: list[Link]
    hidden: Pairs


class Table:
    """A list of rows, declared once; `load` answers one URL.

    `joins` are models reached by a foreign key (left joins); `sort` is one attribute or several names
    ("-expires_at"); `link` is the URL of a row, with columns or key in braces: "/domains/{id}". `bulk` are
    actions for picked rows, `actions` for one row: a path with braces, or an action that takes picked ones.
    """

    def __init__(
        self,
        model: type[SQLModel],
        *columns: Column,
        sort: Any = None,
        link: str = "",
        joins: Sequence[type[SQLModel]] = (),
        size: int = 50,
        empty: str = "Rows appear here as soon as there are some.",
        bulk: Sequence[Callable[..., Any]] = (),
        actions: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.link, self.size, self.empty = link, size, empty
        self.offered = [Deed.of(f) for f in bulk], [Deed.of(f) for f in actions]
        self.source = Source(model, columns, tuple(joins), _default_sort(sort, columns))
        if not columns:
            raise self._wrong(f"shows nothing; add a Column({model.__name__}.…)")
        names = self.source.by_name
        if twice := [c.name for c in columns if names[c.name] is not c]:
            raise self._wrong(f"has two columns named {twice[0]!r}; give one of them a name=")
        if unknown := [name for name in self.source.sort.split(",") if name.removeprefix("-") not in names]:
            raise self._wrong(f"sorts by {unknown[0]!r}, which is none of its columns: {', '.join(names)}")
        if many := [deed.path for deed in self.offered[0] if BRACES.search(deed.path)]:
            raise self._wrong(f"acts on many rows at {many[0]!r}; take the braces out of that path")
        known = {*names, *(key.key for key in self.source.primary)}
        for path in [link, *(deed.path for deed in self.offered[1])]:
            if (path and not path.startswith("/")) or not known.issuperset(BRACES.findall(path)):
                raise self._wrong(
                    f"links to {path!r}; write a path with columns or the key in braces: '/domains/{{id}}'"
                )

    def load(self, db: Session, state: UrlState, *, where: Sequence[Any] = ()) -> TableView:
        """The rows that a URL asks for, ready to render; `where` narrows what the table is about."""
        source, (narrows, chips) = self.source, self.source.narrow(db, state)
        conditions = [*where, *narrows]
        sizes = sorted({*PAGE_SIZES, self.size})
        size = asked if (asked := state.number("size", self.size)) in sizes else self.size
        total = db.execute(source.count(where)).scalar_one()
        matching = db.execute(source.count(conditions)).scalar_one() if narrows else total
        page = min(state.number("page", 1), max(1, ceil(matching / size)))
        order = source.order(state)
        keys = source.keys(conditions).order_by(*order).limit(size).offset((page - 1) * size)
        shown = self._shown(state)
        rows = [
            RowView(fill(self.link, row), [c.cell(row[c.name], row) for c in shown], source.key_text(row), row)
            for row in db.execute(source.rows(keys).order_by(*order)).mappings()
        ]
        filters = [filter_of(column, db, state) for column in source.columns if column.filter]
        return TableView(
            source, state, conditions, shown, rows, total, matching, page, size, sizes, filters,
            chips=chips, empty=self.empty, offered=self.offered,
        )  # fmt: skip

    def picked(self, db: Session, data: FormData, *, where: Sequence[Any] = ()) -> Picked:
        """The rows that a form is about: those that were ticked, or all that the table's URL narrows to."""
        back = self.back(data)
        path, _, query = back.partition("?")
        conditions, chips = [self.source.has(self._keys(data))], list[Link]()
        if data.get("all") and not data.get("only"):
            state = UrlState(path, query)
            conditions, chips = self.source.narrow(db, state)
            chips = [*([Link(f"search for {q}")] if (q := state.get("q")) else []), *chips]
        conditions = [*where, *conditions]
        own = [self.source.has(self.source.keys(conditions))] if conditions else []
        count = db.execute(self.source.count(own)).scalar_one()
        if not count:
            raise Refused(409, "No row is picked, or those that were are gone. Go back and pick some.")
        first = self.source.columns[0].expression
        sample = db.execute(self.source.keys(own).with_only_columns(first).limit(SAMPLE)).scalars()
        hidden = [(name, value) for name, value in data.multi_items() if name in _PICKS and isinstance(value, str)]
        return Picked(own, count, back, "confirmed" in data, [str(x) for x in sample], chips, hidden)

    def back(self, data: FormData, default: str = "/") -> str:
        """Where a form of this table came from, with its filters; for an action's Go."""
        sent = data.get("back")
        return local(sent) if isinstance(sent, str) and sent else default

    def _keys(self, data: FormData) -> list[Any]:
        keys = []
        for text in data.getlist("only") or data.getlist("key"):
            with suppress(ValueError):  # no row of ours has that
                keys.append(self.source.parse_key(str(text)))
        return keys

    def _shown(self, state: UrlState) -> list[Column]:
        """The columns that the URL picks, in its order, or the usual ones; the first stays, for it heads the row."""
        able = [column for column in self.source.columns if not column.hidden]
        names = dict.fromkeys(",".join(state.params.getlist("cols")).split(","))
        picked = [column for name in names if (column := self.source.by_name.get(name)) in able]
        usual = [column for column in able if not column.optional]
        return [able[0], *(c for c in picked or usual if c is not able[0])]

    def _wrong(self, what: str) -> DeclarationError:
        return DeclarationError(f"{declared_here()}: Table({self.source.model.__name__}) {what}.")


def _default_sort(sort: Any, columns: Sequence[Column]) -> str:
    if sort is None or isinstance(sort, str):
        return sort or (columns[0].name if columns else "")
    return next((c.name for c in columns if c.expression is sort), str(getattr(sort, "key", sort)))
