"""What a table shows, for programs: a page as JSON, or all as CSV or XLSX, read in short batches to hold up nobody."""

import csv
from collections.abc import Callable, Iterator
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
from ..time import today
from .declare import Row, word
from .table import TableView

BATCH = 500
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {"csv": "text/csv", "json": "application/json", "xlsx": _SHEET}
Read = Callable[[], AbstractContextManager[Session]]


def one_page(view: TableView, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One page as programs read it: its rows, how many there are, and the URL of the next page."""
    following = view.state.with_(page=str(view.page + 1)) if view.page < view.pages else None
    counts = {name: getattr(view, name) for name in ("total", "matching", "page", "pages")}
    return {**counts, "next": following, "rows": rows}


def export(view: TableView, kind: str, read: Read) -> Response:
    """The page that is asked for as JSON, or a file of all rows that match, in the order and columns shown."""
    source, columns = view.source, [column for column in view.shown if not column.is_secret]
    if kind == "json":
        names = {key.key: f"key_{i}" for i, key in enumerate(source.primary)} | {c.name: c.name for c in columns}
        rows = [{name: row.row[label] for name, label in names.items()} for row in view.rows]
        return Response(to_json(one_page(view, rows), inf_nan_mode="null"), media_type=TYPES[kind])
    with read() as db:
        keys = [tuple(key) for key in db.execute(source.keys(view.conditions).order_by(*source.order(view.state)))]
    cells = ([row[column.name] for column in columns] for row in _rows(view, iter(keys), read))
    lines = (list(map(_plain, line)) for line in chain([[column.label for column in columns]], cells))
    encoded = map(csv.writer(SimpleNamespace(write=str.encode)).writerow, lines)  # it returns what `write` does
    joined = map(b"".join, iter(lambda: list(islice(encoded, BATCH)), []))  # for each piece is a turn of a thread
    body = joined if kind == "csv" else sheets.write(view.id, lines)
    headers = {"Content-Disposition": f'attachment; filename="{quote(view.id)}-{today()}.{kind}"'}
    return StreamingResponse(body, media_type=TYPES[kind], headers=headers)


def _rows(view: TableView, keys: Iterator[Any], read: Read) -> Iterator[Row]:
    """The rows of these keys, in their order; those that are gone by now are left out."""
    while batch := list(islice(keys, BATCH)):
        with read() as db:
            rows = view.source.rows(db, batch)
        yield from rows


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
