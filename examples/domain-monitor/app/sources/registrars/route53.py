"""Amazon Route 53 Domains: JSON by POST to one address in one region, signed (AWS Signature Version 4)."""

import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from app.sources.account import Account, Api
from app.sources.failures import Advice, Reasons
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Price, Registration, money, registration
from app.sources.reading import Prices, Row
from core.http import HttpError, Reply
from core.time import now

PAGE, PRICES_PAGE = 100, 1000
PER_MINUTE = 60
SCOPE = "us-east-1/route53domains/aws4_request"  # its only region
THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")
CREDENTIALS = """UnrecognizedClientException InvalidSignatureException SignatureDoesNotMatch InvalidClientTokenId
    IncompleteSignature IncompleteSignatureException MissingAuthenticationToken MissingAuthenticationTokenException
    ExpiredToken ExpiredTokenException AuthFailure InvalidAccessKeyId RequestExpired"""
REASONS: Reasons = {
    **dict.fromkeys(CREDENTIALS.split(), "wrong key"),
    **dict.fromkeys("AccessDenied AccessDeniedException NotAuthorized OptInRequired".split(), "not entitled"),
    **dict.fromkeys(THROTTLED, "rate limited"),
    **dict.fromkeys("InternalFailure InternalServerError ServiceUnavailable".split(), "their fault"),
}
ADVICE: Advice = {
    "wrong key": "make an access key in IAM and enter both its halves; if they are right, look at this machine's clock",
    "not entitled": "allow route53domains:ListDomains and route53domains:ListPrices to the key's user in IAM",
}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the page without a marker, and what its suffix costs."""
    reading = account.reading()
    asked: dict[str, str | int] = {"MaxItems": PAGE}
    signer = Signer(account["access_key_id"], account["secret_access_key"], account["session_token"])
    with account.connect(per_minute=PER_MINUTE, sign=signer, busy=_throttled, reasons=REASONS, advice=ADVICE) as api:
        for _ in reading.pages():
            answer = api.table(api.json("/", json=asked))
            news = reading.add(api.rows_in(answer, "Domains"), _registration)
            marker = str(answer.get("NextPageMarker") or "")
            if not (news and marker) or reading.repeats("a marker", marker):
                break
            asked = {"MaxItems": PAGE, "Marker": marker}
        if reading.names:
            signer.operation = "ListPrices"
            reading.price_by(lambda: _prices(api))
    return reading.listing()


def _registration(row: Row) -> Registration:
    return registration(
        row.get("DomainName"),
        expires=row.get("Expiry"),
        auto_renew=row.get("AutoRenew"),
        locked=row.get("TransferLock"),
    )


def _prices(api: Api) -> Prices:
    prices: dict[str, Price] = {}
    asked: dict[str, Any] = {"MaxItems": PRICES_PAGE}
    while True:
        answer = api.table(api.json("/", json=asked))
        for row in api.rows(answer.get("Prices") or []):
            renewal = row.get("RenewalPrice") or {}
            if found := money(renewal.get("Price"), renewal.get("Currency") or "USD"):
                prices[str(row.get("Name")).lower()] = found
        marker = answer.get("NextPageMarker")
        if not marker or marker == asked.get("Marker"):
            return prices
        asked = {"MaxItems": PRICES_PAGE, "Marker": marker}


def _throttled(reply: Reply) -> float | None:
    with suppress(HttpError, AttributeError):
        kind = str(reply.json().get("__type") or "").rpartition("#")[2]
        return 0.0 if kind in THROTTLED else None
    return None


@dataclass
class Signer:
    """Signs the requests of one access key; `operation` is what they ask for."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    operation: str = "ListDomains"

    def __call__(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """The headers of a request that is sent now."""
        return self.headers(method, url, body, now())

    def headers(self, method: str, url: str, body: bytes, at: datetime) -> Mapping[str, str]:
        """The headers of a request that is sent at a time, with the signature over them."""
        address, stamp = urlsplit(url), f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "Host": address.netloc,
            "X-Amz-Date": stamp,
            **({"X-Amz-Security-Token": self.session_token} if self.session_token else {}),
            "X-Amz-Target": f"Route53Domains_v20140515.{self.operation}",
        }
        names = ";".join(name.lower() for name in headers)
        lines = [f"{name.lower()}:{value}" for name, value in headers.items()]
        request = [method, address.path or "/", address.query, *lines, "", names, hashlib.sha256(body).hexdigest()]
        scope = f"{stamp[:8]}/{SCOPE}"
        digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        signed = f"Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {signed}"}


KIND = Kind(
    name="route53",
    label="Route 53 Domains",
    fields=(
        CredentialField("access_key_id", "Access key ID", False, "Of an IAM user who may only list domains and prices"),
        CredentialField("secret_access_key", "Secret access key", True, "Shown once, when the key is made"),
        CredentialField("session_token", "Session token", True, "Only for a key that expires", required=False),
    ),
    base_url="https://route53domains.us-east-1.amazonaws.com",
    read=read,
)
