"""Imports: rows from a CSV or XLSX file through a form's fields; a dry run first, then all of it or nothing."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel
from starlette.datastructures import UploadFile

from . import sheets
from .db import Session
from .errors import Refused, UserError
from .forms import Field, FieldView, Form, FormView, Options, text_of

LARGEST = 5_000_000  # bytes
LONGEST = 3_000  # rows: a file is one transaction, in which nobody else can write
OUT = "-"
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
    """Where an import stands: a form to fill in, or lines to agree to; `said` when it is done."""

    form: FormView
    lines: list[Line] = field(default_factory=list)
    said: str = ""

    @property
    def status(self) -> int:
        """The HTTP status to show it with."""
        return 200 if self.form.is_valid else 422


class Import:
    """Rows from a file by a form's fields; `key` is the unique one that tells rows that are there from new ones."""

    def __init__(self, form: Form, *, key: str) -> None:
        self.form, self.fields = form, {one.name: one for one in form.fields}
        self.key = self.fields[key]

    def show(self, error: str = "") -> ImportView:
        """The first step: choose a file; `error` says what was wrong with the last one."""
        names = ", ".join(one.label for one in self.form.fields)
        help = f"CSV or XLSX, up to {LONGEST:,} rows below one of names: {names}. An empty cell changes nothing."
        step = ImportView(FormView([FieldView("file", "File", help, "file", True)]))
        if error:
            step.form.reject("file", error)
        return step

    def take(self, db: Session, data: Mapping[str, Any]) -> ImportView:
        """One step on: a file was sent, its columns were chosen, or what it would do was agreed to."""
        try:
            rows = _rows(data)
        except UserError as error:
            return self.show(str(error))
        step = ImportView(self._columns(rows[0][1], data))
        step.form.hidden["rows"] = _ROWS.dump_json(rows).decode()
        if "column-0" in data and step.form.is_valid:
            step.form.hidden |= {one.name: one.value for one in step.form.fields}
            step.lines = self._plan(db, rows[1:], [self.fields.get(one.value) for one in step.form.fields])
        if step.lines and "apply" in data:
            step.said = self._write(db, step.lines)
        return step

    def _columns(self, heads: list[str], data: Mapping[str, Any]) -> FormView:
        """What each column holds: as chosen, else as its name says."""
        guesses = {word.casefold(): one.name for one in self.form.fields for word in (one.name, one.label)}
        options, taken = [(OUT, "leave out"), *((one.name, one.label) for one in self.form.fields)], {OUT}
        shown = FormView([])
        for i, head in enumerate(heads):
            name, value = f"column-{i}", str(data.get(f"column-{i}") or guesses.get(head.casefold(), OUT))
            label = f"Column “{head[:60] or i + 1}”"
            shown.fields.append(FieldView(name, label, "", "select", True, value, options=options))
            if value != OUT and value in taken:
                shown.reject(name, "Another column is that already; leave one of them out.")
            taken.add(value)
        if self.key.name not in taken and "column-0" in data:
            shown.reject("", f"Say which column is the {self.key.label.lower()}: it tells rows apart.")
        return shown

    def _plan(self, db: Session, rows: Rows, columns: list[Field | None]) -> list[Line]:
        """What each row would do to what is there now; an empty cell never blanks what is known."""
        options = {name: one.options(db) for name, one in self.fields.items()}
        values = {name: {label.casefold(): value for value, label in pairs} for name, pairs in options.items()}
        lines, seen, name = [], dict[Any, int](), self.key.name
        for number, cells in rows:
            pairs = [(one.name, cell) for one, cell in zip(columns, cells, strict=False) if one and cell]
            line = Line(number, {one: values[one].get(cell.casefold(), cell) for one, cell in pairs})
            with suppress(ValueError):
                line.key = self.key.parse(line.typed.get(name), options[name])
                if seen.setdefault(line.key, number) != number:
                    line.what.append(f"Row {seen[line.key]} has the same {self.key.label.lower()}.")
            if any(cells[len(columns) :]):
                line.what.append("It has more cells than the first row.")
            lines.append(line)
        found = select(self.form.model).where(getattr(self.form.model, name).in_(seen))
        known = {getattr(row, name): row for row in db.execute(found).scalars()}
        for line in lines:
            self._compare(line, known.get(line.key), options)
        return lines

    def _compare(self, line: Line, row: SQLModel | None, options: dict[str, Options]) -> None:
        """What a row would do, beside the one that is there."""
        old = {n: one.default() if row is None else getattr(row, n) for n, one in self.fields.items()}
        start = {name: text_of(value) for name, value in old.items() if not self.fields[name].secret}
        shown = self.form.validate(start | line.typed, row, options)
        line.what += [f"{one.label}: {one.error}".removeprefix(": ") for one in shown.problems]
        line.values = old | {name: value for name, value in shown.data.items() if row is None or name in line.typed}
        if line.what:
            return
        for name in (name for name in line.typed if name != self.key.name):
            one, was, value = self.fields[name], old[name], line.values[name]
            if row is None or was != value:
                arrow = f"{one.said(was, options[name])} → " if row is not None else ""
                line.what.append(f"{one.label}: {arrow}{one.said(value, options[name])}")
        line.outcome = "new" if row is None else "changed" if line.what else "as before"

    def _write(self, db: Session, lines: list[Line]) -> str:
        if wrong := sum(line.outcome == "wrong" for line in lines):
            raise Refused(409, f"{wrong:,} rows are wrong, so nothing was imported; mend the file and choose it again.")
        try:
            rows = [line.values for line in lines if line.outcome != "as before"]
            done = db.upsert(self.form.model, rows, key=self.key.name)
        except IntegrityError as error:
            what = str(error.orig).splitlines()[0]
            raise Refused(409, f"The database refuses a row ({what}), so nothing was imported.") from error
        return f"{done.created:,} rows are added, {done.updated:,} changed"


def _rows(data: Mapping[str, Any]) -> Rows:
    """The rows of the file that was sent, or those that come back with a form; UserError when there are none."""
    if isinstance(file := data.get("file"), UploadFile):
        content = file.file.read(LARGEST + 1)
        if not 0 < len(content) <= LARGEST:
            raise UserError(f"Choose a file that is not empty, of at most {LARGEST // 1_000_000} MB.")
        filled = ((number, row) for number, row in enumerate(sheets.read(content, str(file.filename)), 1) if any(row))
        rows = list(islice(filled, LONGEST + 2))
    else:
        try:
            rows = _ROWS.validate_json(str(data.get("rows")))
        except ValidationError as error:
            raise UserError("Choose a file.") from error
    if not 2 <= len(rows) <= LONGEST + 1:
        raise UserError(f"It needs a first row that names the columns, and 1 to {LONGEST:,} rows below it.")
    return rows
