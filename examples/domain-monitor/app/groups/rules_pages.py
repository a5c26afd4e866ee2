"""The forms of a rule with a preview of what it would move, and moving it up and down. A save is applied at once."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import select

from core import DB, Data, Field, Form, Go, Params, Refused, Session, View, action, page
from core.forms import FormView

from .assignment import SOURCE, assign, in_order, renumber
from .models import Rule
from .pages import index
from .preview import drafted, no_subject, place, preview
from .tree import choices

RULE = Form(
    Rule,
    Field(Rule.kind, label="Look at the"),
    Field(
        Rule.value,
        help="A pattern takes * and ?, as in *-shop.*; a suffix is de or co.uk; a registrar or a source is its name.",
    ),
    Field(Rule.group_id, label="Put it into", choices=choices),
    Field(Rule.position, label="Asked as number", help="The first rule that fits decides; 0 asks it last."),
)


@page("/groups/rules/new", role="operator")
def new_rule(db: DB, params: Params) -> View:
    """See what it would move before you save it."""
    return form_of(db, None, tried(db, params.params))


@action("/groups/rules")
def add_rule(db: DB, data: Data) -> View | Go:
    """Add a rule."""
    return saved(db, data, None, "added")


@page("/groups/rules/{id}", role="operator")
def edit_rule(id: int, db: DB, params: Params) -> View:
    """What the rule looks at, where it puts what fits, and what a change of it would move."""
    rule = found(db, id)
    return form_of(db, rule, tried(db, params.params, rule))


@action("/groups/rules/{id}")
def save_rule(id: int, db: DB, data: Data) -> View | Go:
    """Change a rule."""
    return saved(db, data, found(db, id), "saved")


def tried(db: Session, typed: Mapping[str, Any], rule: Rule | None = None) -> FormView:
    """What was typed to be tried, or the form as it is opened."""
    if "value" not in typed:
        return RULE.show(db, rule)
    return read(
        db, {field.name: typed.get(field.name) for field in RULE.fields}, rule
    )  # without its token: not sent yet


def saved(db: Session, data: Data, rule: Rule | None, done: str) -> View | Go:
    """Save a rule at its place, and apply the rules."""
    form = read(db, data, rule)
    if not form.is_valid:
        return form_of(db, rule, form, status=422)
    others = [each for each in in_order(db) if rule is None or each.id != rule.id]
    at = place(form.data, others)
    rule = RULE.save(db, form, rule or Rule(position=0, kind="suffix", value="-", group_id=0))  # type: ignore[assignment]
    assert rule is not None
    others.insert(at, rule)
    renumber(db, others)
    return applied(db, f"Rule {rule.position} is {done}")


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
    return Go(index, toast=f"{what}; domains that changed their group: {changed:,}")


def read(db: Session, typed: Mapping[str, Any], rule: Rule | None = None) -> FormView:
    """What was typed; a source that does not exist is a mistake, a registrar may come later."""
    form = RULE.read(db, typed, rule)
    if form.is_valid and form.data["kind"] == "source":
        names = db.execute(select(SOURCE.c.name)).scalars().all()
        if form.data["value"].casefold() not in [name.casefold() for name in names]:
            form.reject("value", f"There is no such source; there are {', '.join(names) or 'none yet'}.")
    return form


def form_of(db: Session, rule: Rule | None, form: FormView, *, status: int = 200) -> View:
    """The form of a rule or of a new one, and what it would move when something was typed."""
    is_tried = bool(form.data) and form.is_valid
    flows = preview(db, drafted(db, rule, form.data)) if is_tried else None
    nobody = no_subject(db, form.data["kind"], form.data["value"]) if is_tried else ""
    if rule is None:
        title, to, button, losing = "Add a rule", "/groups/rules", "Add rule", ""
    else:
        title, to, button = f"Rule {rule.position}", f"/groups/rules/{rule.id}", "Save"
        losing = f"Delete rule {rule.position}, {rule}? Its domains fall to the other rules, or become unassigned."
    here = to if rule else f"{to}/new"
    return View(
        "rule.html",
        status=status,
        title=title,
        form=form,
        to=to,
        here=here,
        button=button,
        losing=losing,
        flows=flows,
        nobody=nobody,
    )


def found(db: Session, id: int) -> Rule:
    """The rule of a key; Refused (404) when there is none."""
    rule = db.get(Rule, id)
    if rule is None:
        raise Refused(404, f"There is no rule {id}; it may have been deleted.")
    return rule
