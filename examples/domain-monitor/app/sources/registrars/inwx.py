"""INWX: JSON-RPC after a login that sets a cookie; answers in XML-RPC are understood too (inwx.com/help/apidoc)."""

import xmlrpc.client
from typing import Any

from app.sources.account import Account, Api
from app.sources.failures import Advice, Reasons
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, money, registration
from app.sources.reading import Prices, Row

PAGE = 250
PER_MINUTE = 60
DONE = ("1000", "1001")
REASONS: Reasons = {
    **dict.fromkeys(("2200", "2202", "2501"), "wrong key"),
    "2201": "not entitled",
    "2502": "rate limited",
    **dict.fromkeys(("2400", "2500"), "their fault"),
}
ADVICE: Advice = {
    "wrong key": "enter the user and the password of the INWX website",
    "not entitled": "make a user for the API under Accounts, with the right to read domains and without a mobile TAN",
}
AUTO_RENEW = {"AUTORENEW": True, "AUTODELETE": False, "AUTOEXPIRE": False}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the announced total, and what its suffix costs."""
    reading = account.reading()
    with account.connect(per_minute=PER_MINUTE, reasons=REASONS, advice=ADVICE) as api:
        session = _call(api, "account.login", user=account["username"], **{"pass": account["password"]})
        if str(session.get("tfa") or "0") != "0":
            raise api.error("not entitled", "the user needs a mobile TAN to sign in")
        for number in reading.pages():
            found = _call(api, "domain.list", page=number, pagelimit=PAGE, wide=2)
            announced = count(found.get("count"))
            page = api.rows_in(found, "domain", announced=announced)
            if not reading.goes_on(page, _registration, size=PAGE, announced=announced):
                break
        if reading.names:
            reading.price_by(lambda: _prices(api, sorted({name.partition(".")[2] for name in reading.names})))
    return reading.listing()


def _call(api: Api, method: str, **params: Any) -> dict[str, Any]:
    reply = api.reply("/jsonrpc/", json={"method": method, "params": params})
    answer: Any = None
    if reply.text.lstrip().startswith("<"):
        api.xml_of(reply)  # refuses entities and whole web pages
        try:
            (answer,), _ = xmlrpc.client.loads(reply.text, use_builtin_types=True)
        except (xmlrpc.client.Error, ValueError, TypeError, LookupError):
            raise api.error("unexpected answer", "XML that is no answer of INWX") from None
    else:
        answer = api.json_of(reply)
    code = str(api.table(answer).get("code"))
    if code not in DONE:
        raise api.coded(code, ": ".join(str(answer[key]) for key in ("msg", "reason") if answer.get(key)))
    return answer.get("resData") or {}


def _registration(row: Row) -> Registration:
    return registration(
        row.get("domain-ace") or row.get("domain"),
        expires=row.get("exDate"),
        registered=row.get("crDate"),
        auto_renew=AUTO_RENEW.get(str(row.get("renewalMode")).upper()),
        locked=row.get("transferLock"),
        status=row.get("status"),
        nameservers=row.get("ns"),
    )


def _prices(api: Api, suffixes: list[str]) -> Prices:
    rows = api.rows(_call(api, "domain.getPrices", tld=suffixes, vat=False).get("price") or [])
    prices = {str(row.get("tld")): money(row.get("renewalPrice"), row.get("currency")) for row in rows}
    return {suffix.lower().lstrip("."): found for suffix, found in prices.items() if found}


KIND = Kind(
    name="inwx",
    label="INWX",
    fields=(
        CredentialField(
            "username", "User name", False, "A user made for the API, without a mobile TAN", is_ascii=False
        ),
        CredentialField("password", "Password", True, "That user's password", is_ascii=False),
    ),
    base_url="https://api.domrobot.com",
    read=read,
)
