"""A made-up portfolio to try the monitor with: `python -m app.sample --domains 10000`.

The same number and day give the same portfolio, so loading it twice changes nothing the second time. Its dates lie
around today, its sources are disabled, and every registrar in it is invented.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import idna
from sqlmodel import select

from app.automation import AutomatedRule, AutomatedShare
from app.certificates import Certificate
from app.costs import ListPrice
from app.domains import Domain, shown_name
from app.groups import Group, Rule, assign
from app.rdap import Known, RegistryRecord, deadline, shipped
from app.sources import Source
from core import CoreError, Session, UserError, today
from core.cli import opened, upgrade_all
from core.db import Actor, Database

SAMPLE = Actor("sample", "cli", did="Load the sample portfolio.")
ROWS = 500

# What people register: a brand alone, a brand abroad, a brand with a campaign or a city, a defensive misspelling.
BRANDS = (
    "nordwind", "auvalis", "brightfern", "calderra", "domora", "elbtor", "fennwick", "galdora", "heliostra",
    "inkwell-press", "juniperra", "kastelo", "lumenova", "marrowby", "novaterra", "oakhaven", "pellucid",
    "quillon", "rosenfeld", "silverbeck", "tavolara", "umbrella-works", "valmonte", "westmoor", "xanthera",
    "yarrowfield", "zephyrion", "aquilar", "bluedune", "coralith",
)  # fmt: skip
CAMPAIGNS = (
    "shop", "outlet", "careers", "jobs", "summer", "winter", "spring", "gifts", "club", "rewards", "app",
    "cloud", "status", "support", "academy", "events", "press", "newsletter", "checkout", "pay", "login",
    "partners", "investors", "blog", "media", "labs", "green", "festival", "members", "tickets",
)  # fmt: skip
PLACES = (
    "berlin", "hamburg", "paris", "lyon", "london", "leeds", "madrid", "sevilla", "milano", "roma", "wien",
    "graz", "zurich", "geneve", "amsterdam", "bruxelles", "lisboa", "porto", "oslo", "bergen", "stockholm",
    "malmo", "kobenhavn", "helsinki", "warszawa", "praha", "budapest", "athens", "dublin", "toronto",
)  # fmt: skip
INTERNATIONAL = ("nordwind-münchen.de", "café-valmonte.fr", "rosenfeld-köln.de", "lumenova-zürich.ch")

# Suffix: how many of a hundred names have it, its renewal price a year and currency; None where nobody tells it.
SUFFIXES: dict[str, tuple[int, str | None, str]] = {
    "com": (34, "10.99", "USD"),
    "de": (16, "6.50", "EUR"),
    "net": (6, "12.49", "USD"),
    "org": (5, "11.99", "USD"),
    "co.uk": (6, "8.20", "GBP"),
    "fr": (6, "9.80", "EUR"),
    "ch": (4, None, "CHF"),
    "at": (3, "14.00", "EUR"),
    "it": (3, "9.40", "EUR"),
    "es": (3, "8.90", "EUR"),
    "nl": (3, "7.75", "EUR"),
    "eu": (3, "7.25", "EUR"),
    "io": (2, "49.00", "USD"),
    "shop": (2, "34.00", "USD"),
    "app": (2, "16.50", "USD"),
    "jp": (1, None, "JPY"),
    "com.au": (1, "21.00", "USD"),
}
SILENT = ("de", "ch")  # registries that publish no expiry, so that many accounts do not show one either

# Account: the invented registrar it is with, the kind whose form it would fill in, its share of a hundred names.
ACCOUNTS = (
    ("Main account", "Registrar North", "godaddy", 46),
    ("Europe", "Eurodom Services", "namecheap", 30),
    ("Campaigns", "Quickname", "namecom", 18),
    ("Bought with Calderra", "Old Harbour Domains", "godaddy", 6),
)
# Group: the one it is in, who owns it, what it may cost a year.
GROUPS: dict[str, tuple[str, str, int | None]] = {
    "Corporate": ("", "Ada Brandt", 40_000),
    "Brand protection": ("Corporate", "Ada Brandt", None),
    "Engineering": ("", "Ben Okafor", 12_000),
    "Marketing": ("", "Carla Ruiz", 20_000),
    "Campaigns": ("Marketing", "Carla Ruiz", None),
    "E-commerce": ("Marketing", "Dmitri Laine", 8_000),
    "Countries": ("", "", None),
    "Germany": ("Countries", "Eva Lindqvist", 9_000),
    "Southern Europe": ("Countries", "Fabio Conti", None),
    "Switzerland": ("Countries", "Gita Rao", None),
    "United Kingdom": ("Countries", "Hugh Mbeki", 4_000),
}
# What the registrars charge where an account does not say it: registrar, suffix, price, currency, years.
PRICES: tuple[tuple[str, str, str, str, int], ...] = (
    ("Registrar North", "com", "11.80", "USD", 1),
    ("Registrar North", "ch", "12.00", "CHF", 1),
    ("Eurodom Services", "ch", "9.80", "CHF", 1),
    ("Eurodom Services", "com", "9.90", "EUR", 1),
    ("Eurodom Services", "co.uk", "15.00", "GBP", 2),
    ("Quickname", "de", "5.20", "EUR", 1),
    ("Quickname", "com", "9.70", "USD", 1),
)
RULES = (
    ("name pattern", "*-typo*", "Brand protection"),
    ("name pattern", "*shop*", "E-commerce"),
    ("name pattern", "*checkout*", "E-commerce"),
    ("name pattern", "*outlet*", "E-commerce"),
    ("suffix", "shop", "E-commerce"),
    ("name pattern", "*status*", "Engineering"),
    ("name pattern", "*labs*", "Engineering"),
    ("suffix", "io", "Engineering"),
    ("suffix", "app", "Engineering"),
    ("name pattern", "*careers*", "Corporate"),
    ("name pattern", "*investors*", "Corporate"),
    ("registrar", "Old Harbour Domains", "Corporate"),
    ("source", "Campaigns", "Campaigns"),
    ("name pattern", "*newsletter*", "Marketing"),
    ("name pattern", "*events*", "Marketing"),
    ("name pattern", "*-20??.*", "Marketing"),
    ("suffix", "de", "Germany"),
    ("suffix", "ch", "Switzerland"),
    ("suffix", "co.uk", "United Kingdom"),
    ("suffix", "it", "Southern Europe"),
    ("suffix", "es", "Southern Europe"),
    ("suffix", "com", "Corporate"),
)

AUTOMATED_PERCENT = {"E-commerce": 90, "Engineering": 80, "Corporate": 40, "Germany": 20, "Brand protection": 0}
AUTOMATED_SUFFIXES = ("app", "io")  # by their rules


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the sample; the exit code."""
    given = parser().parse_args(arguments)
    try:
        with opened() as runtime:
            upgrade_all(runtime)
            print(load(runtime.database, size=given.domains, day=given.today, is_forced=given.force))
    except CoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    made = argparse.ArgumentParser(prog="python -m app.sample", description=__doc__.partition("\n")[0])
    made.add_argument("--domains", type=int, default=10_000, metavar="N", help="how many (10000)")
    made.add_argument(
        "--today", type=date.fromisoformat, default=today(), metavar="DAY", help="the day its dates lie around"
    )
    made.add_argument("--force", action="store_true", help="load it into a database with sources of your own")
    return made


def load(database: Database, *, size: int, day: date, is_forced: bool = False) -> str:
    """Write the sample and say what it changed; UserError in a database with real sources."""
    with database.write(SAMPLE) as db:
        refuse_real(db, is_forced)
        sources, created = frame(db)
    rows = portfolio(size, day, sources)
    updated = 0
    while part := list(islice(rows, ROWS)):
        with database.write(SAMPLE) as db:
            done = db.upsert(Domain, part, key="name")
        created, updated = created + done.created, updated + done.updated
    seen_from_outside(database, day)
    with database.write(SAMPLE) as db:
        moved = assign(db)
    return f"{size:,} domains: {created:,} rows created, {updated:,} changed, {moved:,} put into groups"


def refuse_real(db: Session, is_forced: bool) -> None:
    """Stop before made-up domains are mixed with real ones."""
    ours = [name for name, *_ in ACCOUNTS]
    real = db.scalars(select(Source.name).where(Source.name.not_in(ours) | Source.is_enabled)).all()  # type: ignore[attr-defined]
    if real and not is_forced:
        raise UserError(
            f"this database has sources of your own ({', '.join(real)}); load the sample into another one "
            "(DATA_DIR=./sample python -m app.sample), or say --force"
        )


def frame(db: Session) -> tuple[dict[str, int], int]:
    """The accounts, groups and rules; the accounts' keys by name, and how many rows were made."""
    noted = {"is_enabled": False, "credentials": {}, "notes": "made up, like everything in it"}
    done = db.upsert(
        Source, [{"name": name, "kind": kind, **noted} for name, _, kind, _ in ACCOUNTS], key="name"
    ).created
    done += sum(owners(db, level) for level in (False, True))
    lines = [
        {"registrar": registrar, "suffix": suffix, "price": Decimal(price), "currency": currency, "years": years}
        for registrar, suffix, price, currency, years in PRICES
    ]
    lines = [{**line, "since": date(2020, 1, 1)} for line in lines]
    done += db.upsert(ListPrice, lines, key=("registrar", "suffix", "since")).created
    groups = {name: id for name, id in db.execute(select(Group.name, Group.id))}
    if db.exec(select(Rule)).first() is None:
        rules = enumerate(RULES, start=1)
        db.add_all(Rule(position=n, kind=kind, value=value, group_id=groups[name]) for n, (kind, value, name) in rules)  # type: ignore[arg-type]
        done += len(RULES)
        db.flush()
    shares = [{"group_id": groups[name], "percent": percent} for name, percent in AUTOMATED_PERCENT.items()]
    done += db.upsert(AutomatedShare, shares, key="group_id").created
    chosen = select(Rule.id).where(Rule.kind == "suffix", Rule.value.in_(AUTOMATED_SUFFIXES))  # type: ignore[attr-defined]
    said = [{"rule_id": id, "automated": True} for id in db.scalars(chosen)]
    done += db.upsert(AutomatedRule, said, key="rule_id").created if said else 0
    return {name: id for name, id in db.execute(select(Source.name, Source.id))}, done


def owners(db: Session, is_inside: bool) -> int:
    """The groups of the highest level, or those inside them; how many were made."""
    groups = {name: id for name, id in db.execute(select(Group.name, Group.id))}
    rows = [
        {
            "name": name,
            "parent_id": groups.get(parent),
            "owner": owner,
            "owner_mail": f"{owner.split()[0].lower()}@example.com" if owner else "",
            "budget": budget and Decimal(budget),
            "budget_currency": "EUR" if budget else None,
        }
        for name, (parent, owner, budget) in GROUPS.items()
        if bool(parent) is is_inside
    ]
    return db.upsert(Group, rows, key="name").created


def portfolio(size: int, day: date, sources: dict[str, int]) -> Iterator[dict[str, Any]]:
    """So many domains, always the same ones, with dates around a day."""
    chance = random.Random(20260315)
    seen = datetime.combine(day, time(), UTC)
    for name in names(size, chance):
        account, registrar, _, _ = chance.choices(ACCOUNTS, [share for *_, share in ACCOUNTS])[0]
        yield {
            "name": name,
            "shown_name": shown_name(name),
            "source_id": sources[account],
            "registrar": registrar,
            **registration(name, day, chance),
            "first_seen_at": seen - timedelta(days=chance.randint(30, 900)),
            "last_seen_at": seen,
        }


def names(size: int, chance: random.Random) -> Iterator[str]:
    """So many different names."""
    used: set[str] = set()
    waiting = [idna.encode(name).decode() for name in INTERNATIONAL]
    while len(used) < size:
        suffix = chance.choices(list(SUFFIXES), [share for share, _, _ in SUFFIXES.values()])[0]
        name = waiting.pop() if waiting else f"{label(chance)}.{suffix}"
        if name not in used:
            used.add(name)
            yield name


def label(chance: random.Random) -> str:
    """What stands before the suffix."""
    brand, form = chance.choice(BRANDS), chance.random()
    if form < 0.06:
        return brand
    if form < 0.34:
        return f"{brand}-{chance.choice(CAMPAIGNS)}"
    if form < 0.56:
        return f"{brand}-{chance.choice(PLACES)}"
    if form < 0.78:
        return f"{brand}-{chance.choice(CAMPAIGNS)}-{chance.choice(PLACES)}"
    if form < 0.92:
        return f"{chance.choice(CAMPAIGNS)}-{brand}-{chance.randint(2016, 2027)}"
    return f"{brand[: chance.randint(3, len(brand) - 1)]}-typo{chance.randint(1, 99)}"


def registration(name: str, day: date, chance: random.Random) -> dict[str, Any]:
    """What an account would say of a name: most renew themselves in good time, a few are in trouble."""
    suffix = name.partition(".")[2]
    _, price, currency = SUFFIXES[suffix]
    left = chance.choices([(-25, -1), (0, 29), (30, 89), (90, 365), (366, 1800)], [1, 5, 12, 62, 20])[0]
    expires = datetime.combine(day + timedelta(days=chance.randint(*left)), time(chance.randint(0, 23), 59, 59), UTC)
    is_known = suffix not in SILENT or chance.random() < 0.3
    is_day = suffix in ("fr", "co.uk", "nl")
    is_priced = price is not None and chance.random() < 0.97
    is_expired = is_known and expires.date() < day
    return {
        "expires_at": (expires.replace(hour=0, minute=0, second=0) if is_day else expires) if is_known else None,
        "expires_is_day": is_known and is_day,
        "registered_on": day - timedelta(days=chance.randint(200, 7000)),
        "auto_renew": chance.choices([True, False, None], [80, 16, 4])[0],
        "locked": chance.choices([True, False, None], [86, 8, 6])[0],
        "privacy": chance.choices([True, False, None], [60, 30, 10])[0],
        "status": "expired" if is_expired else chance.choices(["active", "pending transfer", None], [94, 1, 5])[0],
        "nameservers": chance.choice([["ns1.dns.example", "ns2.dns.example"], ["a.ns.example", "b.ns.example"], None]),
        "renewal_price": Decimal(price) if is_priced and price else None,
        "currency": currency if is_priced else None,
    }


def seen_from_outside(database: Database, day: date) -> None:
    """What registries and hosts would say of the sample: most agree and are well, a few are not."""
    chance = random.Random(20290315)
    with database.read() as db:
        found = list(db.execute(select(Domain.id, Domain.name, Domain.expires_at).order_by(Domain.name)))
    while part := [found.pop() for _ in range(min(ROWS // 2, len(found)))]:
        records = [record(id, name, expires_at, day, chance) for id, name, expires_at in part]
        certificates = [certificate(id, host, day, chance) for id, name, _ in part for host in (name, f"www.{name}")]
        with database.write(SAMPLE) as db:
            db.upsert(RegistryRecord, records, key="domain_id")
            db.upsert(Certificate, certificates, key="host")


def record(id: int, name: str, expires_at: datetime | None, day: date, chance: random.Random) -> dict[str, Any]:
    """What the registry of a made-up domain says: its date, but for suffixes without RDAP."""
    asked_at = datetime.combine(day, time(4), UTC)
    has_rdap, is_apart = shipped().server_of(name) is not None, chance.random() < 0.004
    is_late = expires_at is not None and expires_at.date() < day
    status = ["auto renew period" if is_late else chance.choice(["client transfer prohibited", "active"])]
    said = expires_at + timedelta(days=365 if is_late else -9 if is_apart else 0) if expires_at else None
    known = Known(expires_at, said if has_rdap else None, tuple(status) if has_rdap else ())
    found = deadline(known, day)
    return {
        "domain_id": id,
        "state": "answered" if has_rdap else "no rdap",
        "asked_at": asked_at if has_rdap else None,
        "answered_at": asked_at if has_rdap else None,
        "registrar_said": expires_at,
        "expires_at": said if has_rdap else None,
        "status": status if has_rdap else None,
        "phase": found.phase,
        "deadline_on": found.on,
    }


def certificate(id: int, host: str, day: date, chance: random.Random) -> dict[str, Any]:
    """What a made-up host shows."""
    state = chance.choices(["accepted", "not accepted", "no listener"], [865, 3, 132])[0]
    days, left = chance.choice([90, 199, 397]), chance.choices([(20, 89), (0, 13)], [997, 3])[0]
    ends = datetime.combine(day + timedelta(days=chance.randint(*left)), time(23, 59, 59), UTC)
    has_one, problem = state != "no listener", {"accepted": "", "no listener": "nothing listens there"}
    return {
        "host": host,
        "domain_id": id,
        "state": state,
        "checked_at": datetime.combine(day, time(5), UTC),
        "not_after": ends if has_one else None,
        "not_before": ends - timedelta(days=days, seconds=-1) if has_one else None,
        "lifetime_days": days if has_one else None,
        "issuer": chance.choice(["Acme Trust (Acme CA 1)", "Free Certificates (FC 7)"]) if has_one else None,
        "names": [host] if has_one else None,
        "problem": problem.get(state, f"it is for parking.example, not for {host}"),
    }


if __name__ == "__main__":
    sys.exit(main())
