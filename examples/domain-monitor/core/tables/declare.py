"""What a table is declared from: columns, how their values show in cells, and the deeds it offers."""

import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import quote

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, TypeDecorator, select
from sqlalchemy.orm import InstrumentedAttribute

from .. import marks
from ..crypto import Encrypted
from ..errors import DeclarationError
from ..marks import ActionMark, Role, declared_here, mistake

Kind = Literal["text", "choice", "number", "date", "flag"]
Tone = Literal["", "good", "warn", "bad", "unknown"]
LONGEST_TEXT, MOST_CHOICES = 60, 200
LARGEST_NUMBER = 2**63
UNKNOWN, SECRET, TONES = "—", "••••", get_args(Tone)
_KINDS: dict[Any, Kind] = {
    bool: "flag", Enum: "choice", int | float | Decimal: "number", date: "date", object: "choice",
}  # fmt: skip
_LINK = re.compile(r"https?://\[?[\w:]|mailto:|[^:/?#]*([/?#]|$)", re.IGNORECASE)  # the last one has no scheme
BRACES = re.compile(r"{(\w+)(?::\w+)?}")  # of a path, as in /domains/{id:int}


class Cell(NamedTuple):
    """What stands in one cell: text, a quieter note beside it, a state, the whole value on hover, a link."""

    text: str
    note: str = ""
    tone: Tone = ""
    title: str = ""
    href: str = ""


Row = RowMapping  # of column names, and of the key
Show = Callable[[Any, Row], Cell | str]


@dataclass(eq=False)
class Column:
    """One column: a model's attribute, or an SQL expression with a name."""

    expression: Any
    _: KW_ONLY
    name: str = ""
    label: str = ""
    search: bool = False  # the search box looks into it
    filter: bool | Literal["text"] = False  # by what fits its type; "text" for "contains"
    sort: bool = True
    show: Show | None = None  # a value and its row as a Cell or text
    empty: str = UNKNOWN  # what NULL reads as
    hidden: bool = False  # never shown
    optional: bool = False  # shown when somebody picks it

    def __post_init__(self) -> None:
        one = self.expression
        self.name = self.name or getattr(one, "key", None) or ""
        is_sql = isinstance(one, InstrumentedAttribute | ColumnElement) and hasattr(one, "type")
        if not is_sql or not self.name:
            wrong = f"Column({one!r}) is no model attribute; write it like Column(Domain.name)."
            nameless = "a Column of an SQL expression needs a name: Column(func.now(), name='asked')."
            raise DeclarationError(f"{declared_here()}: {nameless if is_sql else wrong}")
        self.label = self.label or self.name.removesuffix("_id").replace("_", " ").capitalize()
        try:
            whole: Any = one.type.impl if isinstance(one.type, TypeDecorator) else one.type
            self.type: type[Any] = whole.python_type
        except NotImplementedError:  # SQLModel's texts do not tell theirs
            self.type = str
        kinds = (kind for types, kind in _KINDS.items() if issubclass(self.type, types))
        self.kind: Kind = "text" if self.filter == "text" else next(kinds)
        self.is_secret = isinstance(one.type, Encrypted)
        self.search, self.filter = self.search and not self.is_secret, bool(self.filter) and not self.is_secret
        self._nothing = Cell(self.empty, tone="unknown")
        self.choices = select(one).where(one.is_not(None)).distinct().order_by(one).limit(MOST_CHOICES + 1)

    def cell(self, value: Any, row: Row) -> Cell:
        """How a value of this column is shown."""
        if self.show:
            shown = self.show(value, row)
            if not isinstance(shown, Cell):
                return Cell(shown)
            if shown.tone not in TONES:
                raise mistake(self.show, f"there is no tone {shown.tone!r}; use good, warn, bad, unknown, or none.")
            return shown if _LINK.match(shown.href) else shown._replace(href="")  # `javascript:` in data stays text
        if value is None or value == "":
            return self._nothing
        if type(value) is str and not self.is_secret:  # first, for it is what most cells hold
            return Cell(value) if len(value) <= LONGEST_TEXT else Cell(shorten(value), title=value)
        if isinstance(value, datetime):
            return Cell(value.isoformat(" ", "minutes")[:16], title=value.isoformat())
        if self.is_secret:
            return Cell(SECRET) if value else self._nothing  # nothing that can be read
        return Cell(_in_words(value))

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
    """A long name cut in the middle, a long sentence at its end."""
    kept = 0 if " " in text else (longest - 1) // 2  # of the end
    return text if len(text) <= longest else f"{text[: longest - 1 - kept]}…{text[len(text) - kept :]}"


def word(value: Any) -> str:
    """A value as it is written in a filter and a URL."""
    return str(value.value if isinstance(value, Enum) else value)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum) or not isinstance(value, int | float | Decimal):
        return word(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
