"""Puts every domain into the group that the rules say, and notes which rule it was."""

from collections import defaultdict
from itertools import islice

from sqlalchemy import column, func, select, table, update
from sqlmodel import col

from app.domains import Domain
from core import Session

from .matching import Subject, first_match, tester
from .models import Rule

UNASSIGNED = "unassigned"
BATCH = 500  # keys in one statement
SOURCE = table("source", column("id"), column("name"))  # by name only: app.sources is built on this package


def assign(db: Session) -> int:
    """Apply the rules to every domain whose group nobody typed in; returns how many changed."""
    moves = planned(db)
    for (group_id, why), ids in moves.items():
        rest = iter(ids)
        while batch := list(islice(rest, BATCH)):
            statement = update(Domain).where(col(Domain.id).in_(batch))
            db.bulk(statement.values(group_id=group_id, group_why=why), why=why or "no rule fits")
    return sum(map(len, moves.values()))


def planned(db: Session) -> dict[tuple[int | None, str], list[int]]:
    """Which domains the rules would move: their keys, by the group and the reason they would get."""
    rules = [(rule, tester(rule)) for rule in in_order(db)]
    moves: dict[tuple[int | None, str], list[int]] = defaultdict(list)
    looked_at = (col(Domain.name), col(Domain.shown_name), col(Domain.registrar), func.coalesce(SOURCE.c.name, ""))
    domains = select(col(Domain.id), col(Domain.group_id), col(Domain.group_why), *looked_at)
    by_rule = domains.outerjoin(SOURCE, SOURCE.c.id == Domain.source_id).where(~col(Domain.group_is_typed))
    for id, group_id, why, *seen in db.execute(by_rule):
        rule = first_match(rules, Subject(*seen))
        goal = (rule.group_id, reason(rule)) if rule else (None, "")
        if goal != (group_id, why):
            moves[goal].append(id)
    return moves


def in_order(db: Session) -> list[Rule]:
    """The rules, the one that is asked first first."""
    return list(db.scalars(select(Rule).order_by(col(Rule.position), col(Rule.id))))


def reason(rule: Rule) -> str:
    """What stands beside a domain that this rule placed."""
    return f"rule {rule.position}: {rule}"


def renumber(db: Session, rules: list[Rule] | None = None) -> None:
    """Number the rules from 1 without gaps, in the given order or in the one they have."""
    db.flush()
    for position, rule in enumerate(rules if rules is not None else in_order(db), start=1):
        rule.position = position
    db.flush()
