"""A registrar's list while it is being read, and the doubts that keep a part from passing for the whole."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from app.sources.failures import HOPELESS, SourceError
from app.sources.listing import Listing, Price, Registration

PAGE_CAP = 200  # pages of one list, unless its announced total is still to come
MOST_PAGES = 5_000  # whatever is announced
NOT_FOUND = 404
ROWS_NAMED = 5  # skipped rows that get a note of their own; the others are counted

Row = Mapping[str, Any]
Prices = Mapping[str, Price]  # by suffix


class Quote(NamedTuple):
    """What a name costs to renew; `is_own` when that is no other name's price, as with a premium name."""

    price: Price | None
    is_own: bool = False


class Enough(Exception):
    """The first page of a trial came, which is all that a trial is for."""


class Reading:
    """What came so far of one list; any doubt makes the listing incomplete."""

    def __init__(self, *, is_trial: bool = False) -> None:
        """Begin with nothing read and nothing in doubt; a trial ends with its first page, by raising Enough."""
        self._is_trial = is_trial
        self._announced: int | None = None
        self._rows: dict[str, Registration] = {}
        self._skipped: list[str] = []
        self._doubts: list[str] = []
        self._notes: list[str] = []
        self._seen: set[str] = set()

    def pages(self) -> Iterator[int]:
        """Page numbers from 1 up to the cap; whoever gets past it has a list in doubt."""
        number = 0
        while number < PAGE_CAP or (number < MOST_PAGES and self.count < (self._announced or 0)):
            yield (number := number + 1)
        self.doubt(f"the list did not end within {number:,} pages")

    def add(self, page: Sequence[Row], read: Callable[[Row], Registration]) -> bool:
        """Take the rows of a page; a row that cannot be read is skipped. False when the page came before."""
        if self._is_trial:
            raise Enough
        if page and self.repeats("a page", repr(page[0])):
            return False
        for row in page:
            try:
                found = read(row)
                self._rows.setdefault(found.name, found)
            except ValueError as error:
                self._skipped.append(f"skipped a row: {error}")
        return True

    def goes_on(
        self, page: Sequence[Row], read: Callable[[Row], Registration], *, size: int, announced: int | None = None
    ) -> bool:
        """Take a page; whether to ask for another: up to the announced total, or without one to a short page."""
        self._announced = announced if announced is not None else self._announced
        if not (self.add(page, read) and page):
            return False
        return len(page) >= size if self._announced is None else self.count < self._announced

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

    def improve(self, detail: Registration) -> None:
        """Put what a name's own answer says to what the list said; what it leaves out stays."""
        said = {field.name: value for field in fields(detail) if (value := getattr(detail, field.name)) is not None}
        self._rows[detail.name] = replace(self._rows[detail.name], **said)

    def price_by(self, ask: Callable[[], Prices]) -> None:
        """Put the renewal price of its longest suffix to every name; without prices the list is as good as before."""
        try:
            prices = ask()
        except SourceError as error:
            self.note(f"no renewal prices: {error}")
            return
        for name in self.names:
            labels = name.split(".")
            suffixes = (".".join(labels[start:]) for start in range(1, len(labels)))
            self.price(name, next((prices[suffix] for suffix in suffixes if suffix in prices), None))

    def price_each(self, ask: Callable[[str, str], Quote], *, but: Collection[str] = ()) -> None:
        """Put a renewal price to every name `but` some, asking with a suffix and one of its names, mostly once.

        A price that cannot be asked for is noted and stays unknown; the list does not suffer from it.
        """
        by_suffix: dict[str, list[str]] = {}
        for name in sorted(set(self.names) - set(but)):
            by_suffix.setdefault(name.partition(".")[2], []).append(name)
        for suffix, names in by_suffix.items():
            try:
                self._price_alike(suffix, names, ask)
            except SourceError as error:
                if error.status != NOT_FOUND:  # then it has none
                    self.note(f"no renewal price for .{suffix}: {error}")
                if error.reason in HOPELESS:
                    return

    def _price_alike(self, suffix: str, names: Sequence[str], ask: Callable[[str, str], Quote]) -> None:
        """Ask about one name after the other until the price is that of all that are left."""
        for number, name in enumerate(names):
            found, is_own = ask(suffix, name)
            for each in [name] if is_own else names[number:]:
                self.price(each, found)
            if not is_own:
                return

    def price(self, name: str, found: Price | None) -> None:
        """Put a renewal price to a name that was read, if there is one."""
        if found:
            self._rows[name] = replace(self._rows[name], renewal_price=found[0], currency=found[1])

    def listing(self, *, announced: int | None = None) -> Listing:
        """The list as it stands, its count held against what the registrar announced."""
        announced = announced if announced is not None else self._announced
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
