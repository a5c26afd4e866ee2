"""From a URL to SQL: search, filters, order and keys, each from its declaration."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import Select, String, and_, cast, false, func, inspect, not_, or_, select, tuple_
from sqlmodel import SQLModel

from ..db import Session
from .declare import Column, Row
from .state import Link, UrlState

NONE, SOME = "none", "*"
MOST_VALUES = 100  # of one filter
CHIPS_EACH = 5
MOST_CHOICES = 200
_ENDS = {"text": ["has"], "choice": ["has"], "number": ["from", "to"], "date": ["from", "to"], "flag": []}


Narrowing = tuple[list[Any], list[Link]]  # SQL conditions, and in words each filter with its way out


@dataclass
class Source:
    """Where a table's rows come from: a model, what is joined to it, the columns, the usual order."""

    model: type[SQLModel]
    columns: tuple[Column, ...]
    joins: tuple[type[SQLModel], ...]
    sort: str

    def __post_init__(self) -> None:
        self.by_name = {column.name: column for column in self.columns}
        self.primary: list[Any] = [getattr(self.model, key.name) for key in inspect(self.model).primary_key]

    def narrow(self, db: Session, state: UrlState) -> Narrowing:
        """Read search and filters from a URL; what cannot be read (a date that is none) is left out, and says so."""
        like = "like" if db.get_bind().dialect.name == "sqlite" else "ilike"
        chips: list[Link] = []
        searched = [column for column in self.columns if column.search]
        words = state.get("q").split() if searched else []
        conditions: list[Any] = [or_(*(_contains(column, text, like) for column in searched)) for text in words]
        tests = [_test(column, state, chips, like) for column in self.columns if column.filter]
        if tests := [test for test in tests if test is not None]:
            conditions.append((or_ if state.get("match") == "any" else and_)(*tests))
        return conditions, chips

    def sorting(self, state: UrlState) -> list[str]:
        """The sort of a URL as column names, "-" for descending; the table's own when it says none that is known."""
        asked = {name.removeprefix("-"): name for name in reversed(state.get("sort").split(","))}
        names = [name for bare, name in reversed(asked.items()) if bare in self.by_name and self.by_name[bare].sort]
        return names or self.sort.split(",")

    def order(self, state: UrlState) -> list[Any]:
        """The ORDER BY: what the URL asks, unknown values last, the key to settle ties."""
        clauses = []
        for name in self.sorting(state):
            column = self.by_name[name.removeprefix("-")]
            direction = column.expression.desc() if name.startswith("-") else column.expression.asc()
            clauses.append(direction.nulls_last() if self._is_nullable(column) else direction)
        return [*clauses, *self.primary]

    def keys(self, conditions: Sequence[Any]) -> Select[Any]:
        """SELECT the keys of the rows that fulfil the conditions: only they are sorted and skipped over."""
        return self._joined(select(*self.primary)).where(*conditions)

    def rows(self, keys: Any) -> Select[Any]:
        """SELECT all columns of the rows with these keys; the key also as `key_0`, which no column can hide."""
        columns = [c.expression.label(c.name) for c in self.columns]
        missing = [key for key in self.primary if key.key not in self.by_name]
        own = [key.label(f"key_{i}") for i, key in enumerate(self.primary)]
        return self._joined(select(*columns, *missing, *own)).where(self.has(keys))

    def count(self, conditions: Sequence[Any]) -> Select[Any]:
        """SELECT how many rows fulfil the conditions."""
        counted = select(func.count())
        return (self._joined(counted) if conditions else counted.select_from(self.model)).where(*conditions)

    def has(self, keys: Any) -> Any:
        """Whether a row's key is among these: a SELECT of keys, or a list of them."""
        return (self.primary[0] if len(self.primary) == 1 else tuple_(*self.primary)).in_(keys)

    def key(self, row: Row) -> Any:
        """The key of a row of `rows`, as `has` takes it."""
        found = tuple(row[f"key_{i}"] for i in range(len(self.primary)))
        return found[0] if len(found) == 1 else found

    def key_text(self, row: Row) -> str:
        """The key of a row as a form's value."""
        return "/".join(quote(str(row[f"key_{i}"]), safe="") for i in range(len(self.primary)))

    def parse_key(self, text: str) -> Any:
        """The key that such a value stands for; ValueError when it can be none."""
        pairs = zip(self.primary, text.replace("\0", "").split("/"), strict=True)
        found = tuple(Column(key).parse(unquote(part)) for key, part in pairs)
        return found[0] if len(found) == 1 else found

    def _joined(self, statement: Select[Any]) -> Select[Any]:
        statement = statement.select_from(self.model)
        for model in self.joins:
            statement = statement.outerjoin(model)
        return statement

    def _is_nullable(self, column: Column) -> bool:
        """Whether a column can be NULL here; each one of a joined table can."""
        is_own = getattr(column.expression, "class_", None) is self.model
        return bool(getattr(column.expression, "nullable", True)) or not is_own


def choices(column: Column) -> Select[Any]:
    """SELECT the distinct values of a column, from its own table alone, one more than are offered."""
    one = column.expression
    return select(one).where(one.is_not(None)).distinct().order_by(one).limit(MOST_CHOICES + 1)


def _contains(column: Column, text: str, like: str) -> Any:
    """Whether a column's text has another in it; SQLite's LIKE ignores case, three times as fast as ILIKE there."""
    whole = column.expression if column.type is str else cast(column.expression, String)
    literal = re.sub(r"([%_/])", r"/\1", text)
    return getattr(whole, like)(f"%{literal}%", escape="/")


def _test(column: Column, state: UrlState, chips: list[Link], like: str) -> Any:
    """What a URL asks of one column, None when nothing: one of its values, or what lies between both ends."""
    tests, ends = [], []
    if values := [value for value in state.all(column.name) if (value, column.kind) != ("any", "flag")]:
        tests.append(_is_one_of(column, values[:MOST_VALUES]))
        chips += _value_chips(column, values, state)
    for end in _ENDS[column.kind]:
        name = f"{column.name}.{end}"
        if text := state.get(name):
            said = f"{column.said} {'contains' if end == 'has' else end} {text}"
            try:
                ends.append(_contains(column, text, like) if end == "has" else _bound(column, text, end))
            except (ValueError, ArithmeticError):
                said += f": no {column.kind}, left out"
            chips.append(Link(said, state.drop(name)))
    tests += [and_(*ends)] if ends else []
    return or_(*tests) if tests else None


def _value_chips(column: Column, values: list[str], state: UrlState) -> list[Link]:
    if len(values) > CHIPS_EACH:
        cut = f", of which the first {MOST_VALUES} count" if len(values) > MOST_VALUES else ""
        return [Link(f"{column.said} is one of {len(values):,} values{cut}", state.drop(column.name))]
    said = {NONE: f"is {column.empty}", SOME: "has a value"}
    return [Link(f"{column.said} {said.get(v, f'is {v}')}", state.drop(column.name, v)) for v in values]


def _is_one_of(column: Column, values: list[str]) -> Any:
    """Whether a column has one of these values; "none" stands for unknown, which a text may also write as ""."""
    one, plain = column.expression, []
    tests: list[Any] = [false()]
    is_empty = or_(one.is_(None), one.in_(["", NONE])) if column.type is str else one.is_(None)
    for value in values:
        try:
            if value in (NONE, SOME):
                tests.append(is_empty if value == NONE else not_(is_empty))
            elif column.kind == "flag":
                tests.append(one.is_(value == "yes") if value in ("yes", "no") else false())
            elif column.kind in ("number", "date"):
                tests.append(and_(_bound(column, value, "from"), _bound(column, value, "to")))
            else:
                plain.append(column.parse(value))
        except (ValueError, ArithmeticError):
            continue  # no row has what cannot be one of its values
    return or_(*tests, *([one.in_(plain)] if plain else []))


def _bound(column: Column, text: str, end: str) -> Any:
    """One end of a range; the last day is in it, whole."""
    if column.kind == "number":
        number = Decimal(text)
        if not number.is_finite():
            raise InvalidOperation
        bound: Any = number if column.type is Decimal else float(number)
    else:
        bound = date.fromisoformat(text)
        if column.type is datetime:
            bound = datetime.combine(bound, time.min if end == "from" else time.max, UTC)
    return column.expression >= bound if end == "from" else column.expression <= bound
