"""GoDaddy, API v1: JSON, each page asked for by the last name of the one before (developer.godaddy.com)."""

from contextlib import suppress

from app.sources.account import Account, Advice
from app.sources.listing import Listing, Registration, registration
from app.sources.reading import Reading, Row
from core.http import HttpError, Reply

PAGE = 1000  # the most it gives; a shorter page is the last one
PER_MINUTE = 60
ADVICE: Advice = {
    "wrong key": "make a production key at developer.godaddy.com/keys, and enter both its key and its secret",
    "not entitled": "the key is right, but its account needs more domains or a paid plan to use the API",
}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the page that is shorter than asked for."""
    reading, marker = Reading(), ""
    asked = {"limit": str(PAGE), "statusGroups": "VISIBLE", "includes": "nameServers"}
    with account.connect(
        per_minute=PER_MINUTE,
        headers={"Authorization": f"sso-key {account['key']}:{account['secret']}"},
        busy=_seconds_to_wait,
        reasons={"ACCESS_DENIED": "not entitled"},
        advice=ADVICE,
    ) as api:
        for _ in reading.pages():
            page = api.rows(api.json("/v1/domains", params={**asked, "marker": marker} if marker else asked))
            news = reading.add(page, _registration)
            if len(page) < PAGE:
                break
            marker = str(page[-1].get("domain") or "")
            if not (news and marker) or reading.repeats("a marker", marker):
                break
    return reading.listing()


def _registration(row: Row) -> Registration:
    return registration(
        row.get("domain"),
        expires=row.get("expires"),  # absent when the name is registered elsewhere
        registered=row.get("createdAt"),
        auto_renew=row.get("renewAuto"),
        locked=row.get("locked"),
        privacy=row.get("privacy"),
        status=row.get("status"),
        nameservers=row.get("nameServers"),
    )


def _seconds_to_wait(reply: Reply) -> float | None:
    with suppress(HttpError, KeyError, TypeError, ValueError):
        return float(reply.json()["retryAfterSec"]) if reply.status == 429 else None
    return None
