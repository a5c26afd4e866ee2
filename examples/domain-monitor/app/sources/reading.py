"""A registrar's list while it is being read, and the doubts that keep a part from passing for the whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.sources.listing import Listing, Registration

PAGE_CAP = 200  # pages of one list
ROWS_NAMED = 5  # skipped rows that get a note of their own; the others are counted

Row = Mapping[str, Any]


class Reading:
    """What came so far of one list; any doubt makes the listing incomplete."""

    def __init__(self) -> None:
        """Begin with nothing read and nothing in doubt."""
        self._rows: dict[str, Registration] = {}
        self._skipped: list[str] = []
        self._doubts: list[str] = []
        self._notes: list[str] = []
        self._seen: set[str] = set()

    def pages(self) -> Iterator[int]:
        """Page numbers from 1 up to the cap; whoever gets past it has a list in doubt."""
        yield from range(1, PAGE_CAP + 1)
        self.doubt(f"the list did not end within {PAGE_CAP} pages")

    def add(self, page: Sequence[Row], read: Callable[[Row], Registration]) -> bool:
        """Take the rows of a page; a row that cannot be read is skipped. False when the page came before."""
        if page and self.repeats("a page", repr(page[0])):
            return False
        for row in page:
            try:
                found = read(row)
                self._rows.setdefault(found.name, found)
            except ValueError as error:
                self._skipped.append(f"skipped a row: {error}")
        return True

    def repeats(self, what: str, key: object) -> bool:
        """Whether this page, marker or number was seen before: the list turns in a circle and is in doubt."""
        known = f"{what} {key}" in self._seen
        self._seen.add(f"{what} {key}")
        if known:
            self.doubt(f"{what} came twice, so the rest of the list cannot be reached")
        return known

    def doubt(self, why: str) -> None:
        """Note why the list may be short."""
        self._doubts.append(why)

    def note(self, text: str) -> None:
        """Note something that does not touch the list itself."""
        self._notes.append(text)

    @property
    def names(self) -> tuple[str, ...]:
        """The names read so far."""
        return tuple(self._rows)

    @property
    def count(self) -> int:
        """How many rows came, skipped ones included and names that came twice counted once."""
        return len(self._rows) + len(self._skipped)

    def price(self, name: str, amount: Decimal, currency: str) -> None:
        """Put a renewal price to a name that was read."""
        self._rows[name] = replace(self._rows[name], renewal_price=amount, currency=currency)

    def listing(self, *, announced: int | None = None) -> Listing:
        """The list as it stands, its count held against what the registrar announced."""
        if announced is not None and announced != self.count:
            self.doubt(f"{announced} domains were announced, {self.count} came")
        skipped = self._skipped[:ROWS_NAMED]
        if more := len(self._skipped) - len(skipped):
            skipped.append(f"skipped {more} more rows")
        return Listing(
            registrations=tuple(self._rows.values()),
            complete=not (self._doubts or self._skipped),
            notes=(*self._doubts, *skipped, *self._notes),
        )
