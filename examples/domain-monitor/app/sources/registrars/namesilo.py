"""NameSilo: JSON or XML in the same shape, the key in the address, 300 for success (namesilo.com/api-reference)."""

from functools import partial
from typing import Any

from app.sources.account import Account, Api
from app.sources.details import ask_each
from app.sources.failures import Advice, Reasons
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, money, registration
from app.sources.reading import Prices, Row

PAGE = 500
PER_MINUTE = 60
DONE = ("300", "301", "302")  # 200 is a failure
REASONS: Reasons = {
    **dict.fromkeys(("109", "110", "111"), "wrong key"),
    "112": "not entitled",
    "113": "address not allowed",
    "400": "rate limited",  # "existing API request is still processing"
    **dict.fromkeys(("115", "201", "210"), "their fault"),
}
ADVICE: Advice = {
    "wrong key": "make a key in the API manager; one of the sandbox does not work here",
    "address not allowed": "add this machine's public address to the list in the API manager",
}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the announced total; flags name by name, prices by suffix."""
    reading = account.reading()
    with account.connect(per_minute=PER_MINUTE, reasons=REASONS, advice=ADVICE) as api:
        ask = partial(_ask, api, account)
        for number in reading.pages():
            answer = ask("listDomains", page=number, pageSize=PAGE)
            announced = count((answer.get("pager") or {}).get("total"))
            if not reading.goes_on(_rows(api, answer), _registration, size=PAGE, announced=announced):
                break
        if reading.names:
            reading.price_by(lambda: _prices(ask("getPrices")))
            is_vital = any(row.expires_at is None for row in reading.listing().registrations)
            ask_each(account, reading, partial(_detail, ask), per_minute=PER_MINUTE, is_vital=is_vital)
    return reading.listing()


def _ask(api: Api, account: Account, operation: str, **more: Any) -> dict[str, Any]:
    # The address holds the key, and there is no other place for it: nothing that logs may see the query.
    params = {"version": "1", "type": "json", "key": account["key"], **more}
    answer = api.either(api.reply(f"/api/{operation}", params=params))
    answer = answer.get("namesilo") or answer
    reply = api.table(answer.get("reply"))
    if str(reply.get("code")) not in DONE:
        raise api.coded(reply.get("code"), str(reply.get("detail") or "it does not say why"))
    return reply


def _rows(api: Api, reply: dict[str, Any]) -> list[Row]:
    """The list, which has been objects or bare names, below one key or two, and not a list when it is short."""
    if "domains" not in reply:
        raise api.error("unexpected answer", "no list of domains in the answer")
    found = reply["domains"]
    if isinstance(found, dict) and not isinstance(found.get("domain"), str):
        found = found.get("domain")
    rows = found if isinstance(found, list) else [found] if found else []
    return [row if isinstance(row, dict) else {"domain": row} for row in rows]


def _registration(row: Row) -> Registration:
    return registration(
        row.get("domain") or row.get("text"),
        expires=row.get("expires"),
        registered=row.get("created"),
        auto_renew=row.get("auto_renew"),
        locked=row.get("locked"),
        privacy=row.get("private"),
        status=row.get("status"),
    )


def _detail(ask: Any, name: str) -> Registration:
    return _registration({**ask("getDomainInfo", domain=name), "domain": name})


def _prices(reply: dict[str, Any]) -> Prices:
    prices = {suffix: money(row.get("renew"), "USD") for suffix, row in reply.items() if isinstance(row, dict)}
    return {suffix: found for suffix, found in prices.items() if found}


KIND = Kind(
    name="namesilo",
    label="NameSilo",
    fields=(CredentialField("key", "API key", True, "From the API manager in the account"),),
    base_url="https://www.namesilo.com",
    read=read,
)
