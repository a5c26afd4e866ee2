"""The groups and their numbers, and the forms to add, rename and delete one."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from core import DB, Data, Field, Form, Go, Refused, Session, View, action, page
from core.forms import FormView

from .assignment import assign, in_order, renumber
from .models import Group, Rule

GROUP = Form(Group, Field(Group.name))


@dataclass(frozen=True)
class GroupLine:
    """One group in the list; without an id, what no rule fits."""

    id: int | None
    name: str
    domains: int
    typed: int
    rules: int


@page("/groups", nav="Groups", icon="folder-tree")
def index(db: DB) -> View:
    """Who owns which domains: the first rule that fits a name decides, a person's word beats the rules."""
    groups = lines(db)
    names = {group.id: group.name for group in groups}
    placed = counted(db, Domain.rule_id)
    rules = [(rule, names[rule.group_id], placed.get(rule.id, 0)) for rule in in_order(db)]
    return View("index.html", groups=groups, rules=rules)


def lines(db: Session) -> list[GroupLine]:
    """Every group with its numbers, by name; what is unassigned at the end, even when there is none."""
    domains, rules = counted(db, Domain.group_id), counted(db, Rule.group_id)
    typed = counted(db, Domain.group_id, col(Domain.group_is_typed))
    named = [*db.execute(select(Group.id, Group.name).order_by(Group.name)), (None, "Unassigned")]
    return [GroupLine(id, name, domains.get(id, 0), typed.get(id, 0), rules.get(id, 0)) for id, name in named]


def counted(db: Session, attribute: Any, *where: Any) -> dict[Any, int]:
    """How many rows have each value of an attribute."""
    return {value: n for value, n in db.execute(select(attribute, func.count()).where(*where).group_by(attribute))}


@page("/groups/new", role="operator")
def new(db: DB) -> View:
    """A unit that owns domains and pays for them."""
    return form_of(None, GROUP.show(db))


@action("/groups")
def add(db: DB, data: Data) -> View | Go:
    """Add a group."""
    form = GROUP.read(db, data)
    if not form.is_valid:
        return form_of(None, form, status=422)
    GROUP.save(db, form)
    return Go(index, toast=f"{form.data['name']} is added; a rule can fill it now")


@page("/groups/{id}", role="operator")
def edit(id: int, db: DB) -> View:
    """Rename a group, or delete it."""
    group = found(db, id)
    return form_of(group, GROUP.show(db, group))


@action("/groups/{id}")
def save(id: int, db: DB, data: Data) -> View | Go:
    """Rename a group."""
    group = found(db, id)
    form = GROUP.read(db, data, group)
    if not form.is_valid:
        return form_of(group, form, status=422)
    GROUP.save(db, form, group)
    return Go(index, toast=f"{group.name} is saved")


@action("/groups/{id}/delete")
def delete(id: int, db: DB) -> Go:
    """Delete a group and its rules; its domains fall to the rules that are left."""
    group = found(db, id)
    for domain in db.exec(select(Domain).where(Domain.group_id == id, Domain.group_is_typed)):
        domain.group_is_typed, domain.group_said = False, ""
    db.delete(group)
    renumber(db)
    assign(db)
    return Go(index, toast=f"{group.name} is deleted")


def form_of(group: Group | None, form: FormView, *, status: int = 200) -> View:
    """The form of a group, or of a new one."""
    if group is None:
        return View(
            "edit.html", status=status, title="Add a group", form=form, to="/groups", button="Add group", losing=""
        )
    losing = f"Delete {group.name} and its rules? Its domains fall to the other rules, or become unassigned."
    to = f"/groups/{group.id}"
    return View("edit.html", status=status, title=group.name, form=form, to=to, button="Save", losing=losing)


def found(db: Session, id: int) -> Group:
    """The group of a key; Refused (404) when there is none."""
    group = db.get(Group, id)
    if group is None:
        raise Refused(404, f"There is no group {id}; it may have been deleted.")
    return group
