"""What a feature declares: a Table of Columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.orm import InstrumentedAttribute
from sqlmodel import SQLModel

from ..errors import DeclarationError

if TYPE_CHECKING:
    from ..db import Session
    from .state import UrlState
    from .view import TableView

Kind = Literal["text", "choice", "number", "date", "flag"]
Tone = Literal["", "good", "warn", "bad", "unknown"]
PAGE_SIZES = (25, 50, 100, 250)
LONGEST_TEXT = 60
UNKNOWN = "—"


@dataclass(slots=True)
class Cell:
    """What stands in one cell: text, a quieter note beside it, a state, the whole value on hover, a link."""

    text: str
    note: str = ""
    tone: Tone = ""
    title: str = ""
    href: str = ""
    mono: bool = False


Row = Mapping[str, Any]
Show = Callable[[Any, Row], Cell | str]


class Column:
    """One column: a model's attribute, or an SQL expression with a name.

    `search` lets the search box look into it, `filter` offers a filter that fits its type ("text" for
    "contains"), `show(value, row)` turns a value into a Cell or text, `empty` is what NULL reads as.
    """

    def __init__(
        self,
        attribute: Any,
        *,
        name: str = "",
        label: str = "",
        search: bool = False,
        filter: bool | Literal["text"] = False,
        sort: bool = True,
        show: Show | None = None,
        empty: str = UNKNOWN,
        hidden: bool = False,
    ) -> None:
        if not isinstance(attribute, InstrumentedAttribute | ColumnElement):
            raise DeclarationError(f"Column({attribute!r}) is no model attribute; write it like Column(Domain.name).")
        self.name = name or getattr(attribute, "key", None) or ""
        if not self.name:
            raise DeclarationError("a Column of an SQL expression needs a name=: Column(func.lower(X.y), name='y')")
        self.expression: Any = attribute
        self.label = label or self.name.removesuffix("_id").replace("_", " ").capitalize()
        self.search, self.sort, self.empty, self.hidden = search, sort, empty, hidden
        self.kind: Kind = _kind(attribute.type)
        if filter == "text":
            self.kind = "text"
        self.filter = bool(filter)
        self._show = show or _plain(attribute.type, empty)

    @property
    def is_numeric(self) -> bool:
        """Whether it is set flush right, in tabular figures."""
        return self.kind == "number"

    def cell(self, value: Any, row: Row) -> Cell:
        """The cell of a value."""
        shown = self._show(value, row)
        return Cell(shown) if isinstance(shown, str) else shown


class Table:
    """A list of rows, declared once; `load` answers one URL.

    `joins` are models reached by a foreign key (left joins); `sort` is one attribute or several names
    ("-expires_at"); `link` is the URL of a row, with columns or key in braces: "/domains/{id}".
    """

    def __init__(
        self,
        model: type[SQLModel],
        *columns: Column,
        sort: Any = None,
        link: str = "",
        joins: Sequence[type[SQLModel]] = (),
        size: int = 50,
        empty: str = "Nothing here yet.",
    ) -> None:
        if not columns:
            raise DeclarationError(f"Table({model.__name__}) shows nothing; add a Column({model.__name__}.…).")
        names = [column.name for column in columns]
        if twice := {name for name in names if names.count(name) > 1}:
            raise DeclarationError(
                f"Table({model.__name__}) has two columns named {', '.join(twice)}; give one a name=."
            )
        self.model, self.joins, self.link, self.size, self.empty = model, tuple(joins), link, size, empty
        self.columns = columns
        self.by_name = {column.name: column for column in columns}
        self.primary: tuple[Any, ...] = tuple(getattr(model, key.name) for key in inspect(model).primary_key)
        self.sort = _default_sort(sort, columns)
        if unknown := [name for name in self.sort.split(",") if name and name.lstrip("-") not in self.by_name]:
            raise DeclarationError(f"Table({model.__name__}) sorts by {unknown[0]!r}, which is none of its columns.")

    def load(self, db: "Session", state: "UrlState", *, where: Sequence[Any] = ()) -> "TableView":
        """The rows that a URL asks for, ready to render; `where` narrows what the table is about."""
        from .view import view

        return view(self, db, state, where)

    def href(self, row: Row) -> str:
        """The link of a row, "" when rows have none."""
        return self.link.format_map({k: quote(str(v), safe="") for k, v in row.items()}) if self.link else ""


def shorten(text: str, longest: int = LONGEST_TEXT) -> str:
    """A long text cut in the middle."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _default_sort(sort: Any, columns: Sequence[Column]) -> str:
    if sort is None:
        return columns[0].name
    if isinstance(sort, str):
        return sort
    return next((c.name for c in columns if c.expression is sort), str(getattr(sort, "key", sort)))


def _kind(type_: Any) -> Kind:
    try:
        python = type_.python_type
    except NotImplementedError:
        return "text"
    if issubclass(python, bool):
        return "flag"
    if issubclass(python, int | float | Decimal):
        return "number"
    return "date" if issubclass(python, date | datetime) else "choice"


def _plain(type_: Any, empty: str) -> Show:
    """How values of a type are shown when the column does not say."""
    nothing = Cell(empty, tone="unknown")

    def show(value: Any, _row: Row) -> Cell | str:
        if value is None or value == "":
            return nothing
        if isinstance(value, str):
            return value if len(value) <= LONGEST_TEXT else Cell(shorten(value), title=value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, datetime):
            return Cell(f"{value:%Y-%m-%d %H:%M}", title=value.isoformat())
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value:,.2f}" if isinstance(value, float | Decimal) else str(value)

    return show
