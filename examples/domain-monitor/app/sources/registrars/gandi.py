"""Gandi, API v5: JSON, numbered pages, the total in a header (api.gandi.net/docs/domains)."""

from app.sources.account import Account
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, registration
from app.sources.reading import Row

PAGE = 100
PER_MINUTE = 300
ADVICE: Advice = {
    "wrong key": "make a new personal access token; Gandi's expire after a year at the latest",
    "not entitled": "the token is right, but may not see domains; give it that right, for the right organization",
}
LOCK = "clientTransferProhibited"


def read(account: Account) -> Listing:
    """Every domain that the token may see, up to the announced total."""
    reading = account.reading()
    headers = {"Authorization": f"Bearer {account['token']}"}
    with account.connect(per_minute=PER_MINUTE, headers=headers, advice=ADVICE) as api:
        for number in reading.pages():
            reply = api.reply("/v5/domain/domains", params={"page": number, "per_page": PAGE, "sort_by": "fqdn"})
            page, announced = api.rows(api.json_of(reply)), count(reply.headers.get("Total-Count"))
            if not reading.goes_on(page, _registration, size=PAGE, announced=announced):
                break
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


KIND = Kind(
    name="gandi",
    label="Gandi",
    fields=(
        CredentialField("token", "Personal access token", True, "Made in the organization's settings; it expires"),
    ),
    base_url="https://api.gandi.net",
    read=read,
)
