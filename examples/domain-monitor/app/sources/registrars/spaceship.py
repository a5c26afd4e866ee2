"""Spaceship: JSON, pages by offset up to the announced total (docs.spaceship.dev)."""

from app.sources.account import Account
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, registration
from app.sources.reading import Row

PAGE = 100  # the most it gives
PER_MINUTE = 60
ADVICE: Advice = {
    "wrong key": "make a key in the API manager, and enter both it and its secret",
    "not entitled": "the key is right, but may not read domains; give it domains:read in the API manager",
}
PRIVACY = {"high": True, "public": False}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the announced total."""
    reading, skip = account.reading(), 0
    headers = {"X-Api-Key": account["api_key"], "X-Api-Secret": account["api_secret"]}
    with account.connect(per_minute=PER_MINUTE, headers=headers, advice=ADVICE) as api:
        for _ in reading.pages():
            asked: dict[str, str | int] = {"take": PAGE, "skip": skip, "orderBy": "name"}
            answer = api.table(api.json("/api/v1/domains", params=asked))
            announced = count(answer.get("total"))
            page = api.rows_in(answer, "items", announced=announced)
            if not reading.goes_on(page, _registration, size=PAGE, announced=announced):
                break
            skip += len(page)
    return reading.listing()


def _registration(row: Row) -> Registration:
    codes, privacy = row.get("eppStatuses"), (row.get("privacyProtection") or {}).get("level")
    return registration(
        row.get("name"),
        expires=row.get("expirationDate"),
        registered=row.get("registrationDate"),
        auto_renew=row.get("autoRenew"),
        locked="clientTransferProhibited" in codes if isinstance(codes, list) else None,
        privacy=PRIVACY.get(str(privacy).lower(), privacy),
        status=row.get("lifecycleStatus"),
        nameservers=(row.get("nameservers") or {}).get("hosts"),
    )


KIND = Kind(
    name="spaceship",
    label="Spaceship",
    fields=(
        CredentialField("api_key", "API key", True, "Made in the API manager, with domains:read"),
        CredentialField("api_secret", "API secret", True, "Shown once, when the key is made"),
    ),
    base_url="https://spaceship.dev",
    read=read,
)
