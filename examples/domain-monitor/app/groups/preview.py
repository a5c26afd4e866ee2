"""What a change of the rules would move, before anybody saves it. Nothing here writes."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from app.domains import Domain
from core import Session

from .assignment import SOURCE, UNASSIGNED, Move, in_order, planned
from .matching import Subject, tester
from .models import Rule, RuleKind
from .tree import Tree

FIRST = 5  # names that are told of each move


@dataclass(frozen=True)
class Flow:
    """The domains that would go from one group to another: how many, and the first of them."""

    before: str
    after: str
    count: int
    names: list[str]


def preview(db: Session, rules: list[Rule]) -> list[Flow]:
    """What these rules would move between groups, the largest flow first."""
    tree, flows = Tree.load(db), dict[tuple[int | None, int | None], list[Move]]()

    def said_of(id: int | None) -> str:
        return tree.path(id) if id else UNASSIGNED

    for move in planned(db, rules):
        if move.before != move.group_id:
            flows.setdefault((move.before, move.group_id), []).append(move)
    said = [
        Flow(said_of(before), said_of(after), len(moves), sorted(move.name for move in moves)[:FIRST])
        for (before, after), moves in flows.items()
    ]
    return sorted(said, key=lambda flow: -flow.count)


def no_subject(db: Session, kind: RuleKind, value: str) -> str:
    """Why a rule that looks at this fits no domain that there is; "" when it fits some."""
    fits, source = tester(Rule(position=0, kind=kind, value=value, group_id=0)), func.coalesce(SOURCE.c.name, "")
    looked_at = (col(Domain.name), col(Domain.shown_name), col(Domain.registrar), source)
    domains = select(*looked_at).outerjoin(SOURCE, SOURCE.c.id == Domain.source_id)
    if any(fits(Subject(*seen)) for seen in db.execute(domains)):
        return ""
    return f"No domain {'fits' if kind == 'name pattern' else 'has'} the {kind} {value}"


def drafted(db: Session, rule: Rule | None, values: dict[str, Any]) -> list[Rule]:
    """The rules as they would be with one of them changed, or with a new one; the draft has no place in the session."""
    rules = [each for each in in_order(db) if rule is None or each.id != rule.id]
    rules.insert(place(values, rules), Rule(id=rule.id if rule else None, **values))
    return rules


def place(values: dict[str, Any], others: list[Rule]) -> int:
    """Where a rule stands among the others: its number from 1, the end when there is none."""
    wanted = values["position"] or len(others) + 1
    return max(0, min(wanted - 1, len(others)))
