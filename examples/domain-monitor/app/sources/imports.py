"""A CSV file or a workbook of domains: what it says, row by row, and what each row would do. No database here."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.domains import currency_code, domain_name, shown_name
from core import UserError

from .listing import COLUMN_OF, flag, moment, price
from .storing import CENT, moment_of
from .workbooks import csv_of, is_workbook

LONGEST = 3_000  # rows: one file is one transaction of some 0.35 s, in which nobody else can write
LONGEST_TEXTS = {"group": 60, "registrar": 80, "status": 500}  # a registry has several words for one status
WRITTEN_DATES = ("%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/\d{4}")
DECIMAL_COMMA = re.compile(r"(\d{1,3}(\.\d{3})+|\d+),\d{1,2}")
AMOUNT = re.compile(r"(\d{1,3}(,\d{3})+|\d+)(\.\d{1,2}0*)?")  # not 1.234, which may mean a thousand


class UnusableFile(UserError):
    """A file that cannot be read as a list of domains, and what to do about it."""


@dataclass
class Row:
    """One line of the file: the columns it gives, or what is wrong with it."""

    line: int
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class Sheet:
    """A whole file: its rows, and the headers that mean nothing to us."""

    rows: list[Row]
    not_used: list[str]


def text_of(content: bytes) -> str:
    """The text of an uploaded file, the first sheet's of a workbook; UnusableFile when there is none."""
    if is_workbook(content):
        try:
            return csv_of(content)
        except ValueError as error:
            raise UnusableFile(f"This workbook cannot be read ({error}); save it as CSV and upload that.") from None
    if b"\x00" in content:
        raise UnusableFile("This is no text file; save the list as CSV in UTF-8 and upload that.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # what Excel writes in Western Europe


def read(text: str) -> Sheet:
    """Every row of a CSV text; UnusableFile when the file as a whole says nothing."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), skipinitialspace=True)
    try:
        head = next((cells for cells in lines if any(cells)), [])
        columns = [COLUMN_OF.get(re.sub(r"[^a-z]", "", cell.lower()), "") for cell in head]
        check_head(head, columns)
        filled = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise UnusableFile(f"Line {lines.line_num} is no CSV ({error}); look for a quote that is not closed.") from None
    if not filled:
        raise UnusableFile("The file has a header but no rows.")
    if len(filled) > LONGEST:
        raise UnusableFile(
            f"The file has {len(filled):,} rows; split it into files of at most {LONGEST:,}. Each of them is imported "
            "whole or not at all."
        )
    given = [(line, dict(zip(columns, map(str.strip, cells), strict=False)), len(cells)) for line, cells in filled]
    is_day_first = day_comes_first(given_dates for _, cells, _ in given for given_dates in cells.values())
    rows = [row_of(line, cells, is_day_first, len(head) - count) for line, cells, count in given]
    mark_twice(rows)
    return Sheet(rows, [cell for cell, column in zip(head, columns, strict=True) if cell and not column])


def delimiter_of(text: str) -> str:
    """Semicolon, tab or comma, whichever the header has most of."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=head.count)


def check_head(head: list[str], columns: list[str]) -> None:
    """Refuse a file without names, or with two columns for one thing."""
    if "name" not in columns:
        found = ", ".join(head[:8]) or "nothing"
        raise UnusableFile(f"No column is called name or domain. The first line has: {found}.")
    if twice := {column for column in columns if column and columns.count(column) > 1}:
        raise UnusableFile(f"Two columns stand for {', '.join(sorted(twice))}; delete one of them.")


def day_comes_first(texts: Iterator[str]) -> bool | None:
    """Whether dates with slashes begin with the day; None when the file does not give it away."""
    pairs = [tuple(map(int, found.groups())) for text in texts if (found := SLASHED.fullmatch(text))]
    if any(first > 12 for first, _ in pairs):
        return True
    return False if any(second > 12 for _, second in pairs) else None


def row_of(line: int, cells: Mapping[str, str], is_day_first: bool | None, missing: int) -> Row:
    """One line as values; empty cells give none, so that they never blank what is known."""
    row = Row(line, cells.get("name", ""), group=cells.get("group", ""))
    problems = ["it has more cells than the header"] if missing < 0 else []
    for column, text in cells.items():
        if column in READERS and (text or column == "name"):
            try:
                row.values |= READERS[column](column, text, is_day_first)
            except ValueError as error:
                problems.append(str(error))
    if ("renewal_price" in row.values) != ("currency" in row.values) and not problems:
        problems.append("a price and its currency come together, as in 12.50 and EUR")
    row.name = row.values.get("name", row.name)
    row.wrong = "; ".join(problems)
    return row


def mark_twice(rows: list[Row]) -> None:
    """A name that came before is wrong: nobody can tell which line counts."""
    first: dict[str, int] = {}
    for row in rows:
        line = first.setdefault(row.name, row.line)
        if line != row.line and not row.wrong:
            row.wrong = f"line {line} has this name already"


def a_name(_column: str, text: str, _: object) -> dict[str, Any]:
    name = domain_name(text)
    return {"name": name, "shown_name": shown_name(name)}


def a_text(column: str, text: str, _: object) -> dict[str, Any]:
    if len(text) > LONGEST_TEXTS[column]:
        raise ValueError(f"{column} is longer than {LONGEST_TEXTS[column]} characters")
    return {column: text}


def a_flag(column: str, text: str, _: object) -> dict[str, Any]:
    value = flag(text)
    if value is None:
        raise ValueError(f"{column} is {text[:40]!r}; write yes or no")
    return {column: value}


def a_price(column: str, text: str, _: object) -> dict[str, Any]:
    plain = text.replace(" ", "").replace("\u00a0", "")
    if DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    amount: Decimal | None = price(plain) if AMOUNT.fullmatch(plain) else None
    if amount is None:
        raise ValueError(f"{text[:40]!r} is no price; write it like 12.50, or leave it empty when nobody knows")
    return {column: amount.quantize(CENT)}


def a_currency(column: str, text: str, _: object) -> dict[str, Any]:
    return {column: currency_code(text)}


def an_expiry(_column: str, text: str, is_day_first: bool | None) -> dict[str, Any]:
    when = date_of(text, is_day_first)
    return {"expires_at": moment_of(when), "expires_is_day": not isinstance(when, datetime)}


def a_day(column: str, text: str, is_day_first: bool | None) -> dict[str, Any]:
    when = date_of(text, is_day_first)
    return {column: when.date() if isinstance(when, datetime) else when}


def date_of(text: str, is_day_first: bool | None) -> datetime | date:
    """A date in one of the forms that people and spreadsheets write."""
    if SLASHED.fullmatch(text):
        if is_day_first is None:
            raise ValueError(f"{text} may begin with the day or the month; write it like 2027-01-31")
        with suppress(ValueError):
            return datetime.strptime(text, "%d/%m/%Y" if is_day_first else "%m/%d/%Y").date()
    elif not text[:5].endswith("-"):  # what does not begin like 2027-
        for form in WRITTEN_DATES:
            with suppress(ValueError):
                return datetime.strptime(text, form).date()
    with suppress(ValueError):
        if when := moment(text):
            return when
    raise ValueError(f"{text[:40]!r} is no date; write it like 2027-01-31")


READERS: Mapping[str, Callable[[str, str, bool | None], dict[str, Any]]] = {
    "name": a_name,
    "expires_at": an_expiry,
    "registered_on": a_day,
    "registrar": a_text,
    "status": a_text,
    "auto_renew": a_flag,
    "locked": a_flag,
    "privacy": a_flag,
    "renewal_price": a_price,
    "currency": a_currency,
    "group": lambda column, text, _: a_text(column, text, _) and {},
}
