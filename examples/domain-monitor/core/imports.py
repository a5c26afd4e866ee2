"""Imports: rows from a CSV or XLSX file through a form's fields; a dry run first, then all of it or nothing."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from starlette.datastructures import UploadFile

from . import sheets
from .db import Session
from .errors import UserError
from .forms import FieldView, Form, FormView, text_of

LONGEST = 3_000  # rows: a file is one transaction, in which nobody else can write
Rows = list[tuple[int, list[str]]]
_ROWS = TypeAdapter(Rows)


@dataclass
class Line:
    """One row of a file: its cells as typed, and what it would do or what is wrong with it."""

    number: int
    typed: dict[str, str]
    what: list[str] = field(default_factory=list)
    key: Any = None
    outcome: str = "wrong"
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class ImportView:
    """Where an import stands: a form to choose a file, its columns, lines to agree to; `said` when it is done."""

    form: FormView
    lines: list[Line] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    said: str = ""
    status: int = 200  # of HTTP, to show it with


class Import:
    """Rows from a file by a form's fields; `key` is the unique one that tells rows that are there from new ones."""

    def __init__(self, form: Form, *, key: str) -> None:
        self.form, self.fields = form, {one.name: one for one in form.fields}
        self.key = self.fields[key]

    def show(self, error: str = "") -> ImportView:
        """The first step: choose a file; `error` says what was wrong with the last one."""
        names = ", ".join(one.label for one in self.form.fields)
        help = f"CSV or XLSX, up to {LONGEST:,} rows below one of names: {names}. An empty cell changes nothing."
        step = ImportView(FormView([FieldView("file", "File", help, "file", True)]), status=422 if error else 200)
        if error:
            step.form.reject("file", error)
        return step

    def take(self, db: Session, data: Mapping[str, Any]) -> ImportView:
        """One step on: a file was sent, its columns were chosen, or what it would do was agreed to."""
        try:
            rows = _rows(data)
        except UserError as error:
            return self.show(str(error))
        step, columns = ImportView(FormView([], hidden={"rows": _ROWS.dump_json(rows).decode()})), dict[str, int]()
        places = {str(place): head or f"column {place + 1}" for place, head in enumerate(rows[0][1])}
        for one in self.form.fields:
            shown = FieldView(f"column-{one.name}", one.label, kind="select", required=one is self.key)
            alike = [place for place, head in places.items() if head.casefold() in (one.name, one.label.casefold())]
            asked, shown.options = data.get(shown.name, alike[0] if len(alike) == 1 else ""), places.items()
            if asked in places:
                shown.value, columns[one.name] = asked, int(asked)
            step.form.fields.append(shown)
        step.left_out = [head for place, head in enumerate(rows[0][1]) if head and place not in columns.values()]
        if self.key.name in columns:
            step.lines = self._plan(db, columns, rows)
        else:
            step.form.reject(f"column-{self.key.name}", "Choose the column that tells rows apart.")
        try:  # a dry run, too, so that the database has its say
            right = [line.values for line in step.lines if line.outcome != "wrong"]
            done = db.upsert(self.form.model, right, key=self.key.name)
        except (IntegrityError, DataError) as error:
            step.form.reject("", f"The database refuses a row: {str(error.orig).splitlines()[0]}.")
        step.status = 422 if step.form.problems or len(right) < len(step.lines) else 200
        if "apply" in data and step.status == 200:
            step.said = f"{done.created:,} rows are added, {done.updated:,} changed"
        else:
            db.rollback()  # it keeps nothing, nor anybody waiting
        return step

    def _plan(self, db: Session, columns: Mapping[str, int], rows: Rows) -> list[Line]:
        """What each row would do to what is there now; an empty cell never blanks what is known."""
        options = {name: one.options(db) for name, one in self.fields.items()}
        by_label = {n: {label.casefold(): value for value, label in known.items()} for n, known in options.items()}
        lines, seen, name = [], dict[Any, int](), self.key.name
        for number, cells in rows[1:]:
            pairs = [(n, cells[place]) for n, place in columns.items() if any(cells[place : place + 1])]
            line = Line(number, {n: by_label[n].get(cell.casefold(), cell) for n, cell in pairs})
            with suppress(ValueError):
                line.key = self.key.parse(line.typed.get(name), options[name])
                if seen.setdefault(line.key, number) != number:
                    line.what.append(f"Row {seen[line.key]} has the same {self.key.label.lower()}.")
            if any(cells[len(rows[0][1]) :]):
                line.what.append("It has more cells than the first row.")
            lines.append(line)
        found = select(self.form.model).where(self.key.attribute.in_(seen)).order_by(self.key.attribute)
        there = {getattr(row, name): row for row in db.execute(found.with_for_update()).scalars()}
        for line in lines:
            row = there.get(line.key)
            old = {n: one.default() if row is None else getattr(row, n) for n, one in self.fields.items()}
            start = {n: text_of(value) for n, value in old.items() if not self.fields[n].secret}
            shown = self.form.validate(start | line.typed, row, options)
            line.values = old | {n: value for n, value in shown.data.items() if row is None or n in line.typed}
            if line.what or not shown.is_valid:
                line.what += [f"{one.label}: {one.error}".removeprefix(": ") for one in shown.problems]
                continue
            for one in (self.fields[n] for n in line.typed if n != name):
                was, value = (one.said(values[one.name], options[one.name]) for values in (old, line.values))
                if row is None or old[one.name] != line.values[one.name]:
                    line.what.append(f"{one.label}: {value}" if row is None else f"{one.label}: {was} → {value}")
            outcome = "changed" if line.what else "as before"
            line.outcome = outcome if row is not None else "new"
        return lines


def _rows(data: Mapping[str, Any]) -> Rows:
    """The rows of the file that was sent, or those that come back with a form; UserError when there are none."""
    rows: Rows = []
    if isinstance(file := data.get("file"), UploadFile):
        found = enumerate(sheets.read(file.file.read(), str(file.filename)), 1)
        rows = list(islice(((number, row) for number, row in found if any(row)), LONGEST + 2))
    else:
        with suppress(ValidationError):
            rows = _ROWS.validate_json(str(data.get("rows")))
    if not 2 <= len(rows) <= LONGEST + 1:
        raise UserError(f"It needs a first row that names the columns, and 1 to {LONGEST:,} rows below it.")
    return rows
