"""Groups inside groups: their paths, what lies below them, and how numbers add up towards the top."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import select

from core import Session

from .models import Group


@dataclass(frozen=True)
class Tree:
    """Every group with the one that it belongs to."""

    names: Mapping[int, str]
    parents: Mapping[int, int | None]

    @classmethod
    def load(cls, db: Session) -> "Tree":
        """The groups as they are stored."""
        rows = db.execute(select(Group.id, Group.name, Group.parent_id)).all()
        return cls({id: name for id, name, _ in rows}, {id: parent for id, _, parent in rows})

    def line(self, id: int) -> list[int]:
        """A group and those above it, from the top down."""
        above: list[int] = []
        at: int | None = id
        while at is not None and at not in above:
            above.append(at)
            at = self.parents.get(at)
        return above[::-1]

    def path(self, id: int) -> str:
        """A group as people say where it is: "Retail / Campaigns"."""
        return " / ".join(self.names[each] for each in self.line(id))

    def above(self, id: int) -> str:
        """What stands before a group's name in its path: "Retail / "."""
        return self.path(id).removesuffix(self.names[id])

    def below(self, id: int) -> list[int]:
        """A group and everything inside it, each group before those inside it."""
        return [each for each in self if id in self.line(each)]

    def is_inside(self, id: int, other: int) -> bool:
        """Whether a group is another one or lies inside it."""
        return other in self.line(id)

    def __iter__(self) -> Iterator[int]:
        """Every group, those of one level by name, each followed by what is inside it."""
        return iter(sorted(self.names, key=lambda id: [self.names[each].casefold() for each in self.line(id)]))

    def choices(self) -> list[tuple[str, str]]:
        """Every group with its path, for a form."""
        return [(str(id), self.path(id)) for id in self]


def choices(db: Any) -> list[tuple[str, str]]:
    """Every group, to choose from."""
    return Tree.load(db).choices()
