"""Name.com, core API v1 and the older v4: JSON, numbered pages (docs.name.com)."""

from functools import partial

from app.sources.account import Account, Api
from app.sources.failures import Advice, SourceError
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, registration
from app.sources.reading import Reading, Row

PAGE = 1000
PER_MINUTE = 50  # 3000 an hour
ADVICE: Advice = {
    "wrong key": "make a token in the account's API settings, and enter the user name shown beside it",
    "address not allowed": "add this machine's public address to the list in the account's API settings",
}
CORE, OLD = "/core/v1/domains", "/v4/domains"


def read(account: Account) -> Listing:
    """Every domain of the account, from the core API or, where that is not there, from v4."""
    with account.connect(
        per_minute=PER_MINUTE,
        auth=(account["username"], account["token"]),
        reasons={403: "address not allowed"},
        advice=ADVICE,
    ) as api:
        try:
            return _pages(api, account.reading(), CORE)
        except SourceError as error:
            if error.status != 404:
                raise
            return _pages(api, account.reading(), OLD)


def _pages(api: Api, reading: Reading, path: str) -> Listing:
    # The old API announces no total and leaves out what is false; from the core API, what is absent is unknown.
    is_old = path == OLD
    absent = False if is_old else None
    page, announced = 1, None
    for _ in reading.pages():
        answer = api.table(api.json(path, params={"perPage": PAGE, "page": page}))
        announced = count(answer.get("totalCount"))
        news = reading.add(api.rows_in(answer, "domains", announced=announced), partial(_registration, absent=absent))
        following = count(answer.get("nextPage"))
        if not following and (count(answer.get("lastPage")) or 0) > page:
            reading.doubt("a last page was announced that no page leads to")
        if not (news and following) or reading.repeats("a page number", following):
            break
        page = following
    if announced is None and not is_old:
        reading.doubt("the answer announces no total")
    return reading.listing(announced=announced)


def _registration(row: Row, absent: bool | None) -> Registration:
    return registration(
        row.get("domainName"),
        expires=row.get("expireDate"),
        registered=row.get("createDate"),
        auto_renew=row.get("autorenewEnabled", absent),
        locked=row.get("locked", absent),
        privacy=row.get("privacyEnabled"),
        nameservers=row.get("nameservers"),
        renewal_price=row.get("renewalPrice"),
        currency="USD",
    )


KIND = Kind(
    name="namecom",
    label="Name.com",
    fields=(
        CredentialField("username", "User name", False, "As shown beside the token"),
        CredentialField("token", "Token", True, "An API token made in the account's settings"),
    ),
    base_url="https://api.name.com",
    read=read,
)
