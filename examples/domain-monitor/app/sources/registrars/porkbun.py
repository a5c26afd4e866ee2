"""Porkbun, API v3: JSON by POST, a thousand names at a time (porkbun.com/api/json/v3/documentation)."""

from typing import Any

from app.sources.account import Account, Api
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, money, registration
from app.sources.reading import Prices, Row

PAGE = 1000  # the most it gives; a shorter page is the last one
PER_MINUTE = 50  # a second between two calls at least
PATH = "/api/json/v3"
ADVICE: Advice = {"wrong key": "make a key at porkbun.com/account/api, and enter both it and its secret"}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the page that is shorter than asked for, and what its suffix costs."""
    reading, start = account.reading(), 0
    keys = {"apikey": account["api_key"], "secretapikey": account["secret_api_key"]}
    with account.connect(per_minute=PER_MINUTE, advice=ADVICE) as api:
        for _ in reading.pages():
            answer = _ask(api, "/domain/listAll", {**keys, "start": str(start), "includeLabels": "yes"})
            page = api.rows_in(answer, "domains")
            if not reading.goes_on(page, _registration, size=PAGE):
                break
            start += len(page)
        if reading.names:
            reading.price_by(lambda: _prices(api))
    return reading.listing()


def _ask(api: Api, path: str, body: dict[str, str]) -> dict[str, Any]:
    answer = api.table(api.json(PATH + path, json=body))
    if str(answer.get("status", "SUCCESS")).upper() != "SUCCESS":
        raise api.refused(answer)
    return answer


def _registration(row: Row) -> Registration:
    return registration(
        row.get("domain"),
        expires=row.get("expireDate"),
        registered=row.get("createDate"),
        auto_renew=row.get("autoRenew"),
        locked=row.get("securityLock"),
        privacy=row.get("whoisPrivacy"),
        status=row.get("status"),
    )


def _prices(api: Api) -> Prices:
    table = api.table(_ask(api, "/pricing/get", {}).get("pricing") or {})
    prices = {suffix: money(row.get("renewal"), "USD") for suffix, row in table.items() if isinstance(row, dict)}
    return {suffix: found for suffix, found in prices.items() if found}


KIND = Kind(
    name="porkbun",
    label="Porkbun",
    fields=(
        CredentialField("api_key", "API key", True, "Begins with pk1_; made at porkbun.com/account/api"),
        CredentialField("secret_api_key", "Secret API key", True, "Begins with sk1_; shown once beside the key"),
    ),
    base_url="https://api.porkbun.com",
    read=read,
)
