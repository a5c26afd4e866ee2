"""The portfolio table: which columns there are, and what can be done with the rows that somebody picked."""

from typing import Any

from sqlalchemy import delete, or_, update
from sqlmodel import col

from app.costs import CURRENCY, IS_KNOWN, PRICE, SAID_BY, TYPED, YEARS, forget, type_in
from app.domains import SUFFIX, Domain
from app.groups import REASON, UNASSIGNED, Group, assign
from app.groups import choices as groups
from app.rdap import DEADLINE, PHASE
from app.sources import Source
from core import DB, Column, CurrentUser, Data, Field, Form, Go, Session, Table, View, action

from .cells import day, deadline, expiry, group, plain, price, seen, source, status, wanted, word

ASK = "core/confirm.html"


GROUP = Form(
    Domain,
    Field(
        Domain.group_id,
        label="Group",
        choices=groups,
        help="With a dash the rules decide; a group chosen here beats them.",
    ),
)

AUTOMATED = Form(
    Domain,
    Field(
        Domain.certificates_automated,
        label="Their certificates are renewed",
        choices=[("True", "automatically"), ("False", "by hand")],
        help="With a dash the rule that placed a domain decides, or the estimate of its group.",
    ),
)


@action("/domains/group")
def put_into_group(db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Choose the group of these domains by hand."""
    picked = DOMAINS.picked(db, data)
    form = GROUP.read(db, data) if picked.is_confirmed else GROUP.show(db)
    if not picked.is_confirmed or not form.is_valid:
        return View(ASK, status=200 if form.is_valid else 422, picked=picked, form=form)
    chosen = form.data["group_id"]
    if not chosen:
        return left_to_the_rules(db, picked, user.name)
    return Go(picked.back, toast=f"Put into the group: {regroup(db, picked.where, chosen, user.name):,}")


@action("/domains/rules")
def leave_to_the_rules(db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Forget which group was chosen by hand for these domains; the first rule that fits decides."""
    picked = DOMAINS.picked(db, data)
    if not picked.is_confirmed:
        return View(ASK, picked=picked)
    return left_to_the_rules(db, picked, user.name)


def left_to_the_rules(db: Session, picked: Any, who: str) -> Go:
    """Forget the groups that were typed in for the picked domains, and say how many had one."""
    left = regroup(db, [*picked.where, col(Domain.group_is_typed)], None, who)
    others = picked.count - left
    return Go(picked.back, toast=f"Left to the rules: {left:,}" + (f"; were already: {others:,}" if others else ""))


def regroup(db: Any, where: list[Any], group_id: int | None, who: str) -> int:
    """Put domains into a group by hand, or leave them to the rules; returns how many."""
    said = f"typed in by {who}" if group_id else ""
    chosen = {"group_id": group_id, "group_is_typed": group_id is not None, "group_said": said, "rule_id": None}
    moved: int = db.bulk(update(Domain).where(*where).values(chosen), why=said or "left to the rules")
    assign(db)
    return moved


@action("/domains/automation")
def say_who_renews_certificates(db: DB, data: Data) -> View | Go:
    """Say whether the certificates of these domains are renewed automatically; it counts under Automation."""
    picked = DOMAINS.picked(db, data)
    form = AUTOMATED.read(db, data) if picked.is_confirmed else AUTOMATED.show(db)
    if not picked.is_confirmed or not form.is_valid:
        return View(ASK, status=200 if form.is_valid else 422, picked=picked, form=form)
    automated = form.data["certificates_automated"]
    why = {True: "automated", False: "by hand", None: "left to rule and group"}[automated]
    said = db.bulk(update(Domain).where(*picked.where).values(certificates_automated=automated), why=why)
    return Go(picked.back, toast=f"Certificates {why}: {said:,}")


@action("/domains/price")
def type_in_price(db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Say what the renewal of each of these domains costs; it beats the account's price and the price list's."""
    picked = DOMAINS.picked(db, data)
    form = TYPED.read(db, data) if picked.is_confirmed else TYPED.show(db)
    if not picked.is_confirmed or not form.is_valid:
        return View(ASK, status=200 if form.is_valid else 422, picked=picked, form=form)
    priced = type_in(db, picked.where, form.data, said=f"typed in by {user.name}")
    return Go(picked.back, toast=f"Typed in the price: {priced:,}")


@action("/domains/price/forget")
def forget_typed_price(db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Forget the price that was typed in for these domains; the account's or the price list's counts again."""
    picked = DOMAINS.picked(db, data)
    if not picked.is_confirmed:
        return View(ASK, picked=picked)
    gone = forget(db, picked.where, why=f"forgotten by {user.name}")
    return Go(picked.back, toast=f"Typed-in prices forgotten: {gone:,}")


@action("/domains/remove")
def remove_unlisted(db: DB, data: Data) -> View | Go:
    """Remove those of these domains from the portfolio that no account lists; the others stay."""
    picked = DOMAINS.picked(db, data)
    if not picked.is_confirmed:
        return View(ASK, picked=picked)
    is_unlisted = or_(col(Domain.missing_since).is_not(None), col(Domain.source_id).is_(None))
    gone = db.bulk(delete(Domain).where(*picked.where, is_unlisted), why="no account lists them")
    stay = picked.count - gone
    return Go(picked.back, toast=f"Removed: {gone:,}" + (f"; still in their account: {stay:,}" if stay else ""))


DOMAINS = Table(
    Domain,
    Column(Domain.shown_name, label="Name", search=True),
    Column(Domain.expires_at, label="Expires", filter=True, show=expiry),
    Column(Group.name, name="group", label="Group", filter=True, empty=UNASSIGNED, show=group),
    Column(Domain.registrar, filter=True, show=word),
    Column(Source.name, name="source", label="Source", filter=True, empty="none", show=source),
    Column(Domain.auto_renew, label="Auto-renew", filter=True, empty="unknown", show=wanted),
    Column(Domain.locked, label="Lock", filter=True, empty="unknown", show=wanted),
    Column(Domain.privacy, filter=True, empty="unknown", optional=True, show=plain),
    Column(PRICE, name="renewal_price", label="Renewal price", filter=True, empty="unknown", show=price),
    Column(CURRENCY, name="currency", label="Currency", filter="text", empty="unknown", show=word),
    Column(Domain.registered_on, label="Registered", filter=True, optional=True, show=day),
    Column(Domain.status, filter=True, empty="unknown", show=status),
    Column(Domain.last_seen_at, label="Last seen", filter=True, optional=True, show=seen),
    Column(Domain.name, label="Name in the DNS", search=True, optional=True),
    Column(REASON, name="group_why", label="Group because of", optional=True),
    Column(DEADLINE, name="deadline", label="Act by", filter=True, optional=True, show=deadline),
    Column(PHASE, name="phase", label="Phase", optional=True, empty="unknown", show=word),
    Column(SUFFIX, name="suffix", label="Suffix", filter="text", optional=True),
    Column(SAID_BY, name="price_from", label="Price from", filter="text", empty="unknown", optional=True, show=word),
    Column(YEARS, name="price_years", label="Years paid at once", optional=True),
    Column(Domain.first_seen_at, label="First seen", filter=True, optional=True, show=seen),
    Column(
        Domain.certificates_automated,
        label="Certificates automated",
        filter=True,
        empty="not said",
        optional=True,
        show=plain,
    ),
    Column(col(Domain.missing_since).is_not(None), name="missing", filter=True, hidden=True),
    Column(col(Domain.accounts) > 1, name="twice", label="In two accounts", filter=True, hidden=True),
    Column(IS_KNOWN, name="priced", label="Price known", filter=True, hidden=True),
    Column(Domain.accounts, hidden=True),
    Column(Domain.missing_since, hidden=True),
    Column(Domain.retired_at, hidden=True),
    Column(Domain.expires_is_day, hidden=True),
    joins=[Group, Source],
    sort=Domain.expires_at,
    link="/domains/{name}",
    bulk=[
        put_into_group,
        leave_to_the_rules,
        type_in_price,
        forget_typed_price,
        say_who_renews_certificates,
        remove_unlisted,
    ],
    empty="Add a source or import a CSV under Sources; its domains appear here.",
)
