"""Imports: rows from a CSV or XLSX file through a form's fields; a dry run first, then all of it or nothing."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import JSON, delete, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col
from starlette.datastructures import UploadFile

from . import forms, sheets
from .crypto import new_token
from .db import Session
from .errors import DeclarationError, Refused, UserError
from .forms import FieldView, Form, FormView, text_of
from .marks import declared_here
from .time import now

LARGEST = 5_000_000  # bytes
LONGEST = 3_000  # rows: a file is one transaction, in which nobody else can write
KEPT = timedelta(hours=1)
OUT = "-"
_WORDS = {**dict.fromkeys(("yes", "y", "true", "1", "x"), "true"), **dict.fromkeys(("no", "n", "false", "0"), "false")}
_WRITTEN_DATES = ("%d.%m.%Y", "%Y/%m/%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_DECIMAL_COMMA = re.compile(r"-?(\d{1,3}(\.\d{3})+|\d+),\d+")
Rows = list[tuple[int, list[str]]]


class Upload(SQLModel, table=True):
    """A file's rows, numbered, between its upload and its import."""

    __tablename__ = "core_upload"

    token: str = Field(default_factory=new_token, primary_key=True)
    user: str
    rows: list[Any] = Field(sa_type=JSON)
    at: datetime = Field(default_factory=now, index=True)


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
        needed = [name for name, info in form.model.model_fields.items() if info.is_required()]
        wrong = [f"{name} is needed and has no Field" for name in needed if name not in self.fields]
        if key not in self.fields or not self.fields[key].is_unique:
            wrong.append(f"the key {key!r} is no field of the form with unique=True")
        if wrong:
            raise DeclarationError(f"{declared_here()}: Import({form.model.__name__}): {wrong[0]}.")
        self.key = self.fields[key]

    def show(self, error: str = "") -> ImportView:
        """The first step: choose a file; `error` says what was wrong with the last one."""
        names = ", ".join(one.blank.label for one in self.form.fields)
        help = f"CSV or XLSX, up to {LONGEST:,} rows below one of names: {names}. An empty cell changes nothing."
        step = ImportView(FormView([FieldView("file", "File", help, "file", True)]))
        if error:
            step.form.reject("file", error)
        return step

    def take(self, db: Session, data: Mapping[str, Any]) -> ImportView:
        """One step on: a file was sent, its columns were chosen, or what it would do was agreed to."""
        try:
            upload = _upload(db, data)
        except UserError as error:
            return self.show(str(error))
        step = ImportView(self._columns(upload.rows, data))
        step.form.hidden["upload"] = upload.token
        if "column-0" in data and step.form.is_valid:
            step.form.hidden |= {one.name: one.value for one in step.form.fields}
            step.lines = self._plan(db, upload.rows, [self.fields.get(one.value) for one in step.form.fields])
        if step.lines and "apply" in data:
            step.said = self._write(db, step.lines)
            db.bulk(delete(Upload).where(col(Upload.token) == upload.token), why="it is imported")
        return step

    def _columns(self, rows: Rows, data: Mapping[str, Any]) -> FormView:
        """What each column holds: as chosen, else as its name says."""
        guesses = {_plain(word): one.name for one in self.form.fields for word in (one.name, one.blank.label)}
        options = [(OUT, "leave out"), *((one.name, one.blank.label) for one in self.form.fields)]
        shown, taken = FormView([]), {OUT}
        for i, head in enumerate(rows[0][1]):
            name, guess = f"column-{i}", guesses.get(_plain(head), OUT)
            value = str(data.get(name) or (OUT if guess in taken else guess))
            such = next((f"Such as “{cells[i][:60]}”." for _, cells in rows[1:] if any(cells[i : i + 1])), "Empty.")
            label = f"Column “{head[:60] or i + 1}”"
            shown.fields.append(FieldView(name, label, such, "select", True, value, options=options))
            if value != OUT and value in taken:
                shown.reject(name, "Another column is that already; leave one of them out.")
            taken.add(value)
        if self.key.name not in taken and "column-0" in data:
            shown.reject("", f"Say which column is the {self.key.blank.label.lower()}: it tells rows apart.")
        return shown

    def _plan(self, db: Session, rows: Rows, columns: list[forms.Field | None]) -> list[Line]:
        """What each row would do to what is there now."""
        options = {name: one.options(db) for name, one in self.fields.items()}
        lines, name = [], self.key.name
        for number, cells in rows[1:]:  # empty cells are left out, so that they never blank what is known
            pairs = [(one, cell) for one, cell in zip(columns, cells, strict=False) if one and cell]
            lines.append(line := Line(number, {one.name: _typed(one, cell, options[one.name]) for one, cell in pairs}))
            if any(cells[len(columns) :]):
                line.what.append("It has more cells than the first row.")
            with suppress(ValueError):
                line.key = self.key.parse(line.typed.get(name), options[name])
        wanted = getattr(self.form.model, name).in_([line.key for line in lines])
        known = {getattr(row, name): row for row in db.execute(select(self.form.model).where(wanted)).scalars()}
        seen: dict[Any, int] = {}
        for line in lines:
            first = seen.setdefault(line.key, line.number)
            if line.key is not None and first != line.number:
                line.what.append(f"Row {first} has the same {self.key.blank.label.lower()}.")
            self._compare(line, known.get(line.key), options)
        return lines

    def _compare(self, line: Line, row: SQLModel | None, options: dict[str, forms.Options]) -> None:
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
                line.what.append(f"{one.blank.label}: {arrow}{one.said(value, options[name])}")
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


def _upload(db: Session, data: Mapping[str, Any]) -> Upload:
    """The file that was sent, read and kept; or the one that was before. UserError when there is none."""
    if isinstance(file := data.get("file"), UploadFile):
        content = file.file.read(LARGEST + 1)
        if not 0 < len(content) <= LARGEST:
            raise UserError(f"Choose a file that is not empty, of at most {LARGEST // 1_000_000} MB.")
        filled = ((number, row) for number, row in enumerate(sheets.read(content, str(file.filename)), 1) if any(row))
        rows = list(islice(filled, LONGEST + 2))
        if not 2 <= len(rows) <= LONGEST + 1:
            many = f"There are more than {LONGEST:,} rows; split them, for a file is imported whole or not at all."
            raise UserError(many if rows[1:] else "The first row names the columns, and there is no row below it.")
        db.bulk(delete(Upload).where(col(Upload.at) < now() - KEPT), why="forgotten uploads")
        db.add(upload := Upload(user=db.actor.name, rows=rows))
        return upload
    found = db.get(Upload, str(data.get("upload")))
    if found is None or found.user != db.actor.name or found.at < now() - KEPT:
        raise UserError("The file was imported already, or waited for an hour; choose it again.")
    return found


def _typed(one: forms.Field, cell: str, options: forms.Options) -> str:
    """A cell as somebody would type it: a choice by its label, a word for yes or no, a decimal comma, a date."""
    kind, word = one.blank.kind, cell.casefold()
    if kind == "checkbox":
        return _WORDS.get(word, cell)
    if kind == "select":
        return next((value for value, label in options if word in (value.casefold(), label.casefold())), cell)
    if kind == "number" and _DECIMAL_COMMA.fullmatch(cell):
        return cell.replace(".", "").replace(",", ".")
    for written in _WRITTEN_DATES if kind in ("date", "datetime") and cell[4:5] != "-" else ():
        with suppress(ValueError):
            return datetime.strptime(cell, written).date().isoformat()
    return cell


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
