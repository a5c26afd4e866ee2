"""DNSimple, API v2: JSON, numbered pages up to the announced total (developer.dnsimple.com/v2/domains)."""

from functools import partial
from urllib.parse import quote

from app.sources.account import Account, Api
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, flag, money, registration
from app.sources.reading import Quote, Row

PAGE = 100  # the most it gives
PER_MINUTE = 40  # 2400 an hour
ADVICE: Advice = {
    "wrong key": "make an account token under Account > Automation, and check the account ID",
    "refused": "check the account ID: the number in the address of the account's pages",
}


def read(account: Account) -> Listing:
    """Every domain of the account, up to the announced total, and its price; hosted names are registered elsewhere."""
    reading, path = account.reading(), f"/v2/{quote(account['account_id'], safe='')}"
    hosted: set[str] = set()
    headers = {"Authorization": f"Bearer {account['token']}", "Accept": "application/json"}
    with account.connect(per_minute=PER_MINUTE, headers=headers, advice=ADVICE) as api:
        for number in reading.pages():
            answer = api.table(api.json(f"{path}/domains", params={"per_page": PAGE, "page": number}))
            announced = count((answer.get("pagination") or {}).get("total_entries"))
            page = api.rows_in(answer, "data", announced=announced)
            hosted |= {str(row.get("name")).lower() for row in page if row.get("state") == "hosted"}
            if not reading.goes_on(page, _registration, size=PAGE, announced=announced):
                break
        reading.price_each(partial(_quote, api, f"{path}/registrar/domains"), but=hosted)
    return reading.listing()


def _registration(row: Row) -> Registration:
    return registration(
        row.get("name"),
        expires=row.get("expires_at") or row.get("expires_on"),  # null for a hosted name
        auto_renew=row.get("auto_renew"),
        privacy=row.get("private_whois"),
        status=row.get("state"),
    )


def _quote(api: Api, path: str, _suffix: str, name: str) -> Quote:
    told = api.table(api.table(api.json(f"{path}/{quote(name)}/prices")).get("data"))
    return Quote(money(told.get("renewal_price"), "USD"), is_own=flag(told.get("premium")) is True)


KIND = Kind(
    name="dnsimple",
    label="DNSimple",
    fields=(
        CredentialField("account_id", "Account ID", False, "The number in the address of the account's pages"),
        CredentialField("token", "API token", True, "An account token, from Account > Automation"),
    ),
    base_url="https://api.dnsimple.com",
    read=read,
)
