"""How the tests ask, and what they look at again and again."""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from starlette.testclient import TestClient

from core.testing import Html

ClientAs = Callable[[str], TestClient]
JSON = {"Accept": "application/json"}
ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}


def htmx(target: str = "", kind: str = "partial", **more: str) -> dict[str, str]:
    """The headers with which htmx 4 asks for an element."""
    return {"HX-Request": "true", "HX-Request-Type": kind, "HX-Target": target, **more}


def column(page: Html, number: int = 1) -> list[str]:
    """The texts of one column of the table on a page."""
    return [cell.text for cell in page.all(f"tbody tr > :nth-child({number})")]


def chips(page: Html) -> dict[str, dict[str, str]]:
    """A table's chips: what each says, and the query that its link leads to."""
    links = page.all('ul[aria-label="Filters"] li a[hx-get]')
    return {link.text.removeprefix("Remove filter: "): query(link.attribute("href")) for link in links}


def query(href: str) -> dict[str, str]:
    """The parameters of a link."""
    return dict(parse_qsl(urlsplit(href).query))
