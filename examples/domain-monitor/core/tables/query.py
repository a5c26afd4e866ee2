"""From a URL to SQL: search, filters, order and page, each from its declaration."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy import types as sql

from .declare import Column, Table
from .state import UrlState

NONE = "none"


@dataclass
class Narrowing:
    """What a URL narrows a table to: SQL conditions, and each of them in words with its way out."""

    conditions: list[Any] = field(default_factory=list)
    chips: list[tuple[str, str]] = field(default_factory=list)


def narrow(table: Table, state: UrlState) -> Narrowing:
    """Read search and filters from a URL; what cannot be read (a date that is none) is left out."""
    found = Narrowing()
    for word in state.get("q").split():
        looked_at = [c.expression.icontains(word, autoescape=True) for c in table.columns if c.search]
        if looked_at:
            found.conditions.append(or_(*looked_at))
    for column in table.columns:
        if column.filter:
            _filter(column, state, found)
    return found


def order(table: Table, state: UrlState) -> list[Any]:
    """The ORDER BY: what the URL asks, unknown values last, the key to settle ties."""
    clauses = []
    for name in sorting(table, state).split(","):
        column = table.by_name[name.removeprefix("-")]
        direction = column.expression.desc() if name.startswith("-") else column.expression.asc()
        clauses.append(direction.nulls_last() if _is_nullable(column) else direction)
    return [*clauses, *table.primary]


def sorting(table: Table, state: UrlState) -> str:
    """The sort of a URL as column names, "-" for descending; the table's own when it says none that is known."""
    names = [name for name in state.get("sort").split(",") if _sortable(table, name.removeprefix("-"))]
    return ",".join(names) or table.sort


def rows(table: Table, conditions: Sequence[Any]) -> Select[Any]:
    """SELECT the columns (and the key, for links) of the rows that fulfil the conditions."""
    columns = [c.expression.label(c.name) for c in table.columns]
    keys = [key for key in table.primary if key.key not in table.by_name]
    return _joined(table, select(*columns, *keys)).where(*conditions)


def count(table: Table, conditions: Sequence[Any]) -> Select[Any]:
    """SELECT how many rows fulfil the conditions."""
    counted = select(func.count())
    return (_joined(table, counted) if conditions else counted.select_from(table.model)).where(*conditions)


def choices(table: Table, column: Column) -> Select[Any]:
    """SELECT the distinct values of a column, from its own table alone."""
    return (
        select(column.expression)
        .where(column.expression.is_not(None))
        .distinct()
        .order_by(column.expression)
        .limit(500)
    )


def _joined(table: Table, statement: Select[Any]) -> Select[Any]:
    statement = statement.select_from(table.model)
    for model in table.joins:
        statement = statement.outerjoin(model)
    return statement


def _sortable(table: Table, name: str) -> bool:
    return name in table.by_name and table.by_name[name].sort


def _is_nullable(column: Column) -> bool:
    return bool(getattr(column.expression, "nullable", True))


def _filter(column: Column, state: UrlState, found: Narrowing) -> None:
    if column.kind in ("choice", "flag"):
        _choice(column, state, found)
    elif column.kind == "text":
        if text := state.get(f"{column.name}.has"):
            found.conditions.append(column.expression.icontains(text, autoescape=True))
            found.chips.append((f"{column.label.lower()} contains {text}", state.drop(f"{column.name}.has")))
    else:
        _range(column, state, found)


def _choice(column: Column, state: UrlState, found: Narrowing) -> None:
    values = state.all(column.name)
    if column.kind == "flag":
        values = [value for value in values if value in ("yes", "no", NONE)]
    if not values:
        return
    tests = [_equals(column, value) for value in values]
    found.conditions.append(or_(*tests))
    for value in values:
        said = column.empty if value == NONE else value
        found.chips.append((f"{column.label.lower()} is {said}", state.drop(column.name, value=value)))


def _equals(column: Column, value: str) -> Any:
    if value == NONE:
        return column.expression.is_(None)
    return column.expression.is_(value == "yes") if column.kind == "flag" else column.expression == value


def _range(column: Column, state: UrlState, found: Narrowing) -> None:
    low_name, high_name = f"{column.name}.from", f"{column.name}.to"
    low, high = _value(column, state.get(low_name)), _value(column, state.get(high_name))
    label = column.label.lower()
    if low is not None:
        found.conditions.append(column.expression >= low)
        found.chips.append((f"{label} from {state.get(low_name)}", state.drop(low_name)))
    if high is not None:
        through_the_day = isinstance(column.expression.type, sql.DateTime)
        test = column.expression < high + timedelta(days=1) if through_the_day else column.expression <= high
        found.conditions.append(and_(test))
        found.chips.append((f"{label} to {state.get(high_name)}", state.drop(high_name)))


def _value(column: Column, text: str) -> Any:
    """A bound of a range in the column's type; None when the text is empty or no such value."""
    try:
        if column.kind == "number":
            number = Decimal(text)
            return number if number.is_finite() else None
        day = date.fromisoformat(text)
    except (ValueError, InvalidOperation):
        return None
    as_moment = column.expression.type.python_type is datetime
    return datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00") if as_moment else day
