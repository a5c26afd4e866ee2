"""What a table shows, as a file: CSV, JSON or XLSX, read in short batches so that a slow client holds up nobody."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter
from starlette.responses import Response, StreamingResponse

from .. import sheets
from ..db import Session
from ..errors import Refused
from ..time import today
from .declare import Column, Row, word
from .view import TableView

BATCH = 500
MOST_IN_XLSX = 1_048_575
TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_json: TypeAdapter[Any] = TypeAdapter(Any)
Read = Callable[[], AbstractContextManager[Session]]


def export(view: TableView, kind: str, read: Read) -> Response:
    """All rows that match, in the order and columns shown; JSON gives one page when the URL names one."""
    source, state = view.source, view.state
    wanted = source.keys(view.conditions).order_by(*source.order(state))
    is_paged = kind == "json" and bool(state.get("page") or state.get("size"))
    if is_paged:
        wanted = wanted.limit(view.size).offset((view.page - 1) * view.size)
    elif kind == "xlsx" and view.matching > MOST_IN_XLSX:
        raise Refused(422, f"A sheet holds {MOST_IN_XLSX:,} rows, and {view.matching:,} match; filter, or take CSV.")
    with read() as db:
        found = db.execute(wanted)
        keys = found.scalars().all() if len(source.primary) == 1 else [tuple(key) for key in found]
    columns = [column for column in view.shown if not column.is_secret]
    batches = _batches(view, keys, read)
    if kind == "json":
        return StreamingResponse(_as_json(view, columns, batches, is_paged), media_type=TYPES[kind])
    lines = _lines(columns, batches)
    body: Iterator[Any] = _as_csv(lines) if kind == "csv" else sheets.write(view.id, chain.from_iterable(lines))
    named = {"Content-Disposition": f'attachment; filename="{quote(view.id)}-{today()}.{kind}"'}
    return StreamingResponse(body, media_type=TYPES[kind], headers=named)


def _batches(view: TableView, keys: Iterable[Any], read: Read) -> Iterator[list[Row]]:
    """The rows of these keys, in their order; those that are gone by now are left out."""
    source, rest = view.source, iter(keys)
    while batch := list(islice(rest, BATCH)):
        with read() as db:
            found = {source.key(row): row for row in db.execute(source.rows(batch)).mappings()}
        yield [found[key] for key in batch if key in found]


def _as_json(view: TableView, columns: list[Column], batches: Iterator[list[Row]], is_paged: bool) -> Iterator[bytes]:
    page, pages = (view.page, view.pages) if is_paged else (1, 1)
    following = view.state.with_(page=str(page + 1)) if page < pages else None
    about = {"total": view.total, "matching": view.matching, "page": page, "pages": pages, "next": following}
    yield _json.dump_json(about)[:-1] + b',"rows":['
    names = {key.key: f"key_{i}" for i, key in enumerate(view.source.primary)} | {c.name: c.name for c in columns}
    comma = b""
    for row in (row for batch in batches for row in batch):
        yield comma + _json.dump_json({name: row[label] for name, label in names.items()})
        comma = b","
    yield b"]}"


def _lines(columns: list[Column], batches: Iterator[list[Row]]) -> Iterator[list[list[Any]]]:
    """The labels, then batches of rows, in values that a sheet can hold."""
    yield [[_plain(column.label) for column in columns]]
    for batch in batches:
        yield [[_plain(row[column.name]) for column in columns] for row in batch]


def _plain(value: Any) -> Any:
    """A value for a sheet: numbers and dates as such, moments in UTC, the rest as text that is no formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if value is None or isinstance(value, int | float | Decimal | date | time):
        return value
    text = _json.dump_json(value).decode() if isinstance(value, dict | list) else word(value)
    return f"'{text}" if text.startswith(sheets.FORMULA) else text


def _as_csv(lines: Iterator[list[list[Any]]]) -> Iterator[str]:
    for batch in lines:
        text = io.StringIO()
        csv.writer(text).writerows(batch)
        yield text.getvalue()
