"""Forms: declared from a model, validated by its types, shown again with what was typed and what is wrong."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python
from sqlalchemy import Column, String, delete, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import AutoString, SQLModel, col
from sqlmodel import Field as ModelField

from .crypto import Encrypted, fingerprint, new_token
from .db import Session
from .errors import DeclarationError
from .marks import declared_here
from .time import now

Choices = Sequence[str | tuple[str, str]] | Callable[[Session], Sequence[str | tuple[str, str]]]
Options = Sequence[tuple[str, str]]
LARGEST_NUMBER = 2**63
SENT_KEPT = timedelta(days=1)
CHANGED = "Somebody changed this meanwhile; what is stored now stands beside what you typed. Save again to overwrite."
_CHECKED = ("on", "true", "1")
_KINDS = {Enum: "select", bool: "checkbox", int: "number", float: "number", Decimal: "number", datetime: "datetime"}
_KINDS |= {date: "date"}
_LIMITS = ("ge", "le", "decimal_places", "min_length", "max_length")
_seal = Encrypted()


class SentForm(SQLModel, table=True):
    """A form that was sent and where that led, so that a second click does nothing and goes the same way."""

    __tablename__ = "core_sent_form"

    key: str = ModelField(primary_key=True)
    at: datetime = ModelField(default_factory=now, index=True)
    url: str = "/"
    toast: str = ""


class SentAgain(Exception):
    """The same form came twice; its argument is the SentForm of the first time."""


@dataclass
class FieldView:
    """One input, ready to render; `stored` is what somebody else has put there meanwhile.

    `kind` is a type of HTML's inputs, or datetime, textarea or select; `limits` are Pydantic's: ge, max_length ….
    """

    name: str
    label: str
    help: str
    kind: str
    required: bool
    value: str = ""
    checked: bool = False
    error: str = ""
    stored: str = ""
    options: Options = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    autocomplete: str = "off"
    placeholder: str = ""


@dataclass
class FormView:
    """A form that is shown: its inputs, and after a failed try what was typed and what is wrong with it."""

    fields: list[FieldView]
    data: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    problems: list[FieldView] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether `data` may be used."""
        return not self.problems

    def json(self) -> dict[str, Any]:
        """The data as JSON can hold it."""
        plain: dict[str, Any] = to_jsonable_python(self.data)
        return plain

    def reject(self, name: str, error: str) -> None:
        """Say what is wrong with one field, or with the whole form (name "")."""
        found = next((one for one in self.fields if one.name == name), FieldView("", "", "", "hidden", False))
        found.error = f"{found.error} {error}".strip()
        if not any(one is found for one in self.problems):
            self.problems.append(found)


class Field:
    """One input of a form: a model's attribute, with what its type does not say.

    `choices` are values or (value, label) pairs, or a function of the session; a foreign key offers the rows of its
    table by itself. `secret` shows a password input that keeps what is stored when left empty; `multiline` a text area.
    """

    def __init__(
        self,
        attribute: Any,
        *,
        label: str = "",
        help: str = "",
        choices: Choices | None = None,
        secret: bool = False,
        multiline: bool = False,
        placeholder: str = "",
    ) -> None:
        model = getattr(attribute, "class_", None)
        if model is None or attribute.key not in model.model_fields:
            raise DeclarationError(
                f"{declared_here()}: Field({attribute!r}) is no model attribute; write it like Field(Domain.name)."
            )
        self.choices, self.secret = choices, secret
        kind = "password" if secret else "textarea" if multiline else ""
        self._describe(attribute.key, model.model_fields[attribute.key], inspect(model).columns[attribute.key], kind)
        self.blank.label, self.blank.help = label or self.blank.label, help or self.blank.help
        self.blank.placeholder = placeholder

    @classmethod
    def plain(cls, name: str, info: FieldInfo) -> "Field":
        """An input that no model stands behind, such as a parameter of a job."""
        made = cls.__new__(cls)
        made.choices, made.secret = None, False
        made._describe(name, info, None, "")
        return made

    def _describe(self, name: str, info: FieldInfo, column: Column[Any] | None, kind: str) -> None:
        self.name, self.info = name, info
        unwrapped: tuple[Any, bool] = _unwrap(info.annotation)
        self.type, self.is_optional = unwrapped
        self.is_unique = column is not None and bool(column.unique or column.primary_key)
        self.points_to = next(iter(column.foreign_keys), None) if column is not None else None
        is_chosen = self.choices is not None or self.points_to or get_origin(self.type) is Literal
        kind = kind or ("select" if is_chosen else _kind(self.type))
        self.is_required = not self.is_optional and kind != "checkbox" and info.is_required()
        label = name.removesuffix("_id").replace("_", " ").capitalize()
        self.blank = FieldView(name, label, info.description or "", kind, self.is_required)
        limits: dict[str, Any] = {"decimal_places": 0} if self.type is int else {}
        said = {limit: getattr(rule, limit) for rule in info.metadata for limit in _LIMITS if hasattr(rule, limit)}
        self.blank.limits = limits | said

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """What makes a value of a text."""
        pattern = self.info._attributes_set.get("regex")  # SQLModel takes it, and tells Pydantic nothing
        whole: Any = Annotated[self.type, StringConstraints(pattern=pattern), *self.info.metadata]
        return TypeAdapter(whole)

    def default(self) -> Any:
        """What the model takes when nothing is given; None when it has to be."""
        return None if self.info.is_required() else self.info.get_default(call_default_factory=True)

    def options(self, db: Session) -> Options:
        """What can be chosen now, where something is."""
        given: Any = self.choices(db) if callable(self.choices) else self.choices
        if given is None and self.blank.kind == "select" and self.points_to:
            key = self.points_to.column
            given = db.execute(select(key, _name_of(key)).order_by(_name_of(key)))
        elif given is None and self.blank.kind == "select":
            values = get_args(self.type) or [one.value for one in self.type]
            given = [(value, str(value).replace("_", " ")) for value in values]
        pairs = ((one, one) if isinstance(one, str) else one for one in given or ())
        return [(str(value), str(label)) for value, label in pairs]

    def view(self, value: Any, options: Options, *, is_kept: bool = False) -> FieldView:
        """The input with a value in it; `is_kept` when leaving it empty keeps what is stored."""
        text = "" if self.secret else text_of(value)
        shown = replace(self.blank, value=text, options=options, checked=value is True or value in _CHECKED)
        if is_kept:
            shown.required, shown.placeholder = False, "Leave empty to keep it"
        return shown

    def parse(self, typed: object, options: Options) -> Any:
        """What was typed, in the field's type; ValueError with a sentence when it does not fit."""
        text = _typed(typed)
        if self.blank.kind == "checkbox" and text in ("", "false", *_CHECKED):
            return text in _CHECKED
        if self.blank.kind == "checkbox":
            raise ValueError(f"{text!r} is neither yes nor no.")
        if not text and self.is_required:
            raise ValueError("This is needed.")
        if not text:
            return None if self.is_optional else self.default()
        if self.blank.kind == "select" and text not in dict(options):
            is_gone = self.points_to and self.choices is None
            raise ValueError("It is gone; choose another." if is_gone else f"{text!r} is not one of the choices.")
        try:
            value: Any = self.adapter.validate_python(text)
        except ValidationError as error:
            said = str(error.errors()[0]["msg"]).removeprefix("Value error, ").removeprefix("Input ")
            raise ValueError(f"{said[:1].upper()}{said[1:]}.") from error
        if isinstance(value, int | float | Decimal) and not -LARGEST_NUMBER < value < LARGEST_NUMBER:
            raise ValueError("Should be a number that can be stored.")
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return str(value) if self.blank.kind in ("email", "url") else value

    def said(self, value: Any, options: Options) -> str:
        """A stored value as a person compares it."""
        text = "••••" if self.secret and value else text_of(value)
        return {"true": "yes", "false": "no", "": "empty", **dict(options)}.get(text, text)


class Form:
    """The inputs for one model, in order. `check(data)` yields (field name or "", what is wrong) across fields."""

    def __init__(
        self,
        model: type[SQLModel],
        *fields: Field,
        check: Callable[[dict[str, Any]], Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        if not fields:
            name = model.__name__
            raise DeclarationError(f"{declared_here()}: Form({name}) has no fields; add a Field({name}.…).")
        self.model, self.fields, self.check = model, fields, check

    def show(self, db: Session, row: SQLModel | None = None, **values: Any) -> FormView:
        """An empty form, or one with a row's (or these) values."""
        given = {one.name: getattr(row, one.name) if row else one.default() for one in self.fields} | values
        fields = [f.view(given[f.name], f.options(db), is_kept=f.secret and row is not None) for f in self.fields]
        return FormView(fields, hidden=self._hidden(db, row))

    def read(self, db: Session, typed: Mapping[str, Any], row: SQLModel | None = None) -> FormView:
        """Validate what was typed; `row` is the one being edited. Use `.data` when `.is_valid`.

        Raises SentAgain for the form of a new row that was sent, and saved, before.
        """
        sent, is_changed = _sent(db, typed), self._is_changed(db, row, typed)
        shown = self.validate(typed, row, {one.name: one.options(db) for one in self.fields})
        shown.hidden = self._hidden(db, row)
        for one, view in zip(self.fields, shown.fields, strict=True):
            stored = getattr(row, one.name, None)
            value = shown.data.get(one.name, stored)
            if one.is_unique and value not in (None, stored):
                attribute = getattr(self.model, one.name)
                if db.execute(select(attribute).where(attribute == value)).first():
                    shown.reject(one.name, f"{value} is taken.")
            if is_changed and (view.error or value != stored):
                view.stored = one.said(stored, view.options)
        if any(view.stored for view in shown.fields):
            shown.reject("", CHANGED)
        if error := db.info.pop("refused", None):
            self._blame(shown, error)
        if sent and shown.is_valid:
            db.bulk(delete(SentForm).where(col(SentForm.at) < now() - SENT_KEPT), why="forms sent long ago")
            db.add(sent)
            db.info["sent"] = sent
        db.info["read"] = True
        return shown

    def validate(self, typed: Mapping[str, Any], row: SQLModel | None, options: Mapping[str, Options]) -> FormView:
        """What was typed and what is wrong with it by itself; `options` are the fields' own."""
        shown = FormView([])
        for one in self.fields:
            text, is_kept = typed.get(one.name), one.secret and row is not None
            view = one.view(text if isinstance(text, str) else None, options[one.name], is_kept=is_kept)
            shown.fields.append(view)
            if is_kept and not _typed(text):
                continue
            try:
                value, stored = one.parse(text, options[one.name]), getattr(row, one.name, None)
                is_untouched = stored is not None and view.kind != "checkbox" and view.value == text_of(stored)
                shown.data[one.name] = stored if is_untouched else value  # an input holds no microseconds
            except ValueError as error:
                shown.reject(one.name, str(error))
        for name, what in self.check(shown.data) if self.check and shown.is_valid else ():
            shown.reject(name, what)
        return shown

    def save(self, db: Session, shown: FormView, row: SQLModel | None = None) -> SQLModel:
        """Write a valid form to a new row or to this one; it is flushed, so it has its key."""
        target = row if row is not None else self.model()
        target.sqlmodel_update(shown.data)
        db.add(target)
        db.flush()
        return target

    def _hidden(self, db: Session, row: SQLModel | None) -> dict[str, str]:
        """What a form brings back: a token to be used once; or what the row was, sealed, for it may hold secrets."""
        if row is None:
            return {"_once": new_token()}
        return {"_version": str(_seal.process_bind_param(self._print(row), db.get_bind().dialect))}

    def _print(self, row: SQLModel) -> str:
        return fingerprint(repr([getattr(row, one.name) for one in self.fields]))

    def _is_changed(self, db: Session, row: SQLModel | None, typed: Mapping[str, Any]) -> bool:
        """Whether the row is another than the one that the form was made from."""
        if row is None or not typed.get("_version") or not inspect(row).persistent:
            return False
        db.refresh(row, with_for_update=True)
        return bool(_seal.process_result_value(typed["_version"], db.get_bind().dialect) != self._print(row))

    def _blame(self, shown: FormView, error: IntegrityError) -> None:
        """Say beside its field what the database refused when this action ran before."""
        said = str(error.orig).partition(")=(")[0]  # PostgreSQL goes on with the value
        named = [one.blank for one in self.fields if re.search(rf"\b{one.name}\b", said)]
        if "FOREIGN" in said.upper():
            named, what = [one.blank for one in self.fields if one.points_to], "What was chosen is gone; choose again."
        elif "UNIQUE" in said.upper() and named:
            what = f"There is one with this {' and '.join(one.label.lower() for one in named)} already."
        else:
            what = f"The database refuses this: {said.splitlines()[0]}."
        if str(self.model.__tablename__) in (error.statement or ""):
            shown.reject(named[0].name if named else "", what)


def answered(db: Session | None, call: Callable[[], Any]) -> Any:
    """What an action returns; when the database refuses the row of its form, it runs again and the form says why."""
    is_first = db is not None and not db.has_begun
    try:
        return call()
    except IntegrityError as error:
        if db is None or not is_first or "read" not in db.info:
            raise
        db.rollback()
        db.info.clear()
        db.info["refused"] = error
        return call()


def _sent(db: Session, typed: Mapping[str, Any]) -> SentForm | None:
    """A form's mark by its token and content: who goes back and sends something else means it."""
    if "sent" in db.info or not typed.get("_once"):
        return None
    items = getattr(typed, "multi_items", typed.items)()
    sent = SentForm(key=fingerprint(repr(sorted((name, getattr(value, "filename", value)) for name, value in items))))
    if first := db.get(SentForm, sent.key):
        raise SentAgain(first)
    return sent


def text_of(value: Any) -> str:
    """A value as its input holds it."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return f"{value:%Y-%m-%dT%H:%M:%S}".removesuffix(":00") if isinstance(value, datetime) else str(value)


def _typed(value: object) -> str:
    """The text of an input, with plain line ends and without what a database refuses; "" for a file."""
    return value.replace("\r\n", "\n").replace("\0", "").strip() if isinstance(value, str) else ""


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether None was in it."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    rest = [part for part in parts if part is not type(None)]
    return rest[0], len(rest) < len(parts)


def _kind(type_: Any) -> str:
    known = [kind for one, kind in _KINDS.items() if isinstance(type_, type) and issubclass(type_, one)]
    named = [kind for kind in ("email", "url") if kind in getattr(type_, "__name__", "").lower()]
    return [*known, *named, "text"][0]


def _name_of(key: Column[Any]) -> Column[Any]:
    """The column that a table's rows are told apart by: its name, else its first text, else the key."""
    texts = [column for column in key.table.c if isinstance(column.type, String | AutoString)]
    return next((c for c in texts if c.name in ("name", "title", "label")), texts[0] if texts else key)
