"""Forms: declared from a model, validated by its types, shown again with what was typed and what is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python
from sqlalchemy import inspect, select
from sqlmodel import Session, SQLModel

from .errors import DeclarationError
from .marks import declared_here
from .tables.state import Link

Kind = Literal["text", "textarea", "number", "date", "datetime", "checkbox", "select", "password", "hidden"]
LARGEST_NUMBER = 2**63
_CHECKED = ("on", "true", "1")
Choices = Sequence[str | tuple[str, str]] | Callable[[Session], Sequence[str | tuple[str, str]]]


@dataclass
class FieldView:
    """One input, ready to render."""

    name: str
    label: str
    help: str
    kind: Kind
    required: bool
    value: str = ""
    checked: bool = False
    error: str = ""
    options: list[Link] = field(default_factory=list)
    autocomplete: str = "off"
    placeholder: str = ""


@dataclass(frozen=True)
class Problem:
    """One line of the summary above a form."""

    name: str
    label: str
    error: str


@dataclass
class FormView:
    """A form that is shown: its inputs, and after a failed try what was typed and what is wrong with it."""

    fields: list[FieldView]
    data: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

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
        for one in self.fields:
            if one.name == name:
                one.error = error
        label = next((f.label for f in self.fields if f.name == name), "")
        self.problems.append(Problem(name, label, error))


class Field:
    """One input of a form: a model's attribute, with what its type does not say.

    `choices` are values or (value, label) pairs, or a function of the session; `secret` shows a password input
    that keeps the stored value when left empty; `multiline` gives a text area.
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
        self._describe(attribute.key, model.model_fields[attribute.key], label=label, help=help)
        self.choices: Choices | None = choices
        self.secret, self.placeholder = secret, placeholder
        column = inspect(model).columns[self.name]
        self.is_unique = bool(column.unique or column.primary_key)
        self.kind: Kind = "password" if secret else "textarea" if multiline else _kind(self.type, choices is not None)

    @classmethod
    def plain(cls, name: str, info: FieldInfo) -> "Field":
        """An input that no model stands behind, such as a parameter of a job."""
        made = cls.__new__(cls)
        made._describe(name, info)
        made.choices, made.secret, made.placeholder, made.is_unique = None, False, "", False
        made.kind = _kind(made.type, False)
        return made

    def _describe(self, name: str, info: FieldInfo, *, label: str = "", help: str = "") -> None:
        self.name, self.info, self.help = name, info, help or info.description or ""
        self.label = label or name.removesuffix("_id").replace("_", " ").capitalize()
        unwrapped: tuple[Any, bool] = _unwrap(info.annotation)
        self.type, self.is_optional = unwrapped

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """What makes a value of a text."""
        whole: Any = self.info.annotation
        if pattern := self.info._attributes_set.get("regex"):  # SQLModel takes it, and tells Pydantic nothing
            whole = Annotated[self.type, StringConstraints(pattern=pattern)]
        if self.info.metadata:
            whole = Annotated[whole, *self.info.metadata]
        return TypeAdapter(whole)

    @property
    def is_required(self) -> bool:
        """Whether an empty input is an error."""
        return not self.is_optional and self.kind != "checkbox" and self.info.is_required()

    def view(self, db: Session, value: Any, *, is_kept: bool = False) -> FieldView:
        """The input with a value in it; `is_kept` when leaving it empty keeps what is stored."""
        text = "" if value is None or self.secret else _text(value)
        shown = FieldView(self.name, self.label, self.help, self.kind, self.is_required and not is_kept, text)
        shown.placeholder = "Leave empty to keep it" if is_kept else self.placeholder
        shown.checked = value is True or value in _CHECKED
        if self.kind == "select":
            options = [] if self.is_required else [Link("—", active=text == "")]
            shown.options = [*options, *(Link(label, value=v, active=v == text) for v, label in self._pairs(db))]
        return shown

    def parse(self, typed: object, db: Session) -> Any:
        """What was typed, in the field's type; ValueError with a sentence when it does not fit."""
        if self.kind == "checkbox":
            return typed in _CHECKED
        text = _typed(typed)
        if not text:
            if self.is_required:
                raise ValueError("This is needed.")
            return None if self.is_optional else self.info.get_default(call_default_factory=True)
        if self.kind == "select" and text not in {value for value, _ in self._pairs(db)}:
            raise ValueError(f"{text!r} is not one of the choices.")
        try:
            value: Any = self.adapter.validate_python(text)
        except ValidationError as error:
            raise ValueError(_sentence(error)) from error
        if isinstance(value, int | float | Decimal) and not -LARGEST_NUMBER < value < LARGEST_NUMBER:
            raise ValueError("Should be a number that can be stored.")
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value

    def _pairs(self, db: Session) -> Sequence[tuple[str, str]]:
        if self.choices is None and isinstance(self.type, type) and issubclass(self.type, Enum):
            return [(str(e.value), str(e.value).replace("_", " ")) for e in self.type]
        if self.choices is None and get_origin(self.type) is Literal:
            return [(str(v), str(v)) for v in get_args(self.type)]
        given = self.choices(db) if callable(self.choices) else self.choices or ()
        return [(one, one) if isinstance(one, str) else (str(one[0]), one[1]) for one in given]


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
        start = {f.name: f.info.get_default(call_default_factory=True) for f in self.fields if not f.info.is_required()}
        if row is not None:
            start = {f.name: getattr(row, f.name) for f in self.fields}
        given = {**start, **values}
        return FormView([f.view(db, given.get(f.name), is_kept=f.secret and row is not None) for f in self.fields])

    def read(self, db: Session, typed: Mapping[str, Any], row: SQLModel | None = None) -> FormView:
        """Validate what was typed; `row` is the one being edited. Use `.data` when `.is_valid`."""
        shown = FormView([])
        errors: list[tuple[str, str]] = []
        for one in self.fields:
            text = typed.get(one.name)
            is_kept = one.secret and row is not None
            shown.fields.append(one.view(db, text if isinstance(text, str) else None, is_kept=is_kept))
            if is_kept and not _typed(text):
                continue
            try:
                value = one.parse(text, db)
                if one.is_unique and value is not None and self._is_taken(db, one, value, row):
                    raise ValueError(f"{value} is taken.")
                shown.data[one.name] = value
            except ValueError as error:
                errors.append((one.name, str(error)))
        if not errors and self.check:
            errors.extend(self.check(shown.data))
        for name, what in errors:
            shown.reject(name, what)
        return shown

    def save(self, db: Session, shown: FormView, row: SQLModel | None = None) -> SQLModel:
        """Write a valid form to a new row or to this one; it is flushed, so it has its key."""
        target = row if row is not None else self.model()
        for name, value in shown.data.items():
            setattr(target, name, value)
        db.add(target)
        db.flush()
        return target

    def _is_taken(self, db: Session, one: Field, value: Any, row: SQLModel | None) -> bool:
        attribute = getattr(self.model, one.name)
        key = inspect(self.model).primary_key[0].name
        found = db.execute(select(getattr(self.model, key)).where(attribute == value)).scalar()
        return found is not None and (row is None or found != getattr(row, key))


def _typed(value: object) -> str:
    """The text of an input, with plain line ends and without what a database refuses; "" for a file."""
    return value.replace("\r\n", "\n").replace("\0", "").strip() if isinstance(value, str) else ""


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether None was in it."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, False
    rest = [a for a in get_args(annotation) if a is not type(None)]
    return rest[0], len(rest) < len(get_args(annotation))


def _kind(type_: Any, has_choices: bool) -> Kind:
    if has_choices or get_origin(type_) is Literal:
        return "select"
    if not isinstance(type_, type):
        return "text"
    kinds: list[tuple[type, Kind]] = [
        (Enum, "select"), (bool, "checkbox"), (int, "number"), (float, "number"), (Decimal, "number"),
        (datetime, "datetime"), (date, "date"),
    ]  # fmt: skip
    return next((kind for known, kind in kinds if issubclass(type_, known)), "text")


def _text(value: Any) -> str:
    """A value as its input holds it."""
    if isinstance(value, Enum | bool):
        return str(value.value) if isinstance(value, Enum) else str(value).lower()
    return f"{value:%Y-%m-%dT%H:%M}" if isinstance(value, datetime) else str(value)


def _sentence(error: ValidationError) -> str:
    """The first message of a validation error, as a sentence."""
    text = str(error.errors()[0]["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{text[:1].upper()}{text[1:]}."
