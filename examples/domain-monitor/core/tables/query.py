"""From a URL to SQL: search, filters, order and page, each from its declaration."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Select, String, cast, false, func, or_, select, tuple_

from .declare import Column, Table
from .state import UrlState

NONE = "none"


@dataclass
class Narrowing:
    """What a URL narrows a table to: SQL conditions, and each of them in words with its way out."""

    like: str  # SQLite's LIKE ignores the case of a to z by itself, three times as fast as ILIKE's lower()
    conditions: list[Any] = field(default_factory=list)
    chips: list[tuple[str, str]] = field(default_factory=list)

    def contains(self, column: Column, text: str) -> Any:
        """Whether a column's text has this one in it, whatever the case."""
        whole = column.expression if column.type is str else cast(column.expression, String)
        literal = re.sub(r"([%_/])", r"/\1", text)
        return getattr(whole, self.like)(f"%{literal}%", escape="/")


def narrow(table: Table, state: UrlState, *, is_sqlite: bool) -> Narrowing:
    """Read search and filters from a URL; what cannot be read (a date that is none) is left out, and says so."""
    found = Narrowing(like="like" if is_sqlite else "ilike")
    searched = [column for column in table.columns if column.search]
    for text in state.get("q").split() if searched else ():
        found.conditions.append(or_(*(found.contains(column, text) for column in searched)))
    for column in table.columns:
        if column.filter and column.kind in ("choice", "flag"):
            _choice(column, state, found)
        elif column.filter and column.kind == "text":
            _text(column, state, found)
        elif column.filter:
            _range(column, state, found)
    return found


def order(table: Table, state: UrlState) -> list[Any]:
    """The ORDER BY: what the URL asks, unknown values last, the key to settle ties."""
    clauses = []
    for name in sorting(table, state).split(","):
        column = table.by_name[name.removeprefix("-")]
        direction = column.expression.desc() if name.startswith("-") else column.expression.asc()
        clauses.append(direction.nulls_last() if _is_nullable(table, column) else direction)
    return [*clauses, *table.primary]


def sorting(table: Table, state: UrlState) -> str:
    """The sort of a URL as column names, "-" for descending; the table's own when it says none that is known."""
    asked = {name.removeprefix("-"): name for name in reversed(state.get("sort").split(","))}
    names = [name for bare, name in reversed(asked.items()) if bare in table.by_name and table.by_name[bare].sort]
    return ",".join(names) or table.sort


def rows(table: Table, state: UrlState, conditions: Sequence[Any], *, size: int, page: int) -> Select[Any]:
    """SELECT the columns (and the key, for links) of one page of the rows that fulfil the conditions."""
    columns = [c.expression.label(c.name) for c in table.columns]
    keys = [key for key in table.primary if key.key not in table.by_name]
    by = order(table, state)
    # Only keys are sorted and skipped over; the other columns are fetched for the rows of the page alone.
    wanted = _joined(table, select(*table.primary)).where(*conditions).order_by(*by)
    wanted = wanted.limit(size).offset((page - 1) * size)
    return _joined(table, select(*columns, *keys)).where(tuple_(*table.primary).in_(wanted)).order_by(*by)


def count(table: Table, conditions: Sequence[Any]) -> Select[Any]:
    """SELECT how many rows fulfil the conditions."""
    counted = select(func.count())
    return (_joined(table, counted) if conditions else counted.select_from(table.model)).where(*conditions)


def choices(column: Column) -> Select[Any]:
    """SELECT the distinct values of a column, from its own table alone."""
    one = column.expression
    return select(one).where(one.is_not(None)).distinct().order_by(one).limit(500)


def _joined(table: Table, statement: Select[Any]) -> Select[Any]:
    statement = statement.select_from(table.model)
    for model in table.joins:
        statement = statement.outerjoin(model)
    return statement


def _is_nullable(table: Table, column: Column) -> bool:
    """Whether a column can be NULL here; each one of a joined table can."""
    return (
        bool(getattr(column.expression, "nullable", True))
        or getattr(column.expression, "class_", None) is not table.model
    )


def _text(column: Column, state: UrlState, found: Narrowing) -> None:
    name = f"{column.name}.has"
    if text := state.get(name):
        found.conditions.append(found.contains(column, text))
        found.chips.append((f"{column.said} contains {text}", state.drop(name)))


def _choice(column: Column, state: UrlState, found: Narrowing) -> None:
    tests = []
    for value in state.all(column.name):
        if value == "any" and column.kind == "flag":
            continue
        tests.append(_equals(column, value))
        said = column.empty if value == NONE else value
        found.chips.append((f"{column.said} is {said}", state.drop(column.name, value)))
    if tests:
        found.conditions.append(or_(*tests))


def _equals(column: Column, value: str) -> Any:
    """Whether a column has a value; "none" stands for unknown, which a text may also write as ""."""
    one = column.expression
    if value == NONE:
        return or_(one.is_(None), one.in_(["", NONE])) if column.type is str else one.is_(None)
    if column.kind == "flag":
        return one.is_(value == "yes") if value in ("yes", "no") else false()
    try:
        return one == column.parse(value)
    except ValueError:
        return false()


def _range(column: Column, state: UrlState, found: Narrowing) -> None:
    for end in ("from", "to"):
        name = f"{column.name}.{end}"
        text = state.get(name)
        if not text:
            continue
        try:
            found.conditions.append(_bound(column, text, end))
            found.chips.append((f"{column.said} {end} {text}", state.drop(name)))
        except (ValueError, ArithmeticError):
            found.chips.append((f"{column.said} {end} {text}: no {column.kind}, left out", state.drop(name)))


def _bound(column: Column, text: str, end: str) -> Any:
    """One end of a range; the last day is in it, whole."""
    one = column.expression
    if column.kind == "number":
        number = Decimal(text)
        if not number.is_finite():
            raise InvalidOperation
        bound: Any = number if column.type is Decimal else float(number)
        return one >= bound if end == "from" else one <= bound
    day = date.fromisoformat(text)
    if column.type is not datetime:
        return one >= day if end == "from" else one <= day
    return one >= datetime.combine(day, time.min, UTC) if end == "from" else one <= datetime.combine(day, time.max, UTC)
