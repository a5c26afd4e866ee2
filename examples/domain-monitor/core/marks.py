"""Marks: what a decorator leaves on a function so that a Feature can collect it later."""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import DeclarationError

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
Function = TypeVar("Function", bound=Callable[..., Any])
_ATTRIBUTE = "__pyops_mark__"
_PATH = re.compile(r"/|(/([\w.~-]|{\w+(:\w+)?})+)+/?")
_PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a decorator leaves on a function, which stays the function it was; `role` is the least that may use it."""

    role: Role = "viewer"

    def __call__(self, function: Function) -> Function:
        """Mark a function; DeclarationError when the mark is wrong, or nobody could read what the function is for."""
        wrong = self._wrong(function)
        if self.role not in ROLES:
            wrong = f"role={self.role!r} is no role; use one of {', '.join(ROLES)}."
        if not summary(function):
            example = '"""Every domain we own, the most urgent first."""'
            wrong = f"{function.__name__} has no docstring; write one sentence, people read it: {example}"
        if wrong:
            raise mistake(function, wrong)
        setattr(function, _ATTRIBUTE, self)
        return function

    def _wrong(self, function: Callable[..., Any]) -> str:
        return ""


@dataclass(frozen=True)
class _Surface(Mark):
    path: str
    _: KW_ONLY
    public: bool = False

    def _wrong(self, function: Callable[..., Any]) -> str:
        better = self.path.strip("/").partition("?")[0].replace(" ", "-")
        wrong = f"the path {self.path!r} must begin with one slash, without spaces or a query: '/{better}'."
        return "" if _PATH.fullmatch(self.path) else wrong


@dataclass(frozen=True, kw_only=True)
class PageMark(_Surface):
    """Marks a function as a page: GET `path` shows the View that it returns; `nav` puts it in the menu.

    A public one's `nav` is a button of the sign-in page instead.
    """

    method = "GET"
    nav: str | None = None
    icon: str = "file-text"
    badge: Callable[[Any], int] | None = None  # counts what wants attention there, on every page: it must be quick

    def is_for(self, user: Any) -> bool:
        """Whether the menu of a user has it, or for None, a stranger, the sign-in page."""
        return bool(self.nav) and (not self.public and user.can(self.role) if user else self.public)


@dataclass(frozen=True, kw_only=True)
class ActionMark(_Surface):
    """Marks a function as an action: POST `path` runs it in one transaction; it returns where to Go."""

    method = "POST"
    role: Role = "operator"


@dataclass(frozen=True, kw_only=True)
class JobMark(Mark):
    """Marks a function as a job; with neither `cron` ("0 6 * * 1" is Monday at six) nor `every` it runs by hand."""

    cron: str | None = None
    every: str | None = None
    timeout: int = 3600  # seconds
    overlap: bool = False
    retries: int = 0
    role: Role = "operator"

    def _wrong(self, function: Callable[..., Any]) -> str:
        if inspect.isasyncgenfunction(function) or (type(self) is JobMark and inspect.isgeneratorfunction(function)):
            return f"{function.__name__} yields; only an alert does, as a plain def. Write run.log(…) or a step."
        return "give cron= or every=, not both." if self.cron and self.every else ""


@dataclass(frozen=True, kw_only=True)
class AlertMark(JobMark):
    """Marks a function as an alert: it yields the Findings that are true now; what stays is told again."""

    every: str = ""
    timeout: int = 600
    retries: int = 1
    remind: str = "7d"  # after which what stays is told again


@dataclass(frozen=True)
class CardMark(Mark):
    """Marks a function as a card of the home page: it returns a Chart, a Cell (a number with a note) or a View."""

    title: str = ""
    _: KW_ONLY
    wide: bool = False

    def _wrong(self, function: Callable[..., Any]) -> str:
        return "a card cannot be async; write a plain def." if inspect.iscoroutinefunction(function) else ""


def of(value: object) -> Mark | None:
    """The mark on a function, or None."""
    return getattr(value, _ATTRIBUTE, None) if inspect.isfunction(value) else None


def mistake(function: Callable[..., Any], text: str) -> DeclarationError:
    """What is wrong with a declaration, with its place as file:line."""
    code = inspect.unwrap(function).__code__
    return DeclarationError(f"{_place(code.co_filename, code.co_firstlineno)}: {text}")


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
