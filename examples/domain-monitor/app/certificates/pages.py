"""Every host with its certificate in one table, and the hosts on a domain's page."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain, days_left, domain_name, in_words
from core import (
    DB,
    Cell,
    Column,
    CurrentUser,
    Data,
    Field,
    Form,
    Go,
    Params,
    Refused,
    Session,
    Table,
    View,
    action,
    in_days,
    page,
    today,
)
from core.forms import FormView

from .alerts import CRITICAL_DAYS, NEAR_DAYS
from .jobs import hosts
from .models import TLS_PORT, Certificate, ExtraHost, shown_host

TONES: dict[str, Any] = {"accepted": "good", "not accepted": "bad", "no listener": "", "not looked at": "unknown"}
HIGHEST_PORT = 65_535
LONGEST_PROBLEM = 60  # characters in the table


def ends(value: Any, row: Any) -> Cell:
    """The day it ends and the days left; the colour only where a browser accepts it so far."""
    days = days_left(value, today())
    if value is None or days is None:
        return Cell("unknown", tone="unknown") if row["state"] != "no listener" else Cell("—")
    return Cell(f"{value:%Y-%m-%d}", note=in_words(days), tone=tone_of(days), title=f"{value:%Y-%m-%d %H:%M:%S} UTC")


def tone_of(days: int) -> Any:
    """Red within three days and after the end, amber within 14."""
    return "bad" if days < CRITICAL_DAYS else "warn" if days < NEAR_DAYS else ""


def state(value: str, row: Any) -> Cell:
    """Whether a browser would accept it."""
    return Cell(value, tone=TONES[value], title=row["problem"])


def problem(value: str, _row: Any) -> Cell:
    """Why a browser would not accept it, in short; nothing where all is well."""
    return Cell(f"{value[:LONGEST_PROBLEM]}…" if len(value) > LONGEST_PROBLEM else value, title=value)


CERTIFICATES = Table(
    Certificate,
    Column(Certificate.host, search=True, show=lambda host, _: Cell(shown_host(host), title=host)),
    Column(Certificate.not_after, label="Ends", filter=True, show=ends),
    Column(Certificate.state, filter=True, show=state),
    Column(Certificate.problem, search=True, sort=False, show=problem),
    Column(Certificate.issuer, filter=True, search=True, empty="unknown"),
    Column(Certificate.lifetime_days, label="Lifetime (days)", filter=True),
    Column(Domain.name, name="domain", filter="text", optional=True),
    Column(Certificate.checked_at, label="Looked at", filter=True),
    Column(Certificate.names, label="Names", sort=False, optional=True, show=lambda names, _: ", ".join(names or ())),
    Column(Certificate.not_before, label="Begins", optional=True),
    joins=[Domain],
    sort=Certificate.not_after,
    link="/domains/{domain}",
    empty="The job check_certificates looks at every domain and its www every day; what it sees appears here.",
)

HOST = Form(ExtraHost, Field(ExtraHost.name, label="Another host", placeholder="shop.acme.com or mail.acme.com:8443"))


@page("/certificates", nav="Certificates", icon="shield-check")
def certificates(db: DB, params: Params) -> View:
    """What the hosts of our domains show, and whether a browser would accept it."""
    ours = [col(Domain.retired_at).is_(None)]
    found = dict(db.execute(select(Certificate.state, func.count()).join(Domain).where(*ours).group_by("state")).all())
    near = select(func.count()).select_from(Certificate).join(Domain).where(*ours, Certificate.state == "accepted")
    soon = db.scalar(near.where(col(Certificate.not_after) < in_days(NEAR_DAYS))) or 0
    shown = CERTIFICATES.load(db, params, where=ours)
    last = f"{in_days(NEAR_DAYS - 1):%Y-%m-%d}"
    return View("index.html", counts=found, soon=soon, soon_days=NEAR_DAYS, last=last, certificates=shown)


@dataclass(frozen=True)
class Line:
    """One host on its domain's page."""

    host: str
    shown: str
    cells: tuple[Cell, Cell]
    row: Certificate | None
    is_added: bool


@dataclass(frozen=True)
class Part:
    """The hosts of one domain."""

    name: str
    lines: list[Line]
    form: FormView


def hosts_of(db: Session, name: str, form: FormView | None = None) -> Part:
    """The part of a domain's page with its hosts."""
    id = domain_id(db, name)
    rows = {row.host: row for row in db.exec(select(Certificate).where(Certificate.domain_id == id))}
    added = set(db.scalars(select(ExtraHost.name).where(ExtraHost.domain_id == id)))
    lines = [_line(host.name, rows.get(host.name), host.name in added) for host in hosts(db, id)]
    return Part(name, lines, form or HOST.show(db))


@action("/domains/{name}/hosts")
def add_host(name: str, db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Look at the certificate of another host of this domain, too."""
    id, form = domain_id(db, name), HOST.read(db, data)
    if form.is_valid:
        try:
            form.data["name"] = host_below(name, form.data["name"])
        except ValueError as error:
            form.reject("name", str(error))
    if form.is_valid and form.data["name"] in {host.name for host in hosts(db, id)}:
        form.reject("name", f"{form.data['name']} is looked at already.")
    if not form.is_valid:
        return View("hosts.html", status=422, title=name, certificates=hosts_of(db, name, form))
    HOST.save(db, form, ExtraHost(domain_id=id, name="", added_by=user.name))
    return Go(f"/domains/{name}", toast=f"{form.data['name']} is looked at within the hour")


@action("/domains/{name}/hosts/remove")
def remove_host(name: str, db: DB, data: Data) -> Go:
    """Look no longer at a host that somebody added."""
    wanted = (ExtraHost.domain_id == domain_id(db, name), ExtraHost.name == str(data.get("host")))
    row = db.exec(select(ExtraHost).where(*wanted)).first()
    if row is None:
        raise Refused(409, "Nobody added that host; a domain's own name and its www stay.")
    db.delete(row)
    for known in db.exec(select(Certificate).where(Certificate.host == row.name)):
        db.delete(known)
    return Go(f"/domains/{name}", toast=f"{row.name} is no longer looked at")


def host_below(domain: str, typed: str) -> str:
    """A host of this domain as its key; ValueError with a sentence for anything else."""
    text, _, port = typed.strip().removeprefix("https://").rstrip("/").partition(":")
    host = domain_name(text)
    if host != domain and not host.endswith(f".{domain}"):
        raise ValueError(f"Give a host of {domain}; {host} is none.")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= HIGHEST_PORT):
        raise ValueError(f"{port!r} is no port.")
    return f"{host}:{int(port)}" if port and int(port) != TLS_PORT else host


def domain_id(db: Session, name: str) -> int:
    """The key of a domain; Refused (404) when we do not have it."""
    id = db.scalar(select(Domain.id).where(Domain.name == name))
    if id is None:
        raise Refused(404, f"{name} is not in the portfolio.")
    return id


def _line(host: str, row: Certificate | None, is_added: bool) -> Line:
    if row is None:
        return Line(host, shown_host(host), (Cell("not looked at yet", tone="unknown"), Cell("—")), None, is_added)
    shown = {"state": row.state, "problem": row.problem}
    return Line(host, shown_host(host), (state(row.state, shown), ends(row.not_after, shown)), row, is_added)
