"""OVHcloud: the names in one list, the rest name by name, every request signed (api.ovh.com)."""

import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote, urlsplit

from app.sources.account import Account, Api
from app.sources.details import ask_each
from app.sources.failures import Advice, Reasons, SourceError
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, flag, registration

PER_MINUTE = 120
TIME = "/1.0/auth/time"
REASONS: Reasons = {
    **dict.fromkeys(("INVALID_CREDENTIAL", "INVALID_KEY", "INVALID_SIGNATURE", "NOT_CREDENTIAL"), "wrong key"),
    **dict.fromkeys(("NOT_GRANTED_CALL", "FORBIDDEN"), "not entitled"),
    "QUERY_TIME_OUT": "their fault",
}
ADVICE: Advice = {
    "wrong key": "make the three keys anew at the createToken page of the region that is asked",
    "not entitled": "the keys are right, but the consumer key may not GET /domain and /domain/*; make one that may",
}
AUTO_RENEW = {
    "automatic_renew": True,
    **dict.fromkeys(("manual_renew", "cancellation_requested", "cancellation_complete"), False),
}
LOCKED = {"locked": True, "unlocking": True, "unlocked": False, "locking": False}


def read(account: Account) -> Listing:
    """Every domain of the account; the list comes at once, dates and flags name by name."""
    reading = account.reading()
    signer = Signer(account["application_key"], account["application_secret"], account["consumer_key"])
    with account.connect(per_minute=PER_MINUTE, sign=signer, reasons=REASONS, advice=ADVICE) as api:
        with suppress(SourceError, TypeError, ValueError):  # a clock that we cannot ask for may still be right
            signer.offset_s = int(api.json(TIME)) - time.time()
        names = api.json("/1.0/domain")
        api.rows(names)
        reading.add([{"domain": name} for name in names], lambda row: registration(row["domain"]))
        ask_each(account, reading, partial(_detail, api), per_minute=PER_MINUTE // 2)
    return reading.listing(announced=len(names))


def _detail(api: Api, name: str) -> Registration:
    path = f"/1.0/domain/{quote(name)}"
    about = api.table(api.json(path))
    paid = {}
    if not (about.get("expirationDate") and about.get("renewalState")):  # older answers have neither
        paid = api.table(api.json(f"{path}/serviceInfos"))
    renew = paid.get("renew") or {}
    is_automatic = False if flag(renew.get("deleteAtExpiration")) else renew.get("automatic")
    return registration(
        name,
        expires=about.get("expirationDate") or paid.get("expiration"),
        registered=paid.get("creation"),
        auto_renew=AUTO_RENEW.get(str(about.get("renewalState")).lower(), is_automatic),
        locked=LOCKED.get(str(about.get("transferLockStatus")).lower()),
        status=about.get("state") or paid.get("status"),
        nameservers=about.get("nameServers"),
    )


@dataclass
class Signer:
    """Signs the requests of one consumer key, by OVH's clock."""

    application_key: str
    application_secret: str = field(repr=False)
    consumer_key: str = field(repr=False)
    offset_s: float = 0.0

    def __call__(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """The headers of a request that is sent now; the question for the time goes without."""
        if urlsplit(url).path == TIME:
            return {}
        return self.headers(method, url, body, round(time.time() + self.offset_s))

    def headers(self, method: str, url: str, body: bytes, at: int) -> Mapping[str, str]:
        """The headers of a request that is sent at a time."""
        parts = (self.application_secret, self.consumer_key, method, url, body.decode(), str(at))
        return {
            "X-Ovh-Application": self.application_key,
            "X-Ovh-Consumer": self.consumer_key,
            "X-Ovh-Timestamp": str(at),
            "X-Ovh-Signature": "$1$" + hashlib.sha1("+".join(parts).encode()).hexdigest(),
        }


KIND = Kind(
    name="ovh",
    label="OVHcloud",
    fields=(
        CredentialField(
            "application_key", "Application key", True, "From eu.api.ovh.com/createToken, for GET /domain*"
        ),
        CredentialField("application_secret", "Application secret", True, "Shown beside it"),
        CredentialField("consumer_key", "Consumer key", True, "Shown beside it; other regions need another base URL"),
    ),
    base_url="https://eu.api.ovh.com",
    read=read,
)
