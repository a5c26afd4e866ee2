"""Any list of domains in JSON: an asset database, a registrar without a file of its own, a script's output."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from app.sources.account import Account, Api
from app.sources.failures import SourceError
from app.sources.kind import CredentialField, Kind
from app.sources.listing import COLUMN_OF, Listing, Registration, count, registration
from app.sources.reading import Reading, Row
from core.http import Reply

PER_MINUTE = 60
COLUMNS = "name expires registered auto_renew locked privacy status nameservers renewal_price currency".split()
OUR_NAMES = {"expires_at": "expires", "registered_on": "registered"}
PAGING = {"page": 1, "offset": 1, "next": 1, "cursor": 2}  # how many words follow
LINK_NEXT = re.compile(r'<([^>]*)>[^,]*;\s*rel="?next\b', re.IGNORECASE)


def read(account: Account) -> Listing:
    """Every row of the list, up to an empty page, the announced total or the page that names no next one."""
    columns, paging, headers = _columns(account), _paging(account), _headers(account)
    account = replace(
        account, secrets=(*account.secrets, *(word for value in headers.values() for word in value.split()))
    )
    reading, address, rows = account.reading(), account["url"], 0
    announced: int | None = None
    with account.connect(per_minute=PER_MINUTE, headers=headers) as api:
        for number in reading.pages():
            reply = _ask(api, address)
            body = api.json_of(reply)
            page = _rows(api, body, account["items"])
            rows += len(page)
            announced = count(_at(body, account["total"])) if account["total"] else None
            if not (reading.add(page, partial(_registration, columns)) and page):
                break
            if announced is not None and rows >= announced:
                break
            address = _following(paging, address, reply, body, number, rows)
            if not address or reading.repeats("an address", address) or _is_elsewhere(account, address, reading):
                break
    if account["total"] and announced is None:
        reading.doubt(f"there is no total at {account['total']}")
    return reading.listing(announced=announced)


def _ask(api: Api, address: str) -> Reply:
    url = urlsplit(address)  # its query as it stands, where a name may well come twice
    return api.reply(f"{url.path or '/'}{'?' if url.query else ''}{url.query}")


def _rows(api: Api, body: Any, path: str) -> list[Row]:
    found = _at(body, path) if path else body
    if isinstance(found, dict) and not path:  # the one list in the answer
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else None
    if not isinstance(found, list):
        where = f"at {path}" if path else "as the answer or as the one list in it; say where under items"
        raise api.error("unexpected answer", f"no list {where}")
    return [row if isinstance(row, dict) else {"name": row} for row in found]


def _registration(columns: Mapping[str, str], row: Row) -> Registration:
    known = {OUR_NAMES.get(column, column): key for key in row if (column := COLUMN_OF.get(_letters(key)))}
    found = {column: row[key] for column, key in known.items() if column in COLUMNS}
    found |= {column: _at(row, path) for column, path in columns.items()}
    return registration(found.pop("name", None), **found)


def _following(paging: list[str], address: str, reply: Reply, body: Any, number: int, rows: int) -> str:
    """The address of the next page; "" at the end."""
    match paging:
        case ["page", name]:
            return _with(address, name, number + 1)
        case ["offset", name]:
            return _with(address, name, rows)
        case ["cursor", name, path]:
            return _with(address, name, cursor) if (cursor := _at(body, path)) else ""
        case ["next", path]:
            said = _at(body, path)
        case _:
            found = LINK_NEXT.search(reply.headers.get("Link", ""))
            said = found[1] if found else ""
    return urljoin(address, str(said)) if said else ""


def _with(address: str, name: str, value: object) -> str:
    url = urlsplit(address)
    others = [pair for pair in parse_qsl(url.query, keep_blank_values=True) if pair[0] != name]
    return url._replace(query=urlencode([*others, (name, value)])).geturl()


def _is_elsewhere(account: Account, address: str, reading: Reading) -> bool:
    """Whether an address is another server's, which gets no credentials; the list is then in doubt."""
    here = (urlsplit(account["url"]).netloc, urlsplit(account.base_url).netloc)
    if urlsplit(address).netloc in here:
        return False
    reading.doubt("the next page is on another server, which is not asked")
    return True


def _at(body: Any, path: str) -> Any:
    """What stands at a path like data.items or hosts.0; None where there is nothing."""
    for key in path.split("."):
        if isinstance(body, list) and key.isdecimal() and int(key) < len(body):
            body = body[int(key)]
        else:
            body = body.get(key) if isinstance(body, dict) else None
    return body


def _letters(key: object) -> str:
    return re.sub(r"[^a-z]", "", str(key).lower())


def _columns(account: Account) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in re.split(r"[,\s]+", account["fields"]) if pair]
    if wrong := [name for name, _, path in pairs if name not in COLUMNS or not path]:
        raise _mistake(
            account,
            f"cannot map {', '.join(wrong)}; write like name=fqdn expires=dates.end; there are {', '.join(COLUMNS)}",
        )
    return {name: path for name, _, path in pairs}


def _paging(account: Account) -> list[str]:
    words = account["paging"].replace("=", " ").split()
    if words and PAGING.get(words[0]) != len(words) - 1:
        raise _mistake(account, "pages by: page NAME, offset NAME, next PATH, or cursor NAME PATH")
    return words


def _headers(account: Account) -> dict[str, str]:
    text = account["headers"]
    try:
        found = json.loads(text) if text.startswith("{") else dict([text.split(":", 1)]) if text else {}
        headers = {name.strip(): value.strip() for name, value in found.items()}
        if not all(text.isascii() and text.isprintable() for pair in headers.items() for text in pair):
            raise ValueError("a header holds a character that none has")
    except (ValueError, AttributeError):
        raise _mistake(
            account, 'takes headers like X-Key: abc, or several like {"X-Key": "abc", "X-User": "me"}'
        ) from None
    return headers


def _mistake(account: Account, what: str) -> SourceError:
    return SourceError(f"{account.label}: settings: it {what}", reason="settings")


KIND = Kind(
    name="json",
    label="JSON list",
    fields=(
        CredentialField("url", "Address", False, "Of the list's first page, with https and its whole query"),
        CredentialField(
            "headers",
            "Headers",
            True,
            'What to send, like Authorization: Bearer abc; several as {"A": "b", "C": "d"}',
            False,
        ),
        CredentialField("items", "Items", False, "Where the list is in the answer, like data.domains", False),
        CredentialField(
            "fields",
            "Fields",
            False,
            "Where names differ, like name=fqdn expires=dates.end; a price counts with its currency beside it",
            False,
        ),
        CredentialField(
            "paging",
            "Paging",
            False,
            "page NAME, offset NAME, next PATH or cursor NAME PATH; else a Link header",
            False,
        ),
        CredentialField("total", "Total", False, "Where the answer says how many there are, like meta.total", False),
    ),
    base_url="",
    read=read,
)
