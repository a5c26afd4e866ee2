"""What a table shows, as a file: CSV, JSON or XLSX, read in short batches so that a slow client holds up nobody."""

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from .. import sheets
from ..db import Session
from ..errors import Refused
from ..time import today
from .declare import Row, word
from .table import TableView

BATCH = 500
MOST_IN_XLSX = 1_048_575
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {"csv": "text/csv", "json": "application/json", "xlsx": _SHEET}
Read = Callable[[], AbstractContextManager[Session]]


def export(view: TableView, kind: str, read: Read) -> Response:
    """All rows that match, in the order and columns shown."""
    source = view.source
    if kind == "xlsx" and view.matching > MOST_IN_XLSX:
        raise Refused(422, f"A sheet holds {MOST_IN_XLSX:,} rows, and {view.matching:,} match; filter, or take CSV.")
    with read() as db:
        keys = [tuple(key) for key in db.execute(source.keys(view.conditions).order_by(*source.order(view.state)))]
    rows, columns = _rows(view, keys, read), [column for column in view.shown if not column.is_secret]
    if kind == "json":
        names = {key.key: f"key_{i}" for i, key in enumerate(source.primary)} | {c.name: c.name for c in columns}
        named = ({name: row[label] for name, label in names.items()} for row in rows)
        return StreamingResponse(_joined(_json(view, named)), media_type=TYPES[kind])
    cells = ([row[column.name] for column in columns] for row in rows)
    lines = (list(map(_plain, line)) for line in chain([[column.label for column in columns]], cells))
    line = csv.writer(SimpleNamespace(write=str.encode)).writerow  # it returns what `write` does
    body = _joined(map(line, lines)) if kind == "csv" else sheets.write(view.id, lines)
    headers = {"Content-Disposition": f'attachment; filename="{quote(view.id)}-{today()}.{kind}"'}
    return StreamingResponse(body, media_type=TYPES[kind], headers=headers)


def _rows(view: TableView, keys: Iterable[Any], read: Read) -> Iterator[Row]:
    """The rows of these keys, in their order; those that are gone by now are left out."""
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        with read() as db:
            found = {view.source.key(row): row for row in db.execute(view.source.rows(batch)).mappings()}
        yield from (found[key] for key in batch if key in found)


def _json(view: TableView, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield to_json({"total": view.total, "matching": view.matching})[:-1] + b',"rows":['
    comma = b""
    for row in rows:
        yield comma + to_json(row)
        comma = b","
    yield b"]}"


def _joined(pieces: Iterable[Any]) -> Iterator[bytes]:
    """Many at a time, for each piece is a turn of a thread."""
    rest = iter(pieces)
    while whole := b"".join(islice(rest, BATCH)):
        yield whole


def _plain(value: Any) -> Any:
    """A value for a sheet: numbers and dates as such, moments in UTC, the rest as text that is no formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if value is None or isinstance(value, int | float | Decimal | date | time):
        return value
    text = to_json(value).decode() if isinstance(value, dict | list) else word(value)
    return f"'{text}" if text.startswith(sheets.FORMULA) else text
