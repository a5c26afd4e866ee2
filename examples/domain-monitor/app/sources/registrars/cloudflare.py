"""Cloudflare Registrar: JSON, each page asked for by the cursor of the one before (developers.cloudflare.com)."""

from urllib.parse import quote

from app.sources.account import Account
from app.sources.failures import Advice, Reasons
from app.sources.kind import CredentialField, Kind
from app.sources.listing import Listing, Registration, count, registration
from app.sources.reading import Row

PAGE = 50
PER_MINUTE = 200  # 1200 in five minutes, of all that one user does
REASONS: Reasons = {
    **dict.fromkeys(("1000", "1001", "6003", "6103", "6111", "9103", "9106", "10000", "10001"), "wrong key"),
    **dict.fromkeys(("9108", "10013", "10014"), "not entitled"),
    **dict.fromkeys(("971", "10429"), "rate limited"),
}
ADVICE: Advice = {
    "wrong key": "make an API token with the right Account > Domain registration: read, and check the account ID",
    "not entitled": "the token is right, but may not read the domains of this account; let it, or correct the ID",
    "address not allowed": "add this machine's public address to the token's client IP filter",
    "refused": "check the account ID; else look the code up in Cloudflare's documentation",
}
REGISTERED = ("domain_name", "expires_at", "current_registrar", "registry_statuses")  # a zone has none of these


def read(account: Account) -> Listing:
    """Every registration of the account, up to the page without a cursor."""
    reading, asked = account.reading(), {"per_page": str(PAGE)}
    path = f"/client/v4/accounts/{quote(account['account_id'], safe='')}/registrar/registrations"
    headers = {"Authorization": f"Bearer {account['token']}"}
    with account.connect(per_minute=PER_MINUTE, headers=headers, reasons=REASONS, advice=ADVICE) as api:
        for number in reading.pages():
            answer = api.table(api.json(path, params=asked))
            if answer.get("success") is False:
                raise api.refused(answer)
            info = answer.get("result_info") or {}
            news = reading.add(api.rows_in(answer, "result"), _registration)
            cursor = str(info.get("cursor") or info.get("cursors", {}).get("after") or "")
            if not cursor and (count(info.get("total_pages")) or 0) <= number:
                break
            if not news or reading.repeats("a cursor", cursor or f"page {number}"):
                break
            asked = {"per_page": str(PAGE), **({"cursor": cursor} if cursor else {"page": str(number + 1)})}
    return reading.listing(announced=count(info.get("total_count")))


def _registration(row: Row) -> Registration:
    if not any(key in row for key in REGISTERED):
        raise ValueError(f"{str(row.get('name'))[:80]} is a zone or something else, but no registration")
    privacy = row.get("privacy_mode", row.get("privacy"))
    return registration(
        row.get("domain_name") or row.get("name"),
        expires=row.get("expires_at"),  # null until a registration or transfer is done
        registered=row.get("created_at"),
        auto_renew=row.get("auto_renew"),
        locked=row.get("locked"),
        privacy={"redaction": True, "off": False}.get(str(privacy).lower(), privacy),
        status=row.get("status") or row.get("registry_statuses"),
        nameservers=row.get("name_servers"),
    )


KIND = Kind(
    name="cloudflare",
    label="Cloudflare",
    fields=(
        CredentialField("account_id", "Account ID", False, "On the account's overview page, or in its address"),
        CredentialField("token", "API token", True, "Made under My profile > API tokens; it only has to read domains"),
    ),
    base_url="https://api.cloudflare.com",
    read=read,
)
