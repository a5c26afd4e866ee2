"""Dynadot, api3: JSON or XML in the same shape, the key in the address (dynadot.com/domain/api3.html)."""

from typing import Any

from app.sources.account import Account, Api
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Price, Registration, money, registration
from app.sources.reading import Prices, Row

PAGE = 100
PER_MINUTE = 50  # 60 for the smallest accounts, one call at a time
ADVICE: Advice = {
    "wrong key": "copy the key again from Tools > API; it is not the one of the newer API",
    "address not allowed": "add this machine's public address under Tools > API",
}
PRIVACY = {"full": True, "partial": True, "none": False}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the page that is not as long as asked for, and what its suffix costs."""
    reading = account.reading()
    with account.connect(per_minute=PER_MINUTE, advice=ADVICE) as api:
        for number in reading.pages():
            # Nowhere is it written whether pages begin with 0 or 1: the first comes without a number, and when
            # "1" brings it again, they begin with 1. Some accounts get everything at once, whatever is asked for.
            paging = {"count_per_page": PAGE, "page_index": number - 1}
            page = _rows(api, _ask(api, account, "list_domain", paging if number > 1 else {"count_per_page": PAGE}))
            if number == 2 and len(page) == PAGE and {_key(row) for row in page} <= set(reading.names):
                continue
            if not reading.add(page, _registration) or len(page) != PAGE:
                break
        if reading.names:
            reading.price_by(lambda: _prices(api, _ask(api, account, "tld_price", {"currency": "USD"})))
    return reading.listing()


def _ask(api: Api, account: Account, command: str, more: dict[str, Any]) -> dict[str, Any]:
    # The address holds the key, and there is no other place for it: nothing that logs may see the query.
    reply = api.reply("/api3.json", params={"key": account["key"], "command": command, **more})
    answer = api.either(reply)
    for root in answer.values():  # a failed login has another root than a list, and headers come and go
        table = root if isinstance(root, dict) else {}
        head = next((value for key, value in table.items() if key.endswith("Header")), table)
        code = head.get("ResponseCode", head.get("SuccessCode"))
        if str(code) not in ("0", "None"):
            raise api.refused(head)
        return table
    return {}


def _rows(api: Api, table: dict[str, Any]) -> list[Row]:
    if "MainDomains" in table:
        return list(api.rows_in(table, "MainDomains"))
    found = table.get("ListDomainInfoContent")
    for key in ("DomainInfoList", "DomainInfo"):
        found = found.get(key) if isinstance(found, dict) else found
    if found is None and "ListDomainInfoContent" not in table:
        raise api.error("unexpected answer", "no list of domains in the answer")
    rows = found if isinstance(found, list) else [found] if found else []
    return [row.get("Domain", row) if isinstance(row, dict) else {} for row in rows]


def _registration(row: Row) -> Registration:
    option, privacy = str(row.get("RenewOption") or "").lower(), str(row.get("Privacy") or "").lower()
    servers = row.get("NameServerSettings") or {}
    return registration(
        row.get("Name"),
        expires=row.get("Expiration"),
        registered=row.get("Registration"),
        auto_renew=option.startswith("auto") if option else None,  # every other word means no
        locked=row.get("Locked"),
        privacy=PRIVACY.get(privacy, privacy),
        status=row.get("Status"),
        nameservers=servers.get("NameServers") if isinstance(servers, dict) else None,
    )


def _key(row: Row) -> str:
    return str(row.get("Name")).lower()


def _prices(api: Api, table: dict[str, Any]) -> Prices:
    prices: dict[str, Price] = {}
    for row in api.rows(table.get("TldPrice") or []):
        costs = row.get("Price")
        if isinstance(costs, dict) and (found := money(costs.get("Renew"), "USD")):
            prices[str(row.get("Tld")).lower().lstrip(".")] = found
    return prices


KIND = Kind(
    name="dynadot",
    label="Dynadot",
    fields=(CredentialField("key", "API key", True, "From Tools > API in the account"),),
    base_url="https://api.dynadot.com",
    read=read,
)
