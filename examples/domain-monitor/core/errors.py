"""Every error core raises on purpose, as one short tree; and how any other is told in one line."""

import traceback
from pathlib import Path


class CoreError(Exception):
    """Something core can name went wrong; its text says what happened and what to do."""


class DeclarationError(CoreError):
    """A page, action, job, table or form is declared wrongly; raised when the app is assembled."""


class UserError(CoreError):
    """A mistake of the person at the keyboard; printed without a traceback, exit code 1."""


class Refused(CoreError):
    """A request is answered with an error page: an HTTP status and a sentence for the person."""

    def __init__(self, status: int, text: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.headers = status, headers or {}


class Busy(Refused):
    """The database could not be written in time; the client may try again."""

    def __init__(self, text: str = "The database is busy. Nothing was saved; try again.") -> None:
        super().__init__(503, text, headers={"Retry-After": "2"})


def in_one_line(error: BaseException, project: Path) -> str:
    """An error as "app/pages.py:12: KeyError: 'x'": the innermost place in the project's own code first."""
    said = str(error) if isinstance(error, CoreError) else f"{type(error).__name__}: {error}"
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    places += [(error.filename, error.lineno)] if isinstance(error, SyntaxError) and error.filename else []
    own = [f"{name[len(f'{project}/') :]}:{line}: " for name, line in places if name.startswith(f"{project}/app/")]
    return said if isinstance(error, CoreError) else f"{own[-1] if own else ''}{said}"
