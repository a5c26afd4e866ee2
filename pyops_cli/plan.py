"""What an update would do, as text for people and pull requests, and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pyops_cli.errors import EXIT_CONFLICTS
from pyops_cli.merging import (
    CONFLICT,
    EDIT_DELETED,
    MERGED,
    MOVED,
    NEW,
    REMOVED,
    STAYS_DELETED,
    UPDATED,
    Change,
)
from pyops_cli.news import News

# In the order of the attention they need; the long and dull lists come last.
ORDER = (EDIT_DELETED, CONFLICT, MOVED, MERGED, STAYS_DELETED, REMOVED, NEW, UPDATED)
EXIT_CLEAN = 0


@dataclass(frozen=True)
class Plan:
    """An update before it is done."""

    at: str
    to: str
    source: str
    is_bundled: bool
    changes: list[Change]
    news: News | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the project is of the wanted version already."""
        return self.news is None

    @property
    def has_conflicts(self) -> bool:
        """Whether somebody must decide about a file."""
        return any(change.kind in (CONFLICT, EDIT_DELETED) for change in self.changes)

    @property
    def exit_code(self) -> int:
        """What the command ends with when it is this plan that it shows or did."""
        return EXIT_CONFLICTS if self.has_conflicts else EXIT_CLEAN

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data: the same names in every version of this command."""
        return {
            "from": self.at,
            "to": self.to,
            "source": self.source,
            "offline": self.is_bundled,
            "update": not self.is_nothing,
            "conflicts": self.has_conflicts,
            "files": [asdict(change) for change in self.changes],
            **(asdict(self.news) if self.news else {}),
        }

    def as_text(self) -> str:
        """The plan in Markdown: what must be done first, the dull part last."""
        if self.is_nothing:
            return f"The project is of {self.at}; there is nothing newer."
        return "\n".join(self._lines()).rstrip()

    def _lines(self) -> Iterator[str]:
        assert self.news
        yield f"# Update from {self.at} to {self.to}\n"
        yield from _section("You must", [f"**{line}**" for line in self.news.must])
        if self.news.notes:
            yield "## Release notes\n"
            yield from (f"#{line}" if line.startswith("#") else line for line in self.news.notes)
            yield ""
        yield from _section("Files", [f"{change.kind}: {_place(change)}" for change in self._ordered()])
        yield from _section("Settings", _each(self.news.settings, "`{}`"))
        yield from _section("Core's migrations", [f"`{name}`" for name in self.news.migrations])
        yield from _section("Core's dependencies", _each(self.news.dependencies, "`{}`"))

    def _ordered(self) -> list[Change]:
        return sorted(self.changes, key=lambda change: (ORDER.index(change.kind), change.path))


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"## {title}\n"
        yield from (f"- {line}" for line in lines)
        yield ""


def _place(change: Change) -> str:
    return f"`{change.path}`" + (f" ({change.note})" if change.note else "")


def _each(groups: dict[str, list[str]], form: str) -> list[str]:
    return [f"{kind}: {form.format(name)}" for kind, names in groups.items() for name in names]
