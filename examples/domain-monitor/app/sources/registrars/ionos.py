"""IONOS: JSON, names by offset, everything else name by name and slowly (developer.hosting.ionos.com)."""

from functools import partial
from urllib.parse import quote

from app.sources.account import Account, Api
from app.sources.details import ask_each
from app.sources.failures import Advice
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, registration
from app.sources.reading import Row

PAGE = 200  # the most it gives
PER_MINUTE = 24
PATH = "/domains/v1/domainitems"
ADVICE: Advice = {
    "wrong key": "make a key at developer.hosting.ionos.com/keys: its public part is the prefix, the other the secret",
    "not entitled": "the key is right, but its contract may not use this API; ask IONOS",
}


def read(account: Account) -> Listing:
    """Every domain of the contract, up to the announced total; dates and flags by its own question each."""
    reading, ids, offset = account.reading(), dict[str, str](), 0
    headers = {"X-API-Key": f"{account['prefix']}.{account['secret']}"}
    with account.connect(per_minute=PER_MINUTE, headers=headers, advice=ADVICE) as api:
        for _ in reading.pages():
            asked: dict[str, str | int] = {"limit": PAGE, "offset": offset, "includeDomainStatus": "true"}
            answer = api.table(api.json(PATH, params=asked))
            announced = count(answer.get("count"))
            page = api.rows_in(answer, "domains", announced=announced)
            if not reading.goes_on(page, partial(_listed, ids), size=PAGE, announced=announced):
                break
            offset += len(page)
        ask_each(account, reading, partial(_detail, api, ids), per_minute=PER_MINUTE)
    return reading.listing()


def _listed(ids: dict[str, str], row: Row) -> Registration:
    found = _registration(row, str(row.get("name")))
    ids[found.name] = str(row.get("id") or "")
    return found


def _detail(api: Api, ids: dict[str, str], name: str) -> Registration:
    return _registration(api.table(api.json(f"{PATH}/{quote(ids[name], safe='')}")), name)


def _registration(row: Row, name: str) -> Registration:
    suffix = str(row.get("tld") or "").strip(".")
    status = row.get("status")
    if isinstance(status, dict):
        status = (status.get("provisioningStatus") or {}).get("type")
    return registration(
        name if "." in name or not suffix else f"{name}.{suffix}",
        expires=row.get("expirationDate"),
        auto_renew=row.get("autoRenew"),
        locked=row.get("transferLock"),
        privacy=row.get("privacy"),
        status=status,
    )


KIND = Kind(
    name="ionos",
    label="IONOS",
    fields=(
        CredentialField("prefix", "Public prefix", False, "The first half of the API key"),
        CredentialField("secret", "Secret", True, "The second half, shown once"),
    ),
    base_url="https://api.hosting.ionos.com",
    read=read,
)
