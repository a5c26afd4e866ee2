"""Marks: what a decorator leaves on a function so that a Feature can collect it later."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import DeclarationError

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
Function = TypeVar("Function", bound=Callable[..., Any])
_ATTRIBUTE = "__pyops_mark__"
_PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class PageMark:
    """A function is a page: GET `path` shows what it returns."""

    path: str
    nav: str | None
    icon: str
    role: Role
    public: bool
    badge: Callable[[Any], int] | None = None


@dataclass(frozen=True, kw_only=True)
class ActionMark:
    """A function is an action: POST `path` does it and says where to go."""

    path: str
    role: Role
    public: bool


@dataclass(frozen=True, kw_only=True)
class JobMark:
    """A function is a job: it runs when `cron` or `every` says, in a process of its own."""

    cron: str | None
    every: str | None
    timeout: int
    overlap: bool
    retries: int
    role: Role


@dataclass(frozen=True, kw_only=True)
class AlertMark:
    """A function is an alert: every so often it yields what is wrong now; what stays wrong is told again."""

    every: str
    remind: str

    @property
    def as_job(self) -> JobMark:
        """How it is run: like a job."""
        return JobMark(cron=None, every=self.every, timeout=600, overlap=False, retries=1, role="operator")


@dataclass(frozen=True, kw_only=True)
class CardMark:
    """A function is a card: the home page shows what it returns."""

    title: str
    role: Role
    wide: bool


Mark = PageMark | ActionMark | JobMark | AlertMark | CardMark


def put(function: Function, mark: Mark) -> Function:
    """Leave a mark on a function, which stays the function it was."""
    if not (inspect.getdoc(function) or "").strip():
        raise DeclarationError(
            f"{where(function)}: {function.__name__} has no docstring; "
            'write one sentence, people read it: """Every domain we own, the most urgent first."""'
        )
    setattr(function, _ATTRIBUTE, mark)
    return function


def of(value: object) -> Mark | None:
    """The mark on a function, or None."""
    mark = getattr(value, _ATTRIBUTE, None) if inspect.isfunction(value) else None
    return mark if isinstance(mark, Mark) else None


def check_role(role: str, function: Callable[..., Any]) -> None:
    """Raise DeclarationError unless the role is one of ROLES."""
    if role not in ROLES:
        raise DeclarationError(f"{where(function)}: role={role!r} is no role; use one of {', '.join(ROLES)}.")


def where(function: Callable[..., Any]) -> str:
    """The place of a function for an error message, as file:line."""
    code = inspect.unwrap(function).__code__
    return _place(code.co_filename, code.co_firstlineno)


def declared_here() -> str:
    """The place outside core's own modules that is being executed, as file:line."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


def _place(file: str, line: int) -> str:
    path = Path(file)
    return f"{path.relative_to(_PROJECT) if path.is_relative_to(_PROJECT) else path}:{line}"


def summary(function: Callable[..., Any]) -> str:
    """The first line of a function's docstring: what people read of it."""
    return (inspect.getdoc(function) or "").partition("\n")[0].strip()
