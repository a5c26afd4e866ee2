"""What an import would do to the database as it is now, and doing it: all of it or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

from sqlmodel import select

from app.costs import told_of, type_in_each
from app.domains import Domain
from app.groups import UNASSIGNED, Group, assign
from core import Refused, Session

from .imports import Row, Sheet
from .storing import rows_of

PRICE = ("renewal_price", "currency")  # a price in a file is one that a person says: no read replaces it
EXPIRY = ("expires_at", "expires_is_day")
UNTOLD = ("name", "shown_name", "expires_is_day", "first_seen_at")  # of a new row: its heading, and how it is kept
ALIKE = 0.75  # how much of a group's name is in another one's before somebody may have meant that
Outcome = Literal["wrong", "new", "changed", "unchanged"]


@dataclass(frozen=True)
class Line:
    """One row of the file, without what is so already, beside what it would do."""

    row: Row
    outcome: Outcome
    what: str


@dataclass(frozen=True)
class Plan:
    """Every row's outcome, and the groups that would have to be made."""

    lines: list[Line]
    new_groups: list[str]
    meant: dict[str, str]  # of the new groups, those whose name is nearly that of another

    def count(self, *outcomes: Outcome) -> int:
        """How many rows have one of these outcomes."""
        return sum(line.outcome in outcomes for line in self.lines)

    @property
    def writes(self) -> list[Row]:
        """The rows that an import writes."""
        return [line.row for line in self.lines if line.outcome in ("new", "changed")]


def plan(db: Session, sheet: Sheet) -> Plan:
    """Compare the rows of a file with what is known."""
    names = [row.name for row in sheet.rows]
    known = {row["name"]: dict(row) for row in db.execute(rows_of(names)).mappings()}
    told = told_of(db, names)
    for name, row in known.items():
        row["renewal_price"], row["currency"] = told.get(name, (None, None))
    groups: dict[int | None, str] = {id: name for id, name in db.execute(select(Group.id, Group.name))}
    lines = [line_of(row, known.get(row.name), groups) for row in sheet.rows]
    wanted = {line.row.group for line in lines if line.outcome != "wrong" and line.row.group}
    new = sorted(wanted - set(groups.values()))
    alike = {name: like(name, [*groups.values(), *new[:place]]) for place, name in enumerate(new)}
    return Plan(lines, new, {name: other for name, other in alike.items() if other})


def like(name: str, names: Iterable[str]) -> str:
    """The one of these names that somebody who wrote this one may have meant; "" when none is like it."""
    written = {other.casefold(): other for other in names}
    return next((written[key] for key in get_close_matches(name.casefold(), written, n=1, cutoff=ALIKE)), "")


def line_of(row: Row, known: Any, groups: dict[int | None, str]) -> Line:
    """What a row would do, and in words what would change."""
    if row.wrong:
        return Line(row, "wrong", row.wrong)
    if known is None:
        told = {name: value for name, value in row.values.items() if name not in UNTOLD and value not in (None, "")}
        values = [f"{called(name)}: {said(value)}" for name, value in told.items()]
        return Line(row, "new", "; ".join([*values, *([f"group: {row.group}"] if row.group else [])]))
    same = {name for name, value in row.values.items() if known[name] == value}
    settled = {*(PRICE if same.issuperset(PRICE) else ()), *(EXPIRY if "expires_at" in same else ())}
    row = replace(row, values={name: value for name, value in row.values.items() if name not in settled})
    changes = [
        f"{called(name)}: {said(known[name])} → {said(value)}"
        for name, value in row.values.items()
        if known[name] != value and name != "expires_is_day"
    ]
    group = groups.get(known["group_id"], UNASSIGNED)
    if row.group == group:
        row.group = ""  # what the rules say already need not be said again
    if row.group:
        changes.append(f"group: {group} → {row.group}, typed in")
    return Line(row, "changed" if changes else "unchanged", "; ".join(changes))


def called(column: str) -> str:
    """A column as people call it."""
    return column.removesuffix("_at").replace("_", " ")


def said(value: Any) -> str:
    """A value in a few characters."""
    if value is None or value == "":
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def apply(db: Session, planned: Plan, *, by: str) -> int:
    """Write an import; Refused (409) when a row is wrong. Returns how many rows it wrote."""
    if wrong := planned.count("wrong"):
        raise Refused(409, f"{wrong} rows are wrong, so nothing was imported; mend the file and upload it again.")
    for name in planned.new_groups:
        db.add(Group(name=name))
    db.flush()
    ids = {name: id for id, name in db.execute(select(Group.id, Group.name))}
    shapes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    prices: dict[str, dict[str, Any]] = {}
    for row in planned.writes:
        if "renewal_price" in row.values:
            prices[row.name] = {"price": row.values["renewal_price"], "currency": row.values["currency"]}
        typed = (
            {"group_id": ids[row.group], "group_is_typed": True, "group_said": f"imported by {by}", "rule_id": None}
            if row.group
            else {}
        )
        values = {name: value for name, value in row.values.items() if name not in PRICE} | typed
        shapes.setdefault(tuple(sorted(values)), []).append(values)
    for rows in shapes.values():  # an upsert takes rows with the same columns
        db.upsert(Domain, rows, key="name")
    type_in_each(db, prices, said=f"imported by {by}")
    assign(db)
    return len(planned.writes)
