"""The registry's part of a domain's page: what it says, the deadline that counts, and a date to type in."""

from contextlib import ExitStack
from dataclasses import dataclass

from sqlmodel import select

from app.domains import days_left, in_words, urgency
from core import DB, CurrentUser, Data, Field, Form, Go, Refused, Session, View, action, now, today
from core.forms import FormView

from ..settings import Settings
from .asking import Subject, servers_of, subjects
from .jobs import Desk, moved, write
from .lifecycle import LATE, Deadline
from .models import RegistryRecord, RegistryServer, TypedDate

TYPED = Form(
    TypedDate,
    Field(TypedDate.expires_on, label="Expires"),
    Field(TypedDate.reason, label="Where the date comes from", placeholder="Invoice 4711, letter of the registry"),
    Field(TypedDate.owner, label="Who keeps it up to date"),
)


@dataclass(frozen=True)
class Part:
    """What the part shows."""

    name: str
    record: RegistryRecord | None
    deadline: Deadline
    days: str
    tone: str
    disagrees: bool
    is_askable: bool
    typed: TypedDate | None
    form: FormView | None


def part_of(db: Session, name: str, settings: Settings, form: FormView | None = None) -> Part:
    """The registry's part of a domain's page; the form is there where nobody else tells the date."""
    subject = one(db, name, settings)
    typed = db.exec(select(TypedDate).where(TypedDate.domain_id == subject.id)).first()
    found = subject.deadline(today())
    left = days_left(found.on, today())
    is_told = subject.known.registrar is not None or subject.known.registry is not None
    return Part(
        name,
        db.exec(select(RegistryRecord).where(RegistryRecord.domain_id == subject.id)).first(),
        found,
        in_words(left),
        "bad" if found.phase in LATE else urgency(left),
        subject.disagrees,
        subject.server is not None,
        typed,
        form or (None if is_told and typed is None else TYPED.show(db, typed)),
    )


@action("/domains/{name}/typed-date")
def type_date(name: str, db: DB, data: Data, user: CurrentUser, settings: Settings) -> View | Go:
    """Type in when a domain expires, where neither registrar nor registry tells."""
    id = one(db, name, settings).id
    row = db.exec(select(TypedDate).where(TypedDate.domain_id == id)).first()
    form = TYPED.read(db, data, row)
    if not form.is_valid:
        return View("registry.html", status=422, title=name, registry=part_of(db, name, settings, form))
    row = row or TypedDate(domain_id=id, **form.data)
    row.typed_by, row.typed_at = user.name, now()
    TYPED.save(db, form, row)
    return settled(db, name, settings, f"{name} expires on {row.expires_on}, as you say")


@action("/domains/{name}/typed-date/remove")
def forget_date(name: str, db: DB, settings: Settings) -> Go:
    """Forget the date that somebody typed in."""
    row = db.exec(select(TypedDate).where(TypedDate.domain_id == one(db, name, settings).id)).first()
    if row is None:
        raise Refused(409, f"No date is typed in for {name}.")
    db.delete(row)
    return settled(db, name, settings, "The typed-in date is forgotten")


@action("/domains/{name}/registry")
def ask_registry(name: str, db: DB, settings: Settings) -> Go:
    """Ask the registry about one domain now."""
    subject = one(db, name, settings)
    paused = {row.host: row for row in db.exec(select(RegistryServer))}
    db.expunge_all()
    db.rollback()  # nothing is written yet, and nobody may wait for us while we wait for the registry
    with ExitStack() as stack:
        desk = Desk(stack, settings, paused)
        row = desk.ask(subject) if subject.server else None
    if row is None:
        why = desk.problems[0] if desk.problems else f"{name}: its registry has no server, or is left alone for a while"
        return Go(f"/domains/{name}", toast=f"Not asked. {why}")
    write(db, [row])
    return settled(db, name, settings, row.get("problem") or "The registry answered")


def settled(db: Session, name: str, settings: Settings, said: str) -> Go:
    """Back to the domain, its deadline written anew."""
    db.flush()
    db.expire_all()
    if row := moved(one(db, name, settings), today()):
        db.upsert(RegistryRecord, [row], key="domain_id")
    return Go(f"/domains/{name}", toast=said)


def one(db: Session, name: str, settings: Settings) -> Subject:
    """The domain of a name; Refused (404) when we do not have it."""
    found = subjects(db, servers_of(db, settings.rdap_servers), name=name)
    if not found:
        raise Refused(404, f"{name} is not in the portfolio.")
    return found[0]
