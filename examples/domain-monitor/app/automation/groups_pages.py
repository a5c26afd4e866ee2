"""What is automated in one group: by estimate, and by the rules that fill it."""

from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from app.groups import Group, Rule
from core import DB, Data, Field, Form, Go, Refused, Session, View, action, page
from core.forms import FormView

from .models import AutomatedRule, AutomatedShare
from .pages import index

SHARE = Form(AutomatedShare, Field(AutomatedShare.percent, label="Percent automated"))
SAID: dict[Any, bool | None] = {"automated": True, "by hand": False, "": None}


@page("/automation/groups/{id}", role="operator")
def edit(id: int, db: DB) -> View:
    """What of this group renews its certificates without anybody's help."""
    return shown(db, group := found(db, id), SHARE.show(db, db.get(AutomatedShare, group.id)))


@action("/automation/groups/{id}")
def save(id: int, db: DB, data: Data) -> View | Go:
    """Estimate how much of a group is automated."""
    group = found(db, id)
    form = SHARE.read(db, data)
    if not form.is_valid:
        return shown(db, group, form, status=422)
    SHARE.save(db, form, db.get(AutomatedShare, id) or AutomatedShare(group_id=id))
    return Go(index, toast=f"{group.name}: {form.data['percent']} % automated, where nobody said more")


@action("/automation/rules/{id}")
def say(id: int, db: DB, data: Data) -> Go:
    """Say whether the certificates of all domains that a rule places are automated."""
    rule, said = db.get(Rule, id), db.get(AutomatedRule, id)
    if rule is None or data.get("said") not in SAID:
        raise Refused(404, f"There is no rule {id} to say {data.get('said')!r} of; open the group again.")
    automated = SAID[data["said"]]
    if automated is None:
        db.delete(said) if said else None
    else:
        db.add(said := said or AutomatedRule(rule_id=id, automated=automated))
        said.automated = automated
    return Go(edit, id=rule.group_id, toast=f"{rule}: {data['said'] or 'left to the estimate'}")


def shown(db: Session, group: Group, form: FormView, *, status: int = 200) -> View:
    """The page of a group with its form."""
    placed = select(func.count()).where(Domain.rule_id == Rule.id).correlate(Rule).scalar_subquery()
    rules = select(Rule, AutomatedRule.automated, placed).outerjoin(AutomatedRule).where(Rule.group_id == group.id)
    spoken = col(Domain.certificates_automated).is_not(None)
    single = db.scalar(select(func.count()).where(col(Domain.group_id) == group.id, spoken)) or 0
    return View(
        "group.html",
        status=status,
        title=group.name,
        group=group,
        form=form,
        single=single,
        rules=db.execute(rules.order_by(col(Rule.position))).all(),
    )


def found(db: Session, id: int) -> Group:
    """The group of a key; Refused (404) when there is none."""
    group = db.get(Group, id)
    if group is None:
        raise Refused(404, f"There is no group {id}; it may have been deleted.")
    return group
