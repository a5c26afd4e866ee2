"""What a registrar says we own: one form for every registrar, read from whatever forms they use."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.domains import domain_name

ZONE = re.compile(r"\s*(UTC|GMT)$", re.IGNORECASE)
MILLISECONDS_FROM = 100_000_000_000  # as seconds this would be the year 5138
US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
ABSENT_DATES = ("0001-01-01", "0000-00-00", "00/00/0000", "01/01/0001")
CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217
LARGEST_PRICE = 10**10  # what its column holds; whoever sends more means something else
FLAGS = {
    **dict.fromkeys("true yes y on 1 1.0 enabled enable".split(), True),
    **dict.fromkeys("false no n off 0 0.0 disabled disable".split(), False),
}
HOST_KEYS = ("ServerName", "nameServer", "name", "Name", "host", "hostname")
HEADERS = {  # how people and APIs call the columns of a domain: lower case, letters only
    "name": "name domain domainname fqdn",
    "expires_at": "expiresat expires expireson expiry expirydate expiration expirationdate expiredate renewaldate",
    "registered_on": "registeredon registered registeredat registrationdate created createdat creationdate",
    "registrar": "registrar provider",
    "status": "status",
    "auto_renew": "autorenew autorenewal autorenewenabled",
    "locked": "locked lock transferlock islocked",
    "privacy": "privacy whoisprivacy whoisguard privacyenabled",
    "renewal_price": "renewalprice price renewal cost priceperyear yearlyprice",
    "currency": "currency",
    "group": "group unit businessunit team department",
}
COLUMN_OF = {header: column for column, headers in HEADERS.items() for header in headers.split()}

Price = tuple[Decimal, str]  # amount and currency


def flag(value: object) -> bool | None:
    """True, "yes", "1" or 1, False, "No", "0" or 0; None for anything else."""
    return FLAGS.get(str(value).strip().lower())


def moment(value: object) -> datetime | date | None:
    """A date or a UTC time from the forms registrars use, no zone read as UTC; None for an absent one.

    ISO 8601 with dashes, slashes or none, `MM/DD/YYYY`, numbers (seconds or milliseconds since 1970), and the
    object that an XML-RPC date becomes in PHP. ValueError for anything else, so that a date we cannot read never
    passes for "no date".
    """
    if isinstance(value, dict):
        value = value.get("timestamp") or value.get("scalar")
    text = "" if value is None else str(value).strip()
    if text.lower() in ("", "0", "null", "none", "n/a", "-") or text.startswith(ABSENT_DATES):
        return None
    try:
        if us := US_DATE.fullmatch(text):
            month, day, year = map(int, us.groups())
            return date(year, month, day)
        if len(text) > 8 and text.replace(".", "", 1).isdecimal():
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if seconds >= MILLISECONDS_FROM else seconds, UTC)
        iso = ZONE.sub("+00:00", text.replace("/", "-"))
        if ":" not in iso and "T" not in iso:
            return date.fromisoformat(iso)
        read = datetime.fromisoformat(iso)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text[:40]!r} is no date") from None


def price(value: object) -> Decimal | None:
    """A price above zero, from a number or text with thousands commas; None otherwise: no renewal is free."""
    try:
        amount = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 < amount < LARGEST_PRICE else None


def money(amount: object, currency: object) -> Price | None:
    """A price with its currency; None when either cannot be read, for one without the other says nothing."""
    found, code = price(amount), str(currency or "").strip().upper()
    return (found, code) if found is not None and CURRENCY.fullmatch(code) else None


def count(value: object) -> int | None:
    """A count that a registrar announces, as a number or as text; None when it is neither."""
    text = str(value).strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One registered name as its registrar describes it; None is "the registrar does not say"."""

    name: str
    expires_at: datetime | date | None = None
    registered_at: datetime | date | None = None
    auto_renew: bool | None = None
    locked: bool | None = None
    privacy: bool | None = None
    status: str | None = None
    nameservers: tuple[str, ...] | None = None
    renewal_price: Decimal | None = None
    currency: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The registration as JSON takes it.

        Times are ISO 8601 in UTC with a Z, days without a time stay bare dates. The price is a number in the
        registrar's own digits, of which a float gives up to 15 back unchanged.
        """
        return {
            "name": self.name,
            "expires_at": _iso(self.expires_at),
            "registered_at": _iso(self.registered_at),
            "auto_renew": self.auto_renew,
            "locked": self.locked,
            "privacy": self.privacy,
            "status": self.status,
            "nameservers": None if self.nameservers is None else list(self.nameservers),
            "renewal_price": None if self.renewal_price is None else float(self.renewal_price),
            "currency": self.currency,
        }


def registration(
    name: object,
    *,
    expires: object = None,
    registered: object = None,
    auto_renew: object = None,
    locked: object = None,
    privacy: object = None,
    status: object = None,
    nameservers: object = None,
    renewal_price: object = None,
    currency: object = None,
) -> Registration:
    """A registration from values as registrars send them; ValueError when name or dates are unreadable."""
    key, found = domain_name(name), money(renewal_price, currency)
    try:
        expires_at, registered_at = moment(expires), moment(registered)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    return Registration(
        name=key,
        expires_at=expires_at,
        registered_at=registered_at,
        auto_renew=flag(auto_renew),
        locked=flag(locked),
        privacy=flag(privacy),
        status=_words(status),
        nameservers=_hosts(nameservers),
        renewal_price=found[0] if found else None,
        currency=found[1] if found else None,
    )


@dataclass(frozen=True)
class Listing:
    """What was read of one account; `complete` means that its end was proven and no row was skipped."""

    registrations: tuple[Registration, ...]
    complete: bool
    notes: tuple[str, ...]


def _iso(value: datetime | date | None) -> str | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    return value.isoformat() if value else None


def _words(value: object) -> str | None:
    if isinstance(value, list):
        value = ", ".join(str(each) for each in value if isinstance(each, str))
    if not isinstance(value, str | int):
        return None
    return "".join(c for c in str(value) if c.isprintable()).strip() or None  # a NUL stops a whole PostgreSQL write


def _hosts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    hosts = [
        next((each[key] for key in HOST_KEYS if key in each), "") if isinstance(each, dict) else each for each in value
    ]
    return tuple(host for each in hosts if (host := str(each or "").strip().rstrip(".").lower()))
