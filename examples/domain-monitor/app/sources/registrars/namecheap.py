"""Namecheap: XML, numbered pages, failures that come with HTTP 200 (namecheap.com/support/api)."""

from functools import partial
from xml.etree.ElementTree import Element

from app.sources.account import Account, Api
from app.sources.failures import Advice, Reasons
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Price, Registration, count, flag, money, registration
from app.sources.reading import Quote, Row
from core.http import Reply

PAGE = 100  # the most it gives
PER_MINUTE = 20
MINUTE_S = 60.0  # what has to pass once that limit is reached
ADDRESS = ("1011150", "1010105", "1011105", "1017105", "1017150")
CREDENTIALS = ("1010101", "1010102", "1011102", "1016103", "1017101", "1017103", "1019103")
TROUBLE = ("1050900", "3050900", "5019169", "5050169", "5050900")  # theirs, and worth another attempt
REASONS: Reasons = {
    405: "rate limited",
    "4011103": "not entitled",
    **dict.fromkeys(ADDRESS, "address not allowed"),
    **dict.fromkeys(CREDENTIALS, "wrong key"),
    **dict.fromkeys(TROUBLE, "their fault"),
}
ADVICE: Advice = {
    "wrong key": "switch API access on under Profile > Tools, and copy the user name and the key from there",
    "address not allowed": "allow this machine's public IPv4 under Profile > Tools; it is also the client_ip",
}
PRIVACY = {"ENABLED": True, "NOTPRESENT": False, "NOTALLOTED": False}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the announced total, then the renewal price of each suffix."""
    reading, announced, premium = account.reading(), None, set[str]()
    with account.connect(
        per_minute=PER_MINUTE,
        busy=partial(_seconds_to_wait, limit_s=0.0 if account.is_stand_in else MINUTE_S),
        reasons=REASONS,
        advice=ADVICE,
    ) as api:
        for number in reading.pages():
            answer = _ask(api, account, "domains.getList", ListType="ALL", Page=number, PageSize=PAGE)
            announced = count(answer.findtext(".//{*}TotalItems"))
            page = [dict(domain.attrib) for domain in answer.iterfind(".//{*}Domain")]
            premium |= {row.get("Name", "").lower() for row in page if flag(row.get("IsPremium"))}
            if not reading.goes_on(page, _registration, size=PAGE, announced=announced):
                break
        if announced is None:
            reading.doubt("the answer announces no total")
        reading.price_each(partial(_quote, api, account), but=premium)  # no call tells what these cost
    return reading.listing()


def _ask(api: Api, account: Account, command: str, **more: str | int) -> Element:
    form: dict[str, str | int] = {
        "ApiUser": account["api_user"],
        "ApiKey": account["api_key"],  # in the form: addresses end up in access logs
        "UserName": account["username"],
        "ClientIp": account["client_ip"],
        "Command": f"namecheap.{command}",
    }
    answer = api.xml("/xml.response", data=form | more)
    if answer.tag.rpartition("}")[2] != "ApiResponse":
        raise api.error("unexpected answer", "XML that is no Namecheap answer")
    if answer.get("Status", "").upper() != "OK":
        error = answer.find(".//{*}Error")
        number, text = ("no number", "") if error is None else (error.get("Number", ""), error.text or "")
        raise api.coded(number, text)
    return answer


def _registration(row: Row) -> Registration:
    return registration(
        row.get("Name"),
        expires=row.get("Expires"),
        registered=row.get("Created"),
        auto_renew=row.get("AutoRenew"),
        privacy=PRIVACY.get(row.get("WhoisGuard", "").upper()),
        status=_status(row),
    )


def _status(row: Row) -> str | None:
    if flag(row.get("IsLocked")):
        return "held by Namecheap"  # not the transfer lock, which the list does not show
    return {True: "expired", False: "active", None: None}[flag(row.get("IsExpired"))]


def _quote(api: Api, account: Account, suffix: str, _name: str) -> Quote:
    asked = {"ProductType": "DOMAIN", "ActionName": "RENEW", "ProductName": suffix.upper()}
    return Quote(_yearly(_ask(api, account, "users.getPricing", **asked), suffix))


def _yearly(answer: Element, suffix: str) -> Price | None:
    rows = (
        row
        for category in answer.iterfind(".//{*}ProductCategory")
        if category.get("Name", "").lower() == "renew"
        for product in category.iterfind("{*}Product")
        if product.get("Name", "").lower() == suffix
        for row in product.iterfind("{*}Price[@Duration='1'][@DurationType='YEAR']")
    )
    for row in rows:
        for amount in map(row.get, ("Price", "YourPrice", "RegularPrice")):
            if found := money(amount, row.get("Currency") or "USD"):
                return found
    return None


def _seconds_to_wait(reply: Reply, limit_s: float) -> float | None:
    if reply.status == 405:
        return limit_s
    in_trouble = any(f'Number="{number}"' in reply.text[:2000] for number in TROUBLE)
    return 0.0 if in_trouble else None


KIND = Kind(
    name="namecheap",
    label="Namecheap",
    fields=(
        CredentialField("api_user", "API user", False, "The account's user name, under Profile > Tools"),
        CredentialField("api_key", "API key", True, "Shown there once API access is switched on"),
        CredentialField("username", "User name", False, "Whose domains: mostly the API user again"),
        CredentialField("client_ip", "Client IP", False, "This machine's public IPv4, as allowed there"),
    ),
    base_url="https://api.namecheap.com",
    read=read,
)
