"""GoDaddy, API v1: JSON, each page asked for by the last name of the one before (developer.godaddy.com)."""

from app.sources.account import Account
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, registration
from app.sources.reading import Row

PAGE = 1000  # the most it gives; a shorter page is the last one
PER_MINUTE = 60
ADVICE: Advice = {
    "wrong key": "make a production key at developer.godaddy.com/keys, and enter both its key and its secret",
    "not entitled": "the key is right, but its account needs more domains or a paid plan to use the API",
}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the page that is shorter than asked for."""
    reading, marker = account.reading(), ""
    asked = {"limit": str(PAGE), "statusGroups": "VISIBLE", "includes": "nameServers"}
    with account.connect(
        per_minute=PER_MINUTE,
        headers={"Authorization": f"sso-key {account['key']}:{account['secret']}"},
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


KIND = Kind(
    name="godaddy",
    label="GoDaddy",
    fields=(
        CredentialField("key", "Key", True, "A production key from developer.godaddy.com/keys"),
        CredentialField("secret", "Secret", True, "The secret shown once, when the key is made"),
    ),
    base_url="https://api.godaddy.com",
    read=read,
)
