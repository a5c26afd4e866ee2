"""The groups and their numbers, and the forms to add, change and delete one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain, currency_code
from core import DB, Data, Field, Form, Go, Refused, Session, View, action, page
from core.forms import FormView

from .assignment import assign, in_order, renumber
from .models import Group, Rule
from .tree import Tree, choices

GROUP = Form(
    Group,
    Field(Group.name),
    Field(Group.parent_id, label="Belongs to", choices=choices, help="Its numbers and costs count there as well."),
    Field(Group.owner),
    Field(Group.owner_mail, label="The owner's mail"),
    Field(Group.budget, label="Budget a year", help="An alert says when the renewals of the next 12 months exceed it."),
    Field(Group.budget_currency, label="Currency of the budget"),
)


@dataclass(frozen=True)
class GroupLine:
    """One group in the list: its own domains, and those with everything inside it."""

    group: Group
    above: str
    own: int
    all: int
    typed: int
    rules: int
    href: str


@page("/groups", nav="Groups", icon="folder-tree")
def index(db: DB) -> View:
    """Who owns which domains: the first rule that fits a name decides, a person's word beats the rules."""
    tree, placed, counts = Tree.load(db), counted(db, Domain.rule_id), counted(db, Domain.group_id)
    rules = [(rule, tree.path(rule.group_id), placed.get(rule.id, 0)) for rule in in_order(db)]
    return View("index.html", groups=lines(db, tree, counts), unassigned=counts.get(None, 0), rules=rules)


def lines(db: Session, tree: Tree, domains: dict[Any, int]) -> list[GroupLine]:
    """Every group with its numbers, each followed by those inside it."""
    typed, rules = counted(db, Domain.group_id, col(Domain.group_is_typed)), counted(db, Rule.group_id)
    groups = {group.id: group for group in db.exec(select(Group))}
    return [
        GroupLine(
            groups[id],
            tree.above(id),
            domains.get(id, 0),
            sum(domains.get(each, 0) for each in tree.below(id)),
            typed.get(id, 0),
            rules.get(id, 0),
            portfolio(tree.names[each] for each in tree.below(id)),
        )
        for id in tree
    ]


def portfolio(names: Iterable[str]) -> str:
    """The portfolio's table of the domains in these groups."""
    return f"/domains?{urlencode([('group', name) for name in names])}"


def counted(db: Session, attribute: Any, *where: Any) -> dict[Any, int]:
    """How many domains or rules that count have each value of an attribute."""
    is_kept = [col(Domain.retired_at).is_(None)] if attribute.class_ is Domain else []
    statement = select(attribute, func.count()).where(*where, *is_kept).group_by(attribute)
    return {value: n for value, n in db.execute(statement)}


@page("/groups/new", role="operator")
def new(db: DB) -> View:
    """A unit that owns domains and pays for them, or one of its purposes."""
    return form_of(None, GROUP.show(db))


@action("/groups")
def add(db: DB, data: Data) -> View | Go:
    """Add a group."""
    form = read(db, data)
    if not form.is_valid:
        return form_of(None, form, status=422)
    GROUP.save(db, form)
    return Go(index, toast=f"{form.data['name']} is added; a rule can fill it now")


@page("/groups/{id}", role="operator")
def edit(id: int, db: DB) -> View:
    """Where a group belongs, who owns it, what it may cost."""
    group = found(db, id)
    return form_of(group, GROUP.show(db, group))


@action("/groups/{id}")
def save(id: int, db: DB, data: Data) -> View | Go:
    """Change a group."""
    group = found(db, id)
    form = read(db, data, group)
    if not form.is_valid:
        return form_of(group, form, status=422)
    GROUP.save(db, form, group)
    return Go(index, toast=f"{group.name} is saved")


@action("/groups/{id}/delete")
def delete(id: int, db: DB) -> Go:
    """Delete a group and its rules; its domains fall to the rules that are left, what is inside it moves up."""
    group = found(db, id)
    for domain in db.exec(select(Domain).where(Domain.group_id == id, Domain.group_is_typed)):
        domain.group_is_typed, domain.group_said = False, ""
    for inside in db.exec(select(Group).where(Group.parent_id == id)):
        inside.parent_id = group.parent_id
    db.flush()
    db.delete(group)
    renumber(db)
    assign(db)
    return Go(index, toast=f"{group.name} is deleted")


def read(db: Session, data: Data, group: Group | None = None) -> FormView:
    """What was typed; a group is never inside itself, and a budget has a currency."""
    form = GROUP.read(db, data, group)
    if not form.is_valid:
        return form
    tree, parent = Tree.load(db), form.data["parent_id"]
    if group and group.id and parent and tree.is_inside(parent, group.id):
        form.reject("parent_id", f"{tree.path(parent)} is inside {group.name}; choose a group outside of it.")
    if "@" not in (form.data["owner_mail"] or "@"):
        form.reject("owner_mail", "This is no mail address; write it like ann@example.com.")
    if (form.data["budget"] is None) != (form.data["budget_currency"] is None):
        form.reject("budget_currency", "A budget and its currency come together, as in 1200 and EUR.")
    if given := form.data["budget_currency"]:
        try:
            form.data["budget_currency"] = currency_code(given)
        except ValueError as error:
            form.reject("budget_currency", f"{error}.")
    return form


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
