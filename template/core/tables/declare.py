"""What a table is declared from: columns, how their values show in cells, and the deeds it offers."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, cast
from urllib.parse import quote, urlsplit

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, TypeDecorator
from sqlalchemy.orm import InstrumentedAttribute

from .. import marks
from ..crypto import Encrypted
from ..errors import DeclarationError
from ..marks import ActionMark, Role, declared_here

Kind = Literal["text", "choice", "number", "date", "flag"]
Tone = Literal["", "good", "warn", "bad", "unknown"]
LONGEST_TEXT = 60
LARGEST_NUMBER = 2**63
UNKNOWN, SECRET = "—", "••••"
_KINDS: dict[Any, Kind] = {
    bool: "flag", Enum: "choice", int | float | Decimal: "number", date: "date", object: "choice",
}  # fmt: skip
_LINKS = ("", "http", "https", "mailto")
BRACES = re.compile(r"{(\w+)(?::\w+)?}")  # of a path, as in /domains/{id:int}


@dataclass(slots=True)
class Cell:
    """What stands in one cell: text, a quieter note beside it, a state, the whole value on hover, a link."""

    text: str
    note: str = ""
    tone: Tone = ""
    title: str = ""
    href: str = ""
    mono: bool = False

    def __post_init__(self) -> None:
        if self.href and not _is_link(self.href):  # `javascript:` in somebody's data stays text
            self.href = ""


Row = RowMapping  # of column names, and of the key
Show = Callable[[Any, Row], Cell | str]


class Column:
    """One column: a model's attribute, or an SQL expression with a name.

    `search` lets the search box look into it, `filter` offers a filter that fits its type ("text" for
    "contains"), `show(value, row)` turns a value into a Cell or text, `empty` is what NULL reads as.
    A `hidden` column is never shown, an `optional` one when somebody picks it.
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
        optional: bool = False,
    ) -> None:
        self.name, self.expression = name or getattr(attribute, "key", None) or "", attribute
        if not isinstance(attribute, InstrumentedAttribute | ColumnElement) or not hasattr(attribute, "type"):
            what = f"Column({attribute!r}) is no model attribute; write it like Column(Domain.name)."
            raise DeclarationError(f"{declared_here()}: {what}")
        if not self.name:
            what = "a Column of an SQL expression needs a name: Column(func.now(), name='asked')."
            raise DeclarationError(f"{declared_here()}: {what}")
        self.label = label or self.name.removesuffix("_id").replace("_", " ").capitalize()
        self.sort, self.empty, self.hidden, self.optional = sort, empty, hidden, optional
        self.type = _python_type(attribute.type)
        kinds = (kind for types, kind in _KINDS.items() if issubclass(self.type, types))
        self.kind: Kind = "text" if filter == "text" else next(kinds)
        self.is_secret = isinstance(attribute.type, Encrypted)
        self.search, self.filter = search and not self.is_secret, bool(filter) and not self.is_secret
        self.show, self._nothing = show, Cell(empty, tone="unknown")

    @property
    def said(self) -> str:
        """The label inside a sentence: "expires", but "URL"."""
        return self.label if self.label[1:2].isupper() else self.label[:1].lower() + self.label[1:]

    def cell(self, value: Any, row: Row) -> Cell:
        """How a value of this column is shown."""
        if self.show:
            shown = self.show(value, row)
            return shown if isinstance(shown, Cell) else Cell(shown)
        if value is None or value == "":
            return self._nothing
        if type(value) is str and not self.is_secret:  # first, for it is what most cells hold
            return Cell(value) if len(value) <= LONGEST_TEXT else Cell(shorten(value), title=value)
        if isinstance(value, datetime):
            return Cell(f"{value:%Y-%m-%d %H:%M}", title=value.isoformat())
        return Cell(SECRET if self.is_secret else _in_words(value))

    def parse(self, text: str) -> Any:
        """A value of the column's type from a URL; ValueError when it is none that can be stored."""
        value = TypeAdapter(self.type).validate_python(text)
        if isinstance(value, int) and not -LARGEST_NUMBER <= value < LARGEST_NUMBER:
            raise ValueError(f"{text} is too large")
        return value


@dataclass(frozen=True)
class Deed:
    """An action that a table offers, for one row or for those that are picked."""

    label: str
    title: str
    path: str
    role: Role

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Deed":
        """The deed of a function marked with @action; its name, as words, is the button."""
        mark = marks.of(function)
        if not isinstance(mark, ActionMark):
            raise DeclarationError(f"{declared_here()}: {function!r} is no action; mark it with @action(…).")
        return cls(function.__name__.replace("_", " ").capitalize(), marks.summary(function), mark.path, mark.role)


def fill(path: str, row: Row) -> str:
    """A path with the row's values in its braces."""
    return BRACES.sub(lambda found: quote(str(row[found[1]]), safe=""), path)


def shorten(text: str, longest: int = LONGEST_TEXT) -> str:
    """A long text cut in the middle."""
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def word(value: Any) -> str:
    """A value as it is written in a filter and a URL."""
    return str(value.value if isinstance(value, Enum) else value)


def _is_link(href: str) -> bool:
    try:
        return href.isprintable() and urlsplit(href).scheme in _LINKS
    except ValueError:
        return False


def _python_type(type_: Any) -> type[Any]:
    """The type of a column's values; SQLModel's own types (texts, UTC moments) do not tell theirs."""
    whole = type_.impl if isinstance(type_, TypeDecorator) else type_
    with suppress(NotImplementedError):
        return cast(type[Any], whole.python_type)
    return str


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum) or not isinstance(value, int | float | Decimal):
        return word(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
