"""Whom to ask about which domain and when, and what becomes of an answer."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlmodel import col, select

from app.domains import Domain
from app.sources import is_left_alone
from core import Session

from .bootstrap import Bootstrap, read, shipped
from .lifecycle import LATE, Deadline, Known, deadline, disagree
from .models import BootstrapCopy, RegistryRecord, TypedDate
from .names import registered_name
from .record import Record
from .server import RdapError

# How long an answer is good for, by the days that are left: near the deadline a day, far away a week.
FRESH_FOR = ((30, timedelta(hours=20)), (90, timedelta(days=3)))
FRESH_FAR_AWAY = timedelta(days=7)
AGAIN_AFTER_REFUSAL = timedelta(days=1)
SPREAD = 0.15  # of that time, by name, so that those who were asked together do not stay together


class LastSaid(NamedTuple):
    """Of a domain's record what decides when to ask again: every hour all of them are looked through."""

    domain_id: int
    state: str
    asked_at: datetime | None
    answered_at: datetime | None
    registrar_said: datetime | None
    expires_at: datetime | None
    status: list[str] | None
    status_since: datetime | None
    phase: str
    deadline_on: date | None


@dataclass(frozen=True)
class Subject:
    """One domain of ours: what is known of its dates, and whom to ask about it."""

    id: int
    name: str
    known: Known
    registrar_at: datetime | None
    record: LastSaid | None
    servers: Bootstrap = field(repr=False)
    is_missing: bool = False
    is_left_alone: bool = False

    @cached_property
    def server(self) -> str | None:
        """Whom to ask; None where nobody can be asked, and of a name that is below a registered one."""
        try:
            return self.servers.server_of(self.name) if registered_name(self.name) == self.name else None
        except ValueError:
            return None

    @property
    def is_stale(self) -> bool:
        """Whether the registrar says another date than it did when the registry was asked."""
        return self.record is not None and self.record.registrar_said != self.registrar_at

    @property
    def disagrees(self) -> bool:
        """Whether registrar and registry are apart, as far as both spoke of the same time."""
        is_answered = self.record is not None and self.record.state == "answered"
        return is_answered and not self.is_stale and disagree(self.known)

    def deadline(self, today: date) -> Deadline:
        """The deadline that counts."""
        return deadline(self.known, today)

    def is_due(self, at: datetime) -> bool:
        """Whether to ask its registry now."""
        if self.server is None or self.is_left_alone:
            return False
        if self.record is None or self.record.asked_at is None or self.is_stale:
            return True
        return at - self.record.asked_at >= self.fresh_for(at.date())

    def fresh_for(self, today: date) -> timedelta:
        """How long the last answer is good for."""
        found = self.deadline(today)
        if self.record is not None and self.record.state != "answered":
            return AGAIN_AFTER_REFUSAL
        left = 0 if found.phase in LATE or self.disagrees else (found.on - today).days if found.on else 10_000
        whole = next((period for days, period in FRESH_FOR if left <= days), FRESH_FAR_AWAY)
        return whole * (1 - SPREAD * hashlib.blake2b(self.name.encode(), digest_size=1).digest()[0] / 255)

    def urgency(self, today: date) -> tuple[bool, date, str]:
        """What is asked about first: what was never asked about, then the nearest deadline."""
        found = self.deadline(today)
        return self.record is not None and self.record.asked_at is not None, found.on or date.max, self.name


def subjects(db: Session, servers: Bootstrap, *, name: str = "") -> list[Subject]:
    """Every domain that we still have, or the one of a name."""
    wanted = [col(Domain.name) == name] if name else [col(Domain.retired_at).is_(None)]
    said = select(*(getattr(RegistryRecord, name) for name in LastSaid._fields)).join(Domain).where(*wanted)
    records = {row.domain_id: LastSaid(*row) for row in db.execute(said)}
    typed = {row.domain_id: row.expires_on for row in db.exec(select(TypedDate))}
    looked_at: list[Any] = [Domain.id, Domain.name, Domain.expires_at, Domain.expires_is_day]
    flags = [col(Domain.missing_since).is_not(None), is_left_alone()]
    found = []
    for id, its_name, at, is_day, *its_flags in db.execute(select(*looked_at, *flags).where(*wanted)):
        record = records.get(id)
        dates = known(at, is_day, record, typed.get(id))
        found.append(Subject(id, its_name, dates, at, record, servers, *its_flags))
    return found


def known(at: datetime | None, is_day: bool, record: LastSaid | None, typed: date | None) -> Known:
    """What is known of a domain's dates; a registry's date from before the registrar's last change does not count."""
    registrar = at.date() if at and is_day else at
    if record is None or record.answered_at is None:
        return Known(registrar, typed=typed)
    registry = None if at and record.registrar_said != at else record.expires_at
    return Known(registrar, registry, tuple(record.status or ()), record.status_since, typed)


def servers_of(db: Session, more: Mapping[str, str]) -> Bootstrap:
    """The newer of the fetched and the shipped list, and what the settings say beside it."""
    copy = db.get(BootstrapCopy, 1)
    fetched = read(copy.text) if copy else shipped()
    return max(fetched, shipped(), key=lambda each: each.publication).and_also(more)


def in_turns(found: Iterable[Subject]) -> Iterator[Subject]:
    """The same, a different host each time as far as there are several: then nobody waits for the pace of one."""
    by_host: dict[str, list[Subject]] = defaultdict(list)
    for each in found:
        by_host[urlsplit(each.server or "").netloc].append(each)
    return (each for each in chain.from_iterable(zip_longest(*by_host.values())) if each is not None)


def answered(subject: Subject, record: Record, at: datetime) -> dict[str, Any]:
    """An answer as columns of the domain's record."""
    status = None if record.status is None else list(record.status)
    before = subject.record
    is_as_before = before is not None and before.status == status and before.status_since is not None
    return {
        "domain_id": subject.id,
        "state": "answered",
        "asked_at": at,
        "answered_at": at,
        "problem": "",
        "registrar_said": subject.registrar_at,
        "expires_at": record.expires_at,
        "zone_assumed": record.zone_assumed,
        "registered_at": record.registered_at,
        "changed_at": record.changed_at,
        "registrar": record.registrar,
        "registrar_iana_id": record.registrar_iana_id,
        "status": status,
        "status_since": before.status_since if is_as_before and before else _began(record, at),
        "nameservers": None if record.nameservers is None else list(record.nameservers),
        "dnssec": record.dnssec,
    }


def refused(subject: Subject, error: RdapError, at: datetime) -> dict[str, Any]:
    """A question without an answer as columns; what was known stays."""
    said = {"state": error.reason, "asked_at": at, "problem": str(error), "registrar_said": subject.registrar_at}
    return {"domain_id": subject.id, **said}


def _began(record: Record, at: datetime) -> datetime:
    """When a status began that is seen for the first time: with the last change, if that is not long ago."""
    changed = record.changed_at
    return changed if changed and timedelta() <= at - changed <= timedelta(days=30) else at
