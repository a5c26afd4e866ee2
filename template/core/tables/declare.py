"""What a feature declares: a Table of Columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, TypeDecorator, inspect
from sqlalchemy.orm import InstrumentedAttribute
from sqlmodel import SQLModel

from ..errors import DeclarationError
from ..marks import declared_here

if TYPE_CHECKING:
    from ..db import Session
    from .state import UrlState
    from .view import TableView

Kind = Literal["text", "choice", "number", "date", "flag"]
Tone = Literal["", "good", "warn", "bad", "unknown"]
PAGE_SIZES = (25, 50, 100, 250)
LONGEST_TEXT = 60
UNKNOWN = "—"
_LINKS = ("", "http", "https", "mailto")


@dataclass(slots=True)
class Cell:
    """What stands in one cell: text, a quieter note beside it, a state, the whole value on hover, a link.

    A link to anything but a web or mail address is dropped: `javascript:` in somebody's data stays text.
    """

    text: str
    note: str = ""
    tone: Tone = ""
    title: str = ""
    href: str = ""
    mono: bool = False

    def __post_init__(self) -> None:
        if self.href and not _is_link(self.href):
            self.href = ""


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
        if not isinstance(attribute, InstrumentedAttribute | ColumnElement) or not hasattr(attribute, "type"):
            raise DeclarationError(
                f"{declared_here()}: Column({attribute!r}) is no model attribute; write it like Column(Domain.name)."
            )
        self.name = name or getattr(attribute, "key", None) or ""
        if not self.name:
            raise DeclarationError(
                f"{declared_here()}: a Column of an SQL expression needs a name: "
                "Column(func.lower(Domain.name), name='lowered')."
            )
        self.expression: Any = attribute
        self.label = label or self.name.removesuffix("_id").replace("_", " ").capitalize()
        self.search, self.sort, self.empty, self.hidden = search, sort, empty, hidden
        self.type = _python_type(attribute.type)
        self.kind: Kind = "text" if filter == "text" else _kind(self.type)
        self.filter = bool(filter)
        self.cell: Callable[[Any, Row], Cell] = _shown_by(show) if show else _plain(empty)

    @property
    def said(self) -> str:
        """The label inside a sentence: "expires", but "URL"."""
        return self.label if self.label[1:2].isupper() else self.label[:1].lower() + self.label[1:]

    @property
    def is_numeric(self) -> bool:
        """Whether it is set flush right, in tabular figures."""
        return self.kind == "number"

    def parse(self, text: str) -> Any:
        """A value of the column's type from a URL; ValueError when it is none."""
        return text if self.type is str else TypeAdapter(self.type).validate_python(text)


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
        empty: str = "Rows appear here as soon as there are some.",
    ) -> None:
        self.model, self.joins, self.link, self.size, self.empty = model, tuple(joins), link, size, empty
        self.columns = columns
        self.by_name = {column.name: column for column in columns}
        self.primary: tuple[Any, ...] = tuple(getattr(model, key.name) for key in inspect(model).primary_key)
        self._in_link = [name for _, name, _, _ in Formatter().parse(link) if name]
        if not columns:
            raise self._wrong(f"shows nothing; add a Column({model.__name__}.…)")
        if twice := [c.name for c in columns if self.by_name[c.name] is not c]:
            raise self._wrong(f"has two columns named {twice[0]!r}; give one of them a name=")
        self.sort = _default_sort(sort, columns)
        if unknown := [name for name in self.sort.split(",") if name.removeprefix("-") not in self.by_name]:
            raise self._wrong(f"sorts by {unknown[0]!r}, which is none of its columns: {', '.join(self.by_name)}")
        known = {*self.by_name, *(key.key for key in self.primary)}
        if link and (not link.startswith("/") or not known.issuperset(self._in_link)):
            raise self._wrong(
                f"links to {link!r}; write a path with columns or the key in braces, as in '/domains/{{id}}'"
            )

    def load(self, db: "Session", state: "UrlState", *, where: Sequence[Any] = ()) -> "TableView":
        """The rows that a URL asks for, ready to render; `where` narrows what the table is about."""
        from .view import view

        return view(self, db, state, where)

    def href(self, row: Row) -> str:
        """The link of a row, "" when rows have none."""
        return self.link.format_map({name: quote(str(row[name]), safe="") for name in self._in_link})

    def _wrong(self, what: str) -> DeclarationError:
        return DeclarationError(f"{declared_here()}: Table({self.model.__name__}) {what}.")


def shorten(text: str, longest: int = LONGEST_TEXT) -> str:
    """A long text cut in the middle."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def word(value: Any) -> str:
    """A value as it is written in a filter and a URL."""
    return str(value.value if isinstance(value, Enum) else value)


def _is_link(href: str) -> bool:
    try:
        return href.isprintable() and urlsplit(href).scheme in _LINKS
    except ValueError:
        return False


def _default_sort(sort: Any, columns: Sequence[Column]) -> str:
    if sort is None:
        return columns[0].name
    if isinstance(sort, str):
        return sort
    return next((c.name for c in columns if c.expression is sort), str(getattr(sort, "key", sort)))


def _python_type(type_: Any) -> type[Any]:
    """The type of a column's values; SQLModel's own types (texts, UTC moments) do not tell theirs."""
    try:
        whole: Any = type_.impl if isinstance(type_, TypeDecorator) else type_
        found: type[Any] = whole.python_type
    except NotImplementedError:
        return str
    return found


def _kind(python: type[Any]) -> Kind:
    if issubclass(python, bool):
        return "flag"
    if issubclass(python, int | float | Decimal) and not issubclass(python, Enum):
        return "number"
    return "date" if issubclass(python, date) else "choice"


def _shown_by(show: Show) -> Callable[[Any, Row], Cell]:
    def cell(value: Any, row: Row) -> Cell:
        shown = show(value, row)
        return shown if isinstance(shown, Cell) else Cell(shown)

    return cell


def _plain(empty: str) -> Callable[[Any, Row], Cell]:
    """How values are shown when the column does not say."""
    nothing = Cell(empty, tone="unknown")

    def cell(value: Any, _row: Row) -> Cell:
        if value is None or value == "":
            return nothing
        if type(value) is str:  # first, for it is what most cells hold
            return Cell(value) if len(value) <= LONGEST_TEXT else Cell(shorten(value), title=value)
        if isinstance(value, bool):
            return Cell("yes" if value else "no")
        if isinstance(value, datetime):
            return Cell(f"{value:%Y-%m-%d %H:%M}", title=value.isoformat())
        if isinstance(value, int) and not isinstance(value, Enum):
            return Cell(f"{value:,}")
        if isinstance(value, float | Decimal):
            return Cell(f"{value:,.2f}")
        return Cell(word(value))

    return cell
