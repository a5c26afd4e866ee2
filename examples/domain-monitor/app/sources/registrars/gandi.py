"""Gandi, API v5: JSON, numbered pages, the total in a header (api.gandi.net/docs/domains)."""

from app.sources.account import Account, Api
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, money, registration
from app.sources.reading import Quote, Row

PAGE = 100
PER_MINUTE = 300
ADVICE: Advice = {
    "wrong key": "make a new personal access token; Gandi's expire after a year at the latest",
    "not entitled": "the token is right, but may not see domains; give it that right, for the right organization",
}
LOCK = "clientTransferProhibited"


def read(account: Account) -> Listing:
    """Every domain that the token may see, up to the announced total, and what its suffix costs."""
    reading = account.reading()
    headers = {"Authorization": f"Bearer {account['token']}"}
    with account.connect(per_minute=PER_MINUTE, headers=headers, advice=ADVICE) as api:
        for number in reading.pages():
            reply = api.reply("/v5/domain/domains", params={"page": number, "per_page": PAGE, "sort_by": "fqdn"})
            page, announced = api.rows(api.json_of(reply)), count(reply.headers.get("Total-Count"))
            if not reading.goes_on(page, _registration, size=PAGE, announced=announced):
                break
        reading.price_each(lambda _, name: _quote(api, name))
    return reading.listing()


def _registration(row: Row) -> Registration:
    dates, renewal, status = row.get("dates") or {}, row.get("autorenew"), row.get("status")
    return registration(
        row.get("fqdn"),  # the tld beside it is not to be trusted
        expires=dates.get("registry_ends_at"),
        registered=dates.get("registry_created_at") or dates.get("created_at"),
        auto_renew=renewal.get("enabled") if isinstance(renewal, dict) else renewal,
        locked=LOCK in status if isinstance(status, list) else None,
        status=status,
        nameservers=row.get("nameservers") or (row.get("nameserver") or {}).get("hosts"),
    )


def _quote(api: Api, name: str) -> Quote:
    answer = api.table(api.json("/v5/domain/check", params={"name": name, "processes": "renew", "currency": "EUR"}))
    rows = [
        row
        for product in api.rows(answer.get("products") or [])
        if product.get("process") == "renew"
        for row in api.rows(product.get("prices") or [])
        if row.get("min_duration", 1) == 1 and row.get("duration_unit", "y") == "y"
    ]
    row = rows[0] if rows else {}
    return Quote(
        money(row.get("price_before_taxes"), answer.get("currency")),  # of one year, also where it is for several
        is_own=row.get("type") == "premium",
    )


KIND = Kind(
    name="gandi",
    label="Gandi",
    fields=(
        CredentialField("token", "Personal access token", True, "Made in the organization's settings; it expires"),
    ),
    base_url="https://api.gandi.net",
    read=read,
)
