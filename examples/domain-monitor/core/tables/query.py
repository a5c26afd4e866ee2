"""From a URL to SQL and back: search, filters, order, page and keys. Nothing about a table is kept elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlencode

from pydantic import TypeAdapter
from sqlalchemy import Select, String, and_, bindparam, cast, false, func, inspect, not_, or_, select, tuple_
from sqlalchemy.orm import outerjoin
from sqlalchemy.sql.util import find_tables
from sqlmodel import SQLModel
from starlette.datastructures import QueryParams

from ..db import Session
from .declare import Cell, Column, Row, word

NONE, SOME = "none", "*"
LONGEST_VALUE = 200
MOST_VALUES = 100  # of one filter
ENDS = {"text": ["has"], "choice": ["has"], "number": ["from", "to"], "date": ["from", "to"], "flag": []}
_NUMBER = TypeAdapter(Decimal)

Pairs = list[tuple[str, str]]


class UrlState:
    """A page's path (as it stands in a URL) and query, and how to write the URL of a neighbouring state."""

    def __init__(self, path: str, query: str | Pairs = "") -> None:
        self.path, self.params = path, QueryParams(query)

    def get(self, name: str) -> str:
        """The last value of a parameter, stripped; "" when it is not there."""
        return _clean(self.params.get(name, ""))

    def all(self, name: str) -> list[str]:
        """Every non-empty value of a parameter."""
        return list(dict.fromkeys(value for value in map(_clean, self.params.getlist(name)) if value))

    def number(self, name: str, default: int) -> int:
        """A parameter as a whole number, at least 1; the default when it is none."""
        text = self.get(name)
        return max(1, int(text[:9])) if text.isdecimal() else default

    def with_(self, **values: str) -> str:
        """This URL with parameters set ("" drops one); the page starts again at 1 unless it is set."""
        return self.url([*self.without("page", *values), *((name, value) for name, value in values.items() if value)])

    def drop(self, name: str, value: str = "") -> str:
        """This URL without a parameter, or without one value of it."""
        return self.url([(n, v) for n, v in self.without("page") if n != name or (value and _clean(v) != value)])

    def without(self, *names: str) -> Pairs:
        """Every non-empty parameter but these."""
        return [(name, value) for name, value in self.params.multi_items() if value and name not in names]

    def url(self, pairs: Iterable[tuple[str, str]]) -> str:
        """This path with a query; commas stay readable."""
        query = urlencode(list(pairs), safe=",")
        return f"{self.path}?{query}" if query else self.path


@dataclass
class Source:
    """Where a table's rows come from: a model, what is joined to it, the columns, the usual order."""

    model: type[SQLModel]
    columns: tuple[Column, ...]
    joins: Sequence[type[SQLModel]]
    sort: str

    def __post_init__(self) -> None:
        self.by_name = {column.name: column for column in self.columns}
        self.joined: Any = self.model
        for model in self.joins:
            self.joined = outerjoin(self.joined, model)
        self.primary: list[Any] = [getattr(self.model, key.name) for key in inspect(self.model).primary_key]
        columns = [c.expression.label(c.name) for c in self.columns]
        missing = [key for key in self.primary if key.key not in self.by_name]
        own = [key.label(f"key_{i}") for i, key in enumerate(self.primary)]  # which no column can hide
        chosen = self.has(bindparam("keys", expanding=True))
        # One statement for all URLs, as what stands for it in SQLAlchemy's cache is long in the making.
        self.whole = select(*columns, *missing, *own).select_from(self.joined).where(chosen)

    def narrow(self, db: Session, state: UrlState) -> tuple[list[Any], list[Cell]]:
        """The conditions of a URL's search and filters, and in words each filter with its way out."""
        like = "contains" if db.get_bind().dialect.name == "sqlite" else "icontains"
        chips: list[Cell] = []
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
            one = self.by_name[name.removeprefix("-")].expression
            clause = one.desc() if name.startswith("-") else one.asc()
            # Only where it can be NULL, as each column of a joined table can: an index cannot give "nulls last".
            is_known = getattr(one, "class_", None) is self.model and not getattr(one, "nullable", True)
            clauses.append(clause if is_known else clause.nulls_last())
        return [*clauses, *self.primary]

    def keys(self, conditions: Sequence[Any]) -> Select[Any]:
        """SELECT the keys of the rows that fulfil the conditions: only they are sorted and skipped over."""
        return select(*self.primary).select_from(self.joined).where(*conditions)

    def rows(self, db: Session, keys: Sequence[Any]) -> list[Row]:
        """All columns of the rows with these keys, in the keys' order; those that are gone by now are left out."""
        found = {self.key(row): row for row in db.execute(self.whole, {"keys": keys}).mappings()}
        return [found[key] for key in keys if key in found]

    def count(self, conditions: Sequence[Any]) -> Select[Any]:
        """SELECT how many rows fulfil the conditions; what only a LEFT JOIN would add is not looked at."""
        named = {table for one in conditions for table in find_tables(one, check_columns=True)}
        is_joined = any(inspect(model).local_table in named for model in self.joins)
        return select(func.count()).select_from(self.joined if is_joined else self.model).where(*conditions)

    def has(self, keys: Any) -> Any:
        """Whether a row's key is among these: a SELECT of keys, or a list of tuples."""
        return tuple_(*self.primary).in_(keys)

    def key(self, row: Row) -> tuple[Any, ...]:
        """The key of a row of `rows`."""
        return tuple(row[f"key_{i}"] for i in range(len(self.primary)))

    def key_text(self, row: Row) -> str:
        """The key of a row as a form's value."""
        return "/".join(quote(word(part), safe="") for part in self.key(row))

    def parse_key(self, text: str) -> tuple[Any, ...]:
        """The key that such a value stands for; ValueError when it can be none."""
        pairs = zip(self.primary, text.replace("\0", "").split("/"), strict=True)
        return tuple(Column(key).parse(unquote(part)) for key, part in pairs)


def _clean(value: str) -> str:
    """A value that every database takes: no NUL, of bounded length."""
    return value.replace("\0", "").strip()[:LONGEST_VALUE]


def _contains(column: Column, text: str, like: str) -> Any:
    """Whether a column's text has another in it; SQLite's LIKE ignores case, three times as fast as ILIKE there."""
    whole = column.expression if column.type is str else cast(column.expression, String)
    return getattr(whole, like)(text, autoescape=True)


def _test(column: Column, state: UrlState, chips: list[Cell], like: str) -> Any:
    """What a URL asks of one column, None when nothing: one of its values, or what lies between both ends."""
    values, ends = state.all(column.name)[:MOST_VALUES], []
    called = column.label if column.label[1:2].isupper() else column.label[:1].lower() + column.label[1:]
    tests, said = [_is(column, value) for value in values], {NONE: f"is {column.empty}", SOME: "has a value"}
    chips += [Cell(f"{called} {said.get(v, f'is {v}')}", href=state.drop(column.name, v)) for v in values]
    for end in ENDS[column.kind]:
        name = f"{column.name}.{end}"
        if text := state.get(name):
            label = f"{called} {'contains' if end == 'has' else end} {text}"
            try:
                ends.append(_contains(column, text, like) if end == "has" else _bound(column, text, end))
            except ValueError:
                label += f": no {column.kind}, left out"
            chips.append(Cell(label, href=state.drop(name)))
    tests += [and_(*ends)] if ends else []
    return or_(*tests) if tests else None


def _is(column: Column, text: str) -> Any:
    """Whether a column has this value; "none" stands for unknown, which a text may also write as ""."""
    one = column.expression
    if text in (NONE, SOME):
        is_empty = or_(one.is_(None), one.in_(["", NONE])) if column.type is str else one.is_(None)
        return is_empty if text == NONE else not_(is_empty)
    try:
        if column.type is datetime:
            return and_(_bound(column, text, "from"), _bound(column, text, "to"))
        return one == column.parse(text)
    except ValueError:
        return false()  # no row has what cannot be one of its values


def _bound(column: Column, text: str, end: str) -> Any:
    """One end of a range; the last day is in it, whole."""
    bound: Any = _NUMBER.validate_python(text) if column.kind == "number" else date.fromisoformat(text)
    if column.type is datetime:
        bound = datetime.combine(bound, time.min if end == "from" else time.max, UTC)
    elif column.kind == "number" and column.type is not Decimal:
        bound = float(bound)
    return column.expression >= bound if end == "from" else column.expression <= bound
