"""Sheets: the rows of a CSV or XLSX file as texts, and a workbook written row by row."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from tempfile import TemporaryFile
from typing import Any

from .errors import UserError

LARGEST_UNPACKED = 100_000_000  # bytes
WIDEST = 1_000  # cells; a small workbook can claim a million rows of 16,384
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def read(content: bytes, name: str) -> Iterator[list[str]]:
    """The cells of each row, as texts; UserError with a sentence when the file is no sheet."""
    try:
        for row in _book(content) if content.startswith(b"PK\x03\x04") else _csv(content):
            if len(row) > WIDEST:
                raise ValueError(f"a row has more than {WIDEST:,} cells")
            yield [_text(cell) for cell in row]
    except Exception as error:  # whatever a broken or hostile file brings about
        raise UserError(f"{name} cannot be read ({error}); save it again as CSV or XLSX.") from error


def write(title: str, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """A workbook of one sheet, in pieces; its first row stays in sight."""
    from openpyxl import Workbook  # here, for few need it and everybody would wait for it
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    for row in rows:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", v) if isinstance(v, str) else v for v in row])
    with TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        yield from iter(lambda: file.read(65_536), b"")


def _csv(content: bytes) -> Iterator[list[str]]:
    try:  # Excel's "Unicode text" is UTF-16
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # as it writes CSV, in Western Europe
    if "\0" in text:
        raise ValueError("it is neither")
    head = "".join(text.lstrip().partition("\n")[0].split('"')[::2])  # what stands outside of quotes
    by = max(",;\t", key=head.count)  # strict: a quote that nobody closes would swallow the rows below it
    return csv.reader(io.StringIO(text, newline=""), delimiter=by, skipinitialspace=True, strict=True)


def _book(content: bytes) -> Iterator[tuple[Any, ...]]:
    from openpyxl import load_workbook

    if sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(content)).infolist()) > LARGEST_UNPACKED:
        raise ValueError("too large when unpacked")
    sheet = load_workbook(io.BytesIO(content), read_only=True, data_only=True).worksheets[0]
    sheet.reset_dimensions()  # some programs write wrong ones
    return iter(sheet.iter_rows(values_only=True))


def _text(cell: Any) -> str:
    """A cell as it would stand in a CSV, of a number the 15 digits that a sheet shows; a formula's apostrophe goes."""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ", timespec="seconds")
    text = f"{cell:.15g}" if isinstance(cell, float) else str("" if cell is None else cell).strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text
