"""The forms of a rule, and moving it up and down. Every change is applied to all domains at once."""

from typing import Any

from sqlmodel import select

from core import DB, Data, Field, Form, Go, Refused, Session, View, action, page
from core.forms import FormView

from .assignment import SOURCE, assign, in_order, renumber
from .models import Group, Rule
from .pages import index


def choices(db: Any) -> list[tuple[str, str]]:
    """Every group, to choose from."""
    return [(str(id), name) for id, name in db.execute(select(Group.id, Group.name).order_by(Group.name))]


RULE = Form(
    Rule,
    Field(Rule.kind, label="Look at the"),
    Field(
        Rule.value,
        help="A pattern takes * and ?, as in *-shop.*; a suffix is de or co.uk; a registrar or a source is its name.",
    ),
    Field(Rule.group_id, label="Put it into", choices=choices),
)


@page("/groups/rules/new", role="operator")
def new_rule(db: DB) -> View:
    """It is asked after all the others; move it up when it should win."""
    return form_of(None, RULE.show(db))


@action("/groups/rules")
def add_rule(db: DB, data: Data) -> View | Go:
    """Add a rule."""
    form = read(db, data)
    if not form.is_valid:
        return form_of(None, form, status=422)
    RULE.save(db, form, rule := Rule(position=len(in_order(db)) + 1, kind="suffix", value="-", group_id=0))
    return applied(db, f"Rule {rule.position} is added")


@page("/groups/rules/{id}", role="operator")
def edit_rule(id: int, db: DB) -> View:
    """What the rule looks at, and where it puts what fits."""
    rule = found(db, id)
    return form_of(rule, RULE.show(db, rule))


@action("/groups/rules/{id}")
def save_rule(id: int, db: DB, data: Data) -> View | Go:
    """Change a rule."""
    rule = found(db, id)
    form = read(db, data, rule)
    if not form.is_valid:
        return form_of(rule, form, status=422)
    RULE.save(db, form, rule)
    return applied(db, f"Rule {rule.position} is saved")


@action("/groups/rules/{id}/up")
def move_up(id: int, db: DB) -> Go:
    """Ask a rule one place earlier."""
    return moved(db, found(db, id), -1)


@action("/groups/rules/{id}/down")
def move_down(id: int, db: DB) -> Go:
    """Ask a rule one place later."""
    return moved(db, found(db, id), 1)


@action("/groups/rules/{id}/delete")
def delete_rule(id: int, db: DB) -> Go:
    """Delete a rule."""
    rule = found(db, id)
    db.delete(rule)
    renumber(db)
    return applied(db, f"{rule} is deleted")


def moved(db: Session, rule: Rule, by: int) -> Go:
    """Swap a rule with its neighbour; at the end of the list nothing happens."""
    rules = in_order(db)
    place = rules.index(rule)
    if 0 <= place + by < len(rules):
        rules.insert(place + by, rules.pop(place))
    renumber(db, rules)
    return applied(db, f"{rule} is rule {rule.position} now")


def applied(db: Session, what: str) -> Go:
    """Assign every domain again, and say what came of it."""
    changed = assign(db)
    return Go(index, toast=f"{what}; {changed:,} domains have another group or rule")


def read(db: Session, data: Data, rule: Rule | None = None) -> FormView:
    """What was typed; a source that does not exist is a mistake, a registrar may come later."""
    form = RULE.read(db, data, rule)
    if form.is_valid and form.data["kind"] == "source":
        names = db.execute(select(SOURCE.c.name)).scalars().all()
        if form.data["value"].casefold() not in [name.casefold() for name in names]:
            form.reject("value", f"There is no such source; there are {', '.join(names) or 'none yet'}.")
    return form


def form_of(rule: Rule | None, form: FormView, *, status: int = 200) -> View:
    """The form of a rule, or of a new one."""
    if rule is None:
        to, button = "/groups/rules", "Add rule"
        return View("edit.html", status=status, title="Add a rule", form=form, to=to, button=button, losing="")
    title, to = f"Rule {rule.position}", f"/groups/rules/{rule.id}"
    losing = f"Delete rule {rule.position}, {rule}? Its domains fall to the other rules, or become unassigned."
    return View("edit.html", status=status, title=title, form=form, to=to, button="Save", losing=losing)


def found(db: Session, id: int) -> Rule:
    """The rule of a key; Refused (404) when there is none."""
    rule = db.get(Rule, id)
    if rule is None:
        raise Refused(404, f"There is no rule {id}; it may have been deleted.")
    return rule
