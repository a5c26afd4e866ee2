"""By when somebody has to act: the deadline that really counts, before and after a domain expired.

What follows on the expiry is the registry's word (RFC 8056), with the periods that ICANN sets for generic suffixes;
countries have shorter ones or none. Without such a word nothing is assumed: a date in the past is "expired".
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from .record import status_words

Phase = Literal[
    "registered", "expired", "auto-renew grace", "redemption", "being restored", "pending delete", "unknown"
]
Moment = datetime | date | None

AUTO_RENEW_GRACE = timedelta(days=45)
REDEMPTION = timedelta(days=30)
RESTORE_REPORT = timedelta(days=7)
PENDING_DELETE = timedelta(days=5)
YEAR = timedelta(days=365)
TOLERANCE = timedelta(days=1)  # by which a registrar's and a registry's clock may differ
LATE: tuple[Phase, ...] = ("expired", "auto-renew grace", "redemption", "being restored", "pending delete")

# In this order: EPP says "pending delete" during the redemption, too.
PHASES: tuple[tuple[str, Phase, timedelta, str], ...] = (
    ("pending restore", "being restored", RESTORE_REPORT, "A restore was asked for; the registrar has to report it"),
    ("redemption period", "redemption", REDEMPTION, "Deleted: only its last holder can restore it, for a high fee"),
    ("pending delete", "pending delete", PENDING_DELETE, "Nothing can be done any more; it is free to anybody then"),
)


@dataclass(frozen=True)
class Known:
    """What is known of one domain's dates; `registry` is what it said last, `since` when it first said this status."""

    registrar: Moment = None
    registry: datetime | None = None
    status: tuple[str, ...] = ()
    since: datetime | None = None
    typed: date | None = None


@dataclass(frozen=True)
class Deadline:
    """The day by which somebody has to act, in which phase, and why that day, in a sentence."""

    phase: Phase
    on: date | None
    why: str


def deadline(known: Known, today: date) -> Deadline:
    """The effective deadline: the registry's phase decides, else the earlier of both dates, else what was typed in."""
    status = status_words(known.status)
    for word, phase, length, why in PHASES:
        if word in status:
            return Deadline(phase, day(known.since or today) + length, f"{why}.")
    if "auto renew period" in status and (grace := _in_grace(known)):
        return grace
    said = {"registrar": known.registrar, "registry": known.registry}
    if "auto renew period" in status and known.registrar:
        said.pop("registry")  # a year that it added by itself
    dates = {day(at): who for who, at in reversed(said.items()) if at is not None}
    if dates:
        first = min(dates)
        return Deadline(
            "expired" if first < today else "registered", first, f"It expires then, says the {dates[first]}."
        )
    if known.typed:
        why = "It expires then, as somebody typed in; neither registrar nor registry says."
        return Deadline("expired" if known.typed < today else "registered", known.typed, why)
    return Deadline("unknown", None, "Neither registrar nor registry says when it expires, and nobody typed it in.")


def disagree(known: Known) -> bool:
    """Whether registrar and registry are more than a day apart, other than by the year of an auto-renewal."""
    if known.registrar is None or known.registry is None:
        return False
    if "auto renew period" in status_words(known.status) and day(known.registrar) < day(known.registry):
        return False
    return apart(known.registrar, known.registry) > TOLERANCE


def apart(registrar: datetime | date, registry: datetime) -> timedelta:
    """How far the two are apart; in whole days where the registrar gives a bare one."""
    return abs(registrar - registry) if isinstance(registrar, datetime) else abs(registrar - registry.date())


def day(at: datetime | date) -> date:
    """The day of a moment, in UTC."""
    return at.date() if isinstance(at, datetime) else at


def _in_grace(known: Known) -> Deadline | None:
    """The grace after an expiry, unless the registrar says that the new year is paid: there its word wins."""
    registry = day(known.registry) if known.registry else None
    expired = day(known.registrar) if known.registrar else registry - YEAR if registry else None
    if expired is None or (registry and known.registrar and expired >= registry - TOLERANCE):
        return None
    who = "says the registrar" if known.registrar else "a year before the registry's date"
    why = f"It expired on {expired}, {who}; the year that the registry added is not paid. Renew it now: the registrar"
    return Deadline("auto-renew grace", expired + AUTO_RENEW_GRACE, f"{why} may delete it any day, at the latest then.")
