"""What a URL says of a table: search, filters, sort, columns, page. Nothing about a table is kept elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

LONGEST_VALUE = 200
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Link:
    """Something to choose, in words: a place to go to, or a value of an input; `active` when it is chosen."""

    label: str
    href: str = ""
    value: str = ""
    active: bool = False


class UrlState:
    """A page's path (as it stands in a URL) and query, and how to write the URL of a neighbouring state."""

    def __init__(self, path: str, query: str | Pairs = "") -> None:
        self.path = path
        self.params = QueryParams(query)

    def get(self, name: str) -> str:
        """The last value of a parameter, stripped; "" when it is not there."""
        return _clean(self.params.get(name, ""))

    def all(self, name: str) -> list[str]:
        """Every non-empty value of a parameter."""
        return list(dict.fromkeys(value for value in map(_clean, self.params.getlist(name)) if value))

    def number(self, name: str, default: int) -> int:
        """A parameter as a whole number, at least 1; the default when it is none."""
        text = self.get(name)
        return max(1, int(text[:9])) if text.isdecimal() else default

    def with_(self, **values: str) -> str:
        """This URL with parameters set ("" drops one); the page starts again at 1 unless it is set."""
        keep = self.without("page", *values)
        return self.url([*keep, *((name, value) for name, value in values.items() if value)])

    def drop(self, name: str, value: str = "") -> str:
        """This URL without a parameter, or without one value of it."""
        return self.url([(n, v) for n, v in self.without("page") if n != name or (value and _clean(v) != value)])

    def without(self, *names: str) -> Pairs:
        """Every non-empty parameter but these."""
        return [(name, value) for name, value in self.params.multi_items() if value and name not in names]

    def url(self, pairs: Iterable[tuple[str, str]]) -> str:
        """This path with a query; commas stay readable."""
        query = urlencode(list(pairs), safe=",")
        return f"{self.path}?{query}" if query else self.path


def _clean(value: str) -> str:
    """A value that every database takes: no NUL, of bounded length."""
    return value.replace("\0", "").strip()[:LONGEST_VALUE]
