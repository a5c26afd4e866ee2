"""The portfolio and the page of one domain."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import sub
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import and_, bindparam, func
from sqlmodel import col, select

from app.certificates import hosts_of
from app.costs import IS_UNKNOWN, TYPED, TypedPrice, forget, prices_of, type_in
from app.domains import AMBER_DAYS, RED_DAYS, Domain, days_left, in_words, last_day_under, urgency
from app.groups import Group, Tree, assign, reason
from app.rdap import part_of
from app.sources import Listed, Source, troubles
from core import DB, CurrentUser, Data, Go, Params, Refused, Session, View, action, now, page, today
from core.forms import FormView

from ..settings import Settings
from .table import DOMAINS, GROUP

IS_LOST = col(Domain.missing_since).is_not(None)
IS_RETIRED = col(Domain.retired_at).is_not(None)


@dataclass(frozen=True)
class Stat:
    """One number above the table, and the part of the table that it counts."""

    label: str
    value: int
    note: str = ""
    tone: str = ""
    href: str = "/domains"


@page("/domains", nav="Domains", icon="globe")
def index(db: DB, params: Params) -> View:
    """Everything we own, the most urgent first."""
    domains = DOMAINS.load(db, params, where=[~IS_RETIRED])
    found, retired = stats(db, domains.total)
    return View("index.html", stats=found, troubles=troubles(db, now()), retired=retired, domains=domains)


@page("/retired")
def retired(db: DB, params: Params) -> View:
    """Names that several complete lists in a row lacked: gone for good, as far as anybody can tell."""
    domains = DOMAINS.load(db, params, where=[IS_RETIRED])
    return View("index.html", title="Retired", stats=[], troubles=[], retired=0, domains=domains)


def stats(db: Session, total: int) -> tuple[list[Stat], int]:
    """What stands above the table, each number a link to its rows; and how many are retired, in none of them."""
    red, amber = last_day_under(RED_DAYS, today()), last_day_under(AMBER_DAYS, today())
    ends = {"today": end_of(last_day_under(0, today())), "red": end_of(red), "amber": end_of(amber)}
    every, *numbers = db.execute(EVERY, ends).one()
    retired, gone = every - total, [0] * len(numbers)
    if numbers[2] or retired:  # a missing name is no longer urgent or dear, a retired one counts nowhere
        gone = list(db.execute(GONE, ends).one())
    unassigned, twice, missing, expired, soon, later, unpriced = map(sub, numbers, gone)
    *_, soon_gone, later_gone, unpriced_gone = gone
    found = [
        Stat("Domains", total),
        Stat(
            f"Expire in under {RED_DAYS} days",
            soon,
            f"{expired:,} expired already{less(soon_gone)}",
            "bad" if soon else "good",
            to(red),
        ),
        Stat(
            f"Expire in under {AMBER_DAYS} days",
            later,
            f"with those under {RED_DAYS}{less(later_gone)}",
            "warn" if later else "good",
            to(amber),
        ),
        Stat(
            "Unassigned",
            unassigned,
            "no rule fits them" if unassigned else "",
            "unknown" if unassigned else "good",
            "/domains?group=none",
        ),
        Stat(
            "Price unknown",
            unpriced,
            f"in no sum of costs{less(unpriced_gone)}" if unpriced or unpriced_gone else "",
            "unknown" if unpriced else "good",
            "/domains?priced=no&missing=no",
        ),
    ]
    if twice:
        found.append(Stat("In two accounts", twice, "somebody may pay twice", "warn", "/domains?twice=yes"))
    if missing:
        found.append(Stat("Missing", missing, "no longer in their account", "warn", "/domains?missing=yes"))
    return found, retired


def counting(*tests: Any) -> Any:
    """SELECT how many domains pass each test, None for all of them; an index counts each."""
    numbers = (select(func.count()).select_from(Domain).where(*[] if test is None else [test]) for test in tests)
    return select(*(number.scalar_subquery() for number in numbers))


def counts(db: Session, *tests: Any) -> list[int]:
    """How many domains pass each test, None for all of them."""
    return list(db.execute(counting(*tests)).one())


def less(missing: int) -> str:
    """What a number leaves out."""
    return f"; missing: {missing:,}, not counted" if missing else ""


def ends_by(day: date) -> Any:
    """Whether a domain expires on that day or before."""
    return col(Domain.expires_at) < end_of(day)


def end_of(day: date) -> datetime:
    """The first moment after a day."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def to(day: date) -> str:
    """The table of what we have and expires on that day or before."""
    return f"/domains?{urlencode({'expires_at.to': day, 'missing': 'no'})}"


# What `stats` asks, written down once for all requests: SQLAlchemy then knows the statements again at a glance.
OURS = [col(Domain.group_id).is_(None), col(Domain.accounts) > 1, IS_LOST]
URGENT = [*(col(Domain.expires_at) < bindparam(name) for name in ("today", "red", "amber")), IS_UNKNOWN]
EVERY = counting(None, *OURS, *URGENT)
GONE = counting(*(and_(IS_RETIRED, test) for test in OURS), *(and_(IS_LOST, test) for test in URGENT))


@page("/domains/{name}")
def show(name: str, db: DB, settings: Settings) -> View:
    """What is known of this domain, and why it is in its group."""
    domain = found(db, name)
    return shown(db, domain, settings)


@action("/domains/{name}/group")
def choose_group(name: str, db: DB, data: Data, user: CurrentUser, settings: Settings) -> View | Go:
    """Choose the group of a domain by hand, or leave it to the rules."""
    domain = found(db, name)
    form = GROUP.read(db, data)
    if not form.is_valid:
        return shown(db, domain, settings, form=form, status=422)
    chosen = form.data["group_id"]
    domain.group_id, domain.group_is_typed = chosen, chosen is not None
    domain.group_said, domain.rule_id = f"typed in by {user.name}" if chosen else "", None
    db.flush()
    assign(db)
    said = "is in the group you chose" if chosen else "follows the rules"
    return Go(show, name=name, toast=f"{domain.shown_name} {said}")


@action("/domains/{name}/price")
def type_price(name: str, db: DB, data: Data, user: CurrentUser, settings: Settings) -> View | Go:
    """Say what the renewal of a domain costs; it beats the account's price and the price list's."""
    domain = found(db, name)
    form = TYPED.read(db, data)
    if not form.is_valid:
        return shown(db, domain, settings, price_form=form, status=422)
    type_in(db, [Domain.id == domain.id], form.data, said=f"typed in by {user.name}")
    return Go(show, name=name, toast=f"The price of {domain.shown_name} is the one you typed in")


@action("/domains/{name}/price/forget")
def forget_price(name: str, db: DB, user: CurrentUser) -> Go:
    """Forget the price that was typed in; the account's or the price list's counts again."""
    domain = found(db, name)
    forget(db, [Domain.id == domain.id], why=f"forgotten by {user.name}")
    return Go(show, name=name, toast="The typed-in price is forgotten")


@action("/domains/{name}/remove")
def remove(name: str, db: DB) -> Go:
    """Remove a domain that no account lists from the portfolio."""
    domain = found(db, name)
    if not domain.is_unlisted:
        raise Refused(409, f"{domain.shown_name} is in its account; the next read would only bring it back.")
    db.delete(domain)
    return Go("/domains", toast=f"{domain.shown_name} is removed from the portfolio")


def shown(
    db: Session,
    domain: Domain,
    settings: Settings,
    *,
    form: FormView | None = None,
    price_form: FormView | None = None,
    status: int = 200,
) -> View:
    """The page of a domain with its forms."""
    group = db.get(Group, domain.group_id) if domain.group_id else None
    source = db.execute(select(Source.name).where(Source.id == domain.source_id)).scalar()
    days = days_left(domain.expires, today())
    others = (
        select(Source.name).join(Listed).where(Listed.domain_id == domain.id, Source.id != domain.source_id)
        if domain.accounts > 1
        else None
    )
    return View(
        "show.html",
        status=status,
        title=domain.shown_name,
        domain=domain,
        group=Tree.load(db).path(group.id) if group and group.id else "",
        why=reason(db, domain),
        source=source,
        others=list(db.scalars(others.order_by(Source.name))) if others is not None else [],
        days=in_words(days),
        tone=urgency(days),
        form=form or GROUP.show(db, group_id=domain.group_id if domain.group_is_typed else None),
        prices=prices_of(db, domain),
        price_form=price_form or TYPED.show(db, db.get(TypedPrice, domain.id)),
        registry=part_of(db, domain.name, settings),
        certificates=hosts_of(db, domain.name),
    )


def found(db: Session, name: str) -> Domain:
    """The domain of a name; Refused (404) when we do not know it."""
    domain = db.exec(select(Domain).where(Domain.name == name)).first()
    if domain is None:
        raise Refused(404, f"{name} is not in the portfolio; no source listed it and nobody imported it.")
    return domain
