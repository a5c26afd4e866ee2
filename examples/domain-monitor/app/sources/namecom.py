"""Name.com, core API v1 and the older v4: JSON, numbered pages (docs.name.com)."""

import time
from contextlib import suppress
from functools import partial

from app.sources.account import Account, Advice, Api, SourceError
from app.sources.listing import Listing, Registration, count, registration
from app.sources.reading import Reading, Row
from core.http import Reply

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
        busy=_seconds_to_wait,
        reasons={403: "address not allowed"},
        advice=ADVICE,
    ) as api:
        try:
            return _pages(api, CORE)
        except SourceError as error:
            if error.status != 404:
                raise
            return _pages(api, OLD)


def _pages(api: Api, path: str) -> Listing:
    # The old API announces no total and leaves out what is false; from the core API, what is absent is unknown.
    is_old = path == OLD
    absent = False if is_old else None
    reading, page, announced = Reading(), 1, None
    for _ in reading.pages():
        answer = api.table(api.json(path, params={"perPage": PAGE, "page": page}))
        announced = count(answer.get("totalCount"))
        news = reading.add(api.rows(answer.get("domains")), partial(_registration, absent=absent))
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


def _seconds_to_wait(reply: Reply) -> float | None:
    with suppress(ValueError):
        reset = float(reply.headers.get("x-ratelimit-reset", ""))
        return max(0.0, reset - time.time()) if reply.status == 429 else None
    return None
