"""Puts every domain into the group that the rules say, and notes which rule it was.

The rule is noted by its key: its number and its words are looked up when they are shown, so that moving a rule writes
only the domains that it wins or loses.
"""

from collections import defaultdict
from itertools import islice
from typing import NamedTuple

from sqlalchemy import String, case, cast, column, func, select, table, update
from sqlmodel import col

from app.domains import Domain
from core import Session

from .matching import Subject, first_match, tester
from .models import Rule

UNASSIGNED = "unassigned"
BATCH = 500  # keys in one statement
SOURCE = table("source", column("id"), column("name"))  # by name only: app.sources is built on this package

# Why a domain is in its group, as text: "rule 3: suffix de", "typed in by ann", or "" when no rule fits.
IN_WORDS = "rule " + cast(col(Rule.position), String) + ": " + col(Rule.kind) + " " + col(Rule.value)
BY_RULE = select(IN_WORDS).where(col(Rule.id) == col(Domain.rule_id)).correlate(Domain).scalar_subquery()
REASON = case((col(Domain.group_is_typed), col(Domain.group_said)), else_=func.coalesce(BY_RULE, ""))


class Move(NamedTuple):
    """A domain that the rules would put elsewhere, or for another reason."""

    id: int
    name: str
    before: int | None
    group_id: int | None
    rule_id: int | None


def assign(db: Session) -> int:
    """Apply the rules to every domain whose group nobody typed in; returns how many are in another group now."""
    rules = in_order(db)
    moves, said = planned(db, rules), {rule.id: str(rule) for rule in rules}
    together = defaultdict(list)
    for move in moves:
        together[move.group_id, move.rule_id].append(move.id)
    for (group_id, rule_id), ids in together.items():
        rest = iter(ids)
        while batch := list(islice(rest, BATCH)):
            statement = update(Domain).where(col(Domain.id).in_(batch))
            db.bulk(statement.values(group_id=group_id, rule_id=rule_id), why=said.get(rule_id, "no rule fits"))
    return sum(move.before != move.group_id for move in moves)


def is_settled(db: Session) -> bool:
    """Whether the rules would change nothing; to be asked before a write, in which others would have to wait."""
    return not planned(db, in_order(db))


def planned(db: Session, rules: list[Rule]) -> list[Move]:
    """What the rules would change; nothing is written."""
    tests, moves = [(rule, tester(rule)) for rule in rules], list[Move]()
    looked_at = (col(Domain.name), col(Domain.shown_name), col(Domain.registrar), func.coalesce(SOURCE.c.name, ""))
    domains = select(col(Domain.id), col(Domain.group_id), col(Domain.rule_id), *looked_at)
    by_rule = domains.outerjoin(SOURCE, SOURCE.c.id == Domain.source_id).where(~col(Domain.group_is_typed))
    for id, group_id, rule_id, *seen in db.execute(by_rule):
        rule = first_match(tests, Subject(*seen))
        goal = (rule.group_id, rule.id) if rule else (None, None)
        if goal != (group_id, rule_id):
            moves.append(Move(id, seen[1], group_id, *goal))
    return moves


def in_order(db: Session) -> list[Rule]:
    """The rules, the one that is asked first first."""
    return list(db.scalars(select(Rule).order_by(col(Rule.position), col(Rule.id))))


def reason(db: Session, domain: Domain) -> str:
    """Why a domain is in its group; "" when no rule fits."""
    said: str = db.execute(select(REASON).where(col(Domain.id) == domain.id)).scalar_one()
    return said


def renumber(db: Session, rules: list[Rule] | None = None) -> None:
    """Number the rules from 1 without gaps, in the given order or in the one they have."""
    db.flush()
    for position, rule in enumerate(rules if rules is not None else in_order(db), start=1):
        rule.position = position
    db.flush()
