"""What a registry says of a name (RFC 9083), read from whatever forms registries use.

They leave out what the RFC asks for, capitalise what it does not, and write dates in many ways. What cannot be read
is unknown; only an answer that is about no domain, or about another one, is an error.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domains import domain_name

IANA_ID = "iana registrar id"
ZONE = re.compile(r"\s*(UTC|GMT)$", re.IGNORECASE)
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")  # autoRenewPeriod, which EPP says and RFC 8056 translates
TRUTHS = {"true": True, "false": False, "1": True, "0": False}

Table = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One name as its registry has it; None is "it does not say"."""

    name: str
    expires_at: datetime | None = None
    registered_at: datetime | None = None
    changed_at: datetime | None = None
    registrar: str | None = None
    registrar_iana_id: int | None = None
    status: tuple[str, ...] | None = None
    nameservers: tuple[str, ...] | None = None
    dnssec: bool | None = None
    zone_assumed: bool = False  # the expiry names no zone, so it was read as UTC

    def as_json(self) -> dict[str, Any]:
        """The record as JSON takes it; times are ISO 8601 in UTC with a Z."""
        return {
            "name": self.name,
            "expires_at": _iso(self.expires_at),
            "registered_at": _iso(self.registered_at),
            "changed_at": _iso(self.changed_at),
            "registrar": self.registrar,
            "registrar_iana_id": self.registrar_iana_id,
            "status": None if self.status is None else list(self.status),
            "nameservers": None if self.nameservers is None else list(self.nameservers),
            "dnssec": self.dnssec,
        }


def read(answer: Any, asked: str) -> Record:
    """The record in an answer; ValueError when it holds none, or one of another name."""
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")
    if "errorCode" in answer:
        raise ValueError(f"the answer is error {answer['errorCode']}: {_said(answer)}")
    if not (answer.get("objectClassName") == "domain" or "ldhName" in answer or "events" in answer):
        raise ValueError("the answer is about no domain")
    name = _name(answer)
    if name not in ("", asked):
        raise ValueError(f"the answer is about {name}")
    events = _events(answer.get("events"))
    expires = events.get("expiration", "")
    registrar = next((each for each in _tables(answer.get("entities")) if "registrar" in _roles(each)), {})
    called = _called(registrar)
    return Record(
        name=asked,
        expires_at=moment(expires),
        registered_at=moment(events.get("registration")),
        changed_at=moment(events.get("last changed")),
        registrar=called,
        registrar_iana_id=_iana_id([*_tables(registrar.get("publicIds")), *_tables(answer.get("publicIds"))], called),
        status=_words(answer.get("status")),
        nameservers=_hosts(answer.get("nameservers", answer.get("nameServers"))),
        dnssec=_dnssec(answer.get("secureDNS")),
        zone_assumed=moment(expires) is not None and _zoneless(expires),
    )


def moment(text: object) -> datetime | None:
    """A time in UTC, whatever its zone; None when it is none. Without a zone it is read as UTC."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(ZONE.sub("+00:00", str(text or "").strip()))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return None


def status_words(status: Iterable[str] | None) -> set[str]:
    """The status values as RFC 8056 writes them, also those that a registry writes as EPP does."""
    return {HUMP.sub(" ", each).lower() for each in status or ()}


def _name(answer: Table) -> str:
    for key in ("ldhName", "unicodeName"):
        with suppress(ValueError):
            return domain_name(answer.get(key))
    return ""


def _events(found: Any) -> dict[str, str]:
    """The first date of each kind; those of its contacts and name servers lie deeper, and are not its own."""
    dates: dict[str, str] = {}
    for event in _tables(found):
        if moment(event.get("eventDate")):
            dates.setdefault(str(event.get("eventAction")).strip().lower(), str(event["eventDate"]))
    return dates


def _zoneless(text: str) -> bool:
    return datetime.fromisoformat(ZONE.sub("+00:00", text.strip())).tzinfo is None


def _tables(found: Any) -> list[dict[str, Any]]:
    """The objects in a list, or the one that stands where a list should."""
    return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]


def _roles(entity: Table) -> set[str]:
    roles = entity.get("roles") or []
    return {str(role).lower() for role in (roles if isinstance(roles, list) else [roles])}


def _called(entity: Table) -> str | None:
    """The name on a vCard, else its organisation; some registries give only the one, some only the other."""
    card = entity.get("vcardArray")
    lines = card[1] if isinstance(card, list) and len(card) > 1 and isinstance(card[1], list) else []
    for wanted in ("fn", "org"):
        for line in lines:
            if isinstance(line, list) and len(line) > 3 and str(line[0]).lower() == wanted:
                value = line[3]
                said = " ".join(str(part) for part in (value if isinstance(value, list) else [value]) if part).strip()
                if said:
                    return said
    return None


def _iana_id(ids: list[dict[str, Any]], registrar: str | None) -> int | None:
    """IANA's number of the registrar; Namecheap gives it under its own name instead of the kind of number."""
    kinds = {IANA_ID, (registrar or IANA_ID).lower()}
    numbers = [str(each.get("identifier")).strip() for each in ids if str(each.get("type")).lower() in kinds]
    return next((int(number) for number in numbers if number.isascii() and number.isdecimal()), None)


def _words(found: Any) -> tuple[str, ...] | None:
    if isinstance(found, str):
        found = [found]
    return tuple(each.strip() for each in found if isinstance(each, str)) if isinstance(found, list) else None


def _hosts(found: Any) -> tuple[str, ...] | None:
    if not isinstance(found, list):
        return None
    names = [each.get("ldhName") or each.get("unicodeName") if isinstance(each, dict) else each for each in found]
    return tuple(dict.fromkeys(name.strip().rstrip(".").lower() for name in names if isinstance(name, str) and name))


def _dnssec(found: Any) -> bool | None:
    """Whether the parent zone vouches for it (a DS record), which is what signing is worth."""
    table = found if isinstance(found, dict) else {}
    said = TRUTHS.get(str(table.get("delegationSigned")).lower())
    return True if said is None and table.get("dsData") else said


def _said(answer: Table) -> str:
    description = answer.get("description")
    lines = [answer.get("title"), *(description if isinstance(description, list) else [description])]
    return " ".join(str(line) for line in lines if line)[:200] or "it does not say why"


def _iso(at: datetime | None) -> str | None:
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z" if at else None
