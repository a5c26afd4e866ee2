"""A price list as a CSV file: what it says, or everything that is wrong with it. No database here."""

import csv
import io
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from app.domains import currency_code
from core import UserError

from .models import ALWAYS

LONGEST = 5_000  # lines in one transaction
MOST_TOLD = 20  # mistakes
COLUMNS = ("registrar", "suffix", "price", "currency", "years", "since")
NEEDED = COLUMNS[:4]
AMOUNT = re.compile(r"\d{1,9}([.,]\d{1,2})?")


class UnusableList(UserError):
    """A file that is no price list, and every reason why."""

    def __init__(self, *problems: str) -> None:
        """Keep the reasons one by one."""
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def read(content: bytes) -> list[dict[str, Any]]:
    """The lines of a price list; UnusableList when any of them is wrong."""
    text = decoded(content)
    first = text.partition("\n")[0]
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    lines.fieldnames = [name.strip().lower() for name in lines.fieldnames or []]
    if lacking := [name for name in NEEDED if name not in lines.fieldnames]:
        raise UnusableList(f"No column is called {' or '.join(lacking)}; the first line has: {first.strip()[:80]}.")
    rows, wrong, known = [], list[str](), dict[tuple[Any, ...], int]()
    for cells in lines:
        row, problems = row_of(cells)
        key = tuple(row.get(name) for name in ("registrar", "suffix", "since"))
        if not problems and known.setdefault(key, lines.line_num) != lines.line_num:
            problems = [f"line {known[key]} has this registrar, suffix and day already"]
        wrong += [f"Line {lines.line_num}: {'; '.join(problems)}."] if problems else []
        rows.append(row)
    if wrong or not 0 < len(rows) <= LONGEST:
        size = f"The file has {len(rows):,} lines; it needs at least one, and takes {LONGEST:,}."
        raise UnusableList(
            *(wrong[:MOST_TOLD] or [size]), *([f"And {len(wrong) - MOST_TOLD:,} more."] * (len(wrong) > MOST_TOLD))
        )
    return rows


def decoded(content: bytes) -> str:
    """The text of an uploaded file."""
    if not content.strip() or b"\0" in content:
        raise UnusableList("Choose a CSV file that is not empty and not larger than 2 MB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # what Excel writes in Western Europe


def row_of(cells: Mapping[str | None, Any]) -> tuple[dict[str, Any], list[str]]:
    """One line as values, and what is wrong with it."""
    row: dict[str, Any] = {}
    problems = ["it has more cells than the first line"] if None in cells else []
    for name in COLUMNS:
        try:
            row[name] = READERS[name]((cells.get(name) or "").strip())
        except ValueError as error:
            problems.append(str(error))
    return row, problems


def a_registrar(text: str) -> str:
    if not 0 < len(text) <= 80:
        raise ValueError("the registrar is missing or longer than 80 characters")
    return text


def a_suffix(text: str) -> str:
    suffix = text.lower().strip(".")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", suffix):
        raise ValueError(f"{text[:40]!r} is no suffix; write it like de or co.uk")
    return suffix


def a_price(text: str) -> Decimal:
    if not AMOUNT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no price; write it like 12.50")
    return Decimal(text.replace(",", "."))


def a_currency(text: str) -> str:
    return currency_code(text)


def a_term(text: str) -> int:
    if not re.fullmatch("([1-9]|10)?", text):
        raise ValueError(f"{text[:40]!r} is no number of years from 1 to 10")
    return int(text or 1)


def a_day(text: str) -> date:
    try:
        return ALWAYS if text.lower() in ("", "always") else date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no day; write it like 2027-01-31, or leave it empty") from None


READERS: Mapping[str, Callable[[str], Any]] = {
    "registrar": a_registrar,
    "suffix": a_suffix,
    "price": a_price,
    "currency": a_currency,
    "years": a_term,
    "since": a_day,
}
