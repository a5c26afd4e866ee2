"""An Excel or LibreOffice workbook as the CSV that saving its first sheet would give."""

import csv
import io
import zipfile
from datetime import date, datetime, time
from typing import Any

from python_calamine import CalamineError, load_workbook

BEGINS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # a ZIP file (.xlsx, .ods), or the older .xls
LARGEST_UNPACKED = 50_000_000  # bytes: a few kilobytes of ZIP can hold gigabytes


def is_workbook(content: bytes) -> bool:
    """Whether a file begins like a workbook."""
    return content.startswith(BEGINS)


def csv_of(content: bytes) -> str:
    """The first sheet as CSV, row for row; ValueError when it cannot be read."""
    try:
        if content.startswith(BEGINS[0]):
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                if sum(part.file_size for part in parts.infolist()) > LARGEST_UNPACKED:
                    raise ValueError("it is too large when unpacked")
        with load_workbook(io.BytesIO(content)) as workbook:
            rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, zipfile.BadZipFile, OSError) as error:
        raise ValueError(str(error) or "it is damaged") from error
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_text(cell) for cell in row] for row in rows)
    return text.getvalue()


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell)
