"""Forms: declared from a model, validated by its types, shown again with what was typed and what is wrong."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy import Column, String, delete, inspect, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import AutoString, SQLModel, col
from sqlmodel import Field as ModelField

from .crypto import fingerprint, new_token
from .db import Session
from .errors import DeclarationError, Refused
from .marks import declared_here
from .time import now

Choices = Sequence[str | tuple[str, str]] | Callable[[Session], Sequence[str | tuple[str, str]]]
Options = Mapping[str, str]  # of values to labels
Check = Callable[[dict[str, Any]], Sequence[tuple[str, str]]]
LARGEST_NUMBER = 2**63
SENT_KEPT = timedelta(days=1)
CHANGED = "Somebody changed this meanwhile; what is stored now stands beside what you typed. Save again to overwrite."
_NUMBER = int | float | Decimal
_KINDS: dict[Any, str] = {Enum: "select", bool: "checkbox", _NUMBER: "number", datetime: "datetime", date: "date"}
_LIMITS = ("ge", "le", "decimal_places", "min_length", "max_length")
_NAMES = ("name", "title", "label")


class SentForm(SQLModel, table=True):
    """A form that was sent and where that led, so that a second click does nothing and goes the same way."""

    __tablename__ = "core_sent_form"

    key: str = ModelField(primary_key=True)
    at: datetime = ModelField(default_factory=now, index=True)
    url: str = "/"
    toast: str = "This was sent already; nothing is done twice."


class SentAgain(Exception):
    """The same form came twice; its argument is the SentForm of the first time."""


@dataclass
class FieldView:
    """One input, ready to render: `kind` is a type of HTML's inputs, or datetime, textarea or select."""

    name: str
    label: str = ""
    help: str = ""
    kind: str = "text"
    required: bool = False
    value: str = ""
    checked: bool = False
    error: str = ""
    stored: str = ""  # what somebody else has put there meanwhile
    options: Collection[tuple[str, str]] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)  # Pydantic's: ge, max_length …
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
        return {name: to_jsonable_python(value) for name, value in self.data.items()}

    def reject(self, name: str, error: str) -> None:
        """Say what is wrong with one field, or with the whole form (name "")."""
        found = next((one for one in self.fields if one.name == name), FieldView(""))
        found.error = f"{found.error} {error}".strip()
        self.problems = [*(one for one in self.problems if one is not found), found]


@dataclass(eq=False)
class Field:
    """One input of a form: a model's attribute (or a name and its info), with what its type does not say."""

    attribute: Any
    _: KW_ONLY
    label: str = ""
    help: str = ""
    choices: Choices | None = None  # or a function of the session; a foreign key offers its table's rows by itself
    secret: bool = False  # what is stored is not shown, and is kept when the input is left empty
    multiline: bool = False
    placeholder: str = ""
    info: Any = None

    def __post_init__(self) -> None:
        self.name: str = getattr(self.attribute, "key", self.attribute)
        model: Any = getattr(self.attribute, "class_", None)
        if not self.info and (model is None or self.name not in model.model_fields):
            what = f"Field({self.attribute!r}) is no model attribute; write it like Field(Domain.name)."
            raise DeclarationError(f"{declared_here()}: {what}")
        self.info = self.info or model.model_fields[self.name]
        column = inspect(model).columns[self.name] if model else Column()
        self.is_unique, self.points_to = column.unique or column.primary_key, next(iter(column.foreign_keys), None)
        asked = self.info.annotation
        parts = get_args(asked) if get_origin(asked) in (Union, UnionType) else (asked,)
        self.type: Any = next(part for part in parts if part is not NoneType)
        self.is_optional, self.kind = NoneType in parts, self._kind()
        self.is_required = not self.is_optional and self.kind != "checkbox" and self.info.is_required()
        self.label = self.label or self.name.removesuffix("_id").replace("_", " ").capitalize()
        self.limits: dict[str, Any] = {"decimal_places": 0} if self.type is int else {}
        for rule in self.info.metadata:
            self.limits |= {limit: getattr(rule, limit) for limit in _LIMITS if hasattr(rule, limit)}

    def _kind(self) -> str:
        if self.secret or self.multiline:
            return "password" if self.secret else "textarea"
        if self.choices is not None or self.points_to or get_origin(self.type) is Literal:
            return "select"
        known = [kind for one, kind in _KINDS.items() if isinstance(self.type, type) and issubclass(self.type, one)]
        named = [kind for kind in ("email", "url") if kind in getattr(self.type, "__name__", "").lower()]
        return [*known, *named, "text"][0]

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
        if given is None and self.points_to:  # its table's rows, by their name, else their first text, else the key
            key = self.points_to.column
            texts = [column for column in key.table.c if isinstance(column.type, String | AutoString)]
            shown = min([*texts, key], key=lambda column: column.name not in _NAMES)
            given = db.execute(select(key, shown).order_by(shown))
        elif given is None and self.kind == "select":
            words = get_args(self.type) or [one.value for one in self.type]
            given = [(word, str(word).replace("_", " ")) for word in words]
        pairs = [(one, one) if isinstance(one, str) else (str(one[0]), str(one[1])) for one in given or ()]
        often = Counter(label.casefold() for _, label in pairs)  # two of one name are told apart by their keys
        return {value: label if often[label.casefold()] == 1 else f"{label} ({value})" for value, label in pairs}

    def view(self, value: Any, options: Options, *, is_kept: bool = False) -> FieldView:
        """The input with a value in it; `is_kept` when leaving it empty keeps what is stored."""
        shown = FieldView(self.name, self.label, self.help or self.info.description or "", self.kind)
        shown.value, shown.checked = "" if self.secret else text_of(value), value in (True, "true", "on")
        shown.options, shown.limits, shown.required = options.items(), self.limits, self.is_required and not is_kept
        shown.placeholder = "Leave empty to keep it" if is_kept else self.placeholder
        return shown

    def parse(self, typed: object, options: Options) -> Any:
        """What was typed, in the field's type; ValueError with a sentence when it does not fit."""
        text = _typed(typed)
        if not text and self.is_required:
            raise ValueError("This is needed.")
        if not text and self.kind != "checkbox":
            return None if self.is_optional else self.default()
        if self.kind == "select" and text not in options:
            raise ValueError(f"{text!r} is not one of the choices.")
        try:
            value: Any = self.adapter.validate_python(text or "false")
        except ValidationError as error:
            said = str(error.errors()[0]["msg"]).removeprefix("Value error, ").removeprefix("Input ")
            raise ValueError(f"{said[:1].upper()}{said[1:]}.") from error
        if isinstance(value, _NUMBER) and not -LARGEST_NUMBER < value < LARGEST_NUMBER:
            raise ValueError("Should be a number that can be stored.")
        if isinstance(value, date) and "-" not in text[1:]:  # Pydantic takes 20270131 for seconds since 1970
            raise ValueError("Should be a date like 2027-01-31.")
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return str(value) if self.kind in ("email", "url") else value

    def said(self, value: Any, options: Options) -> str:
        """A stored value as a person compares it."""
        text = "••••" if self.secret and value else text_of(value)
        return options.get(text) or {"true": "yes", "false": "no", "": "empty"}.get(text, text)


class Form:
    """The inputs for one model, in order. `check(data)` yields (field name or "", what is wrong) across fields."""

    def __init__(self, model: type[SQLModel], *fields: Field, check: Check | None = None) -> None:
        self.model, self.fields, self.check, name = model, fields, check, model.__name__
        if not fields:
            raise DeclarationError(f"{declared_here()}: Form({name}) has no fields; add a Field({name}.…).")

    def show(self, db: Session, row: SQLModel | None = None, **values: Any) -> FormView:
        """An empty form, or one with a row's (or these) values."""
        given = {one.name: getattr(row, one.name) if row else one.default() for one in self.fields} | values
        fields = [
            f.view(given[f.name], f.options(db), is_kept=f.secret and bool(getattr(row, f.name, None)))
            for f in self.fields
        ]
        return FormView(fields, hidden=self._hidden(db, row))

    def read(self, db: Session, typed: Mapping[str, Any], row: SQLModel | None = None) -> FormView:
        """Validate what was typed, over `row` if one is edited; SentAgain for a new row that was sent and saved."""
        if row is not None and "_version" in typed:
            db.refresh(row, with_for_update=True)
        options = {one.name: one.options(db) for one in self.fields}
        shown = self.validate(typed, row, options)
        shown.hidden = self._hidden(db, row)
        is_changed = row is not None and typed.get("_version", shown.hidden["_version"]) != shown.hidden["_version"]
        for one, view in zip(self.fields, shown.fields, strict=True):
            stored = getattr(row, one.name, None)
            value = shown.data.get(one.name, stored)
            same = select(one.attribute).where(one.attribute == value) if one.is_unique else None
            if same is not None and value not in (None, stored) and db.execute(same).first():
                shown.reject(one.name, f"{value} is taken.")
            if is_changed and (view.error or value != stored):
                view.stored = one.said(stored, options[one.name])
        if any(view.stored for view in shown.fields):
            shown.reject("", CHANGED)
        if (sent := _sent(db, typed)) and shown.is_valid:  # last, for its twin may have taken the name by now
            db.bulk(delete(SentForm).where(col(SentForm.at) < now() - SENT_KEPT), why="forms sent long ago")
            db.add(sent)
            db.info["sent"] = sent
        return shown

    def validate(self, typed: Mapping[str, Any], row: SQLModel | None, options: Mapping[str, Options]) -> FormView:
        """What was typed and what is wrong with it by itself; `options` are the fields' own."""
        shown = FormView([])
        for one in self.fields:
            text, is_kept = typed.get(one.name), one.secret and bool(getattr(row, one.name, None))
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
        try:
            db.flush()
        except (IntegrityError, DataError) as error:  # a rule that the form does not know, or somebody was faster
            said = str(error.orig).partition("\n")[0]
            raise Refused(409, f"The database refuses this: {said}. Nothing was saved.") from error
        return target

    def _hidden(self, db: Session, row: SQLModel | None) -> dict[str, str]:
        """What a form brings back: a token to be used once; or what the row was, keyed, for it may hold secrets."""
        if row is None:
            return {"_once": new_token()}
        key, values = db.get_bind().dialect.pyops_keyring, [getattr(row, one.name) for one in self.fields]  # type: ignore[attr-defined]
        return {"_version": fingerprint(f"{key.path.read_text()}{values!r}")}


def _sent(db: Session, typed: Mapping[str, Any]) -> SentForm | None:
    """A form's mark by its token and content: who goes back and sends something else means it."""
    if db.info.get("sent") or not typed.get("_once"):
        return None
    items = getattr(typed, "multi_items", typed.items)()
    sent = SentForm(key=fingerprint(repr(sorted((name, getattr(value, "filename", value)) for name, value in items))))
    if first := db.get(SentForm, sent.key):
        raise SentAgain(first)
    return sent


def text_of(value: Any) -> str:
    """A value as its input holds it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}".removesuffix(":00")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value.value if isinstance(value, Enum) else value)


def _typed(value: object) -> str:
    """The text of an input, with plain line ends and without what a database refuses; "" for a file."""
    return value.replace("\r\n", "\n").replace("\0", "").strip() if isinstance(value, str) else ""
