"""Workbooks: what their first sheet becomes, and which of them are refused."""

import io
import zipfile

import pytest
from starlette.testclient import TestClient

from core.testing import html

from .imports import UnusableFile, read, text_of
from .workbooks import csv_of

SCHEMAS = "http://schemas.openxmlformats.org"
MAIN, OFFICE = f"{SCHEMAS}/spreadsheetml/2006/main", f"{SCHEMAS}/officeDocument/2006/relationships"
COLUMNS = ("Domain", "Expires", "Locked", "Price", "Currency")
DAY = 46418  # 2027-01-31, as a spreadsheet counts days


def text(value: str) -> str:
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


def links(**targets: str) -> str:
    made = (f'<Relationship Id="{kind}" Type="{OFFICE}/{kind}" Target="{target}"/>' for kind, target in targets.items())
    return f'<Relationships xmlns="{SCHEMAS}/package/2006/relationships">{"".join(made)}</Relationships>'


def workbook(*cells: str, picture: bytes = b"") -> bytes:
    """A workbook with one sheet, whose second row has these cells below the names of the columns."""
    names, row = "".join(map(text, COLUMNS)), "".join(cells)
    sheet = f'<sheet xmlns:r="{OFFICE}" name="All" sheetId="1" r:id="worksheet"/>'
    formats = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{SCHEMAS}/package/2006/content-types"/>',
        "_rels/.rels": links(officeDocument="xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}"><sheets>{sheet}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": links(worksheet="worksheets/sheet1.xml", styles="styles.xml"),
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{formats}</styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData><row>{names}</row><row>{row}</row>'
        "</sheetData></worksheet>",
        "xl/media/picture.bmp": picture,
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return made.getvalue()


ROW = (text("acme.com"), f'<c s="1"><v>{DAY}</v></c>', '<c t="b"><v>1</v></c>', "<c><v>12</v></c>", text("EUR"))


def test_a_sheet_becomes_the_csv_that_it_would_be_saved_as() -> None:
    assert csv_of(workbook(*ROW)).splitlines() == [
        "Domain,Expires,Locked,Price,Currency",
        "acme.com,2027-01-31,yes,12,EUR",
    ]


def test_a_workbook_is_read_like_a_csv() -> None:
    [row] = read(text_of(workbook(*ROW))).rows
    assert (row.line, row.wrong, row.values["locked"], str(row.values["renewal_price"])) == (2, "", True, "12.00")


def test_a_workbook_can_be_imported(client: TestClient) -> None:
    answer = client.post("/sources/import", files={"file": ("domains.xlsx", workbook(*ROW))})
    assert (
        html(client.get(answer.headers["location"]))
        .one("#new tbody tr")
        .text.startswith("2 acme.com expires: 2027-01-31; ")
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(workbook(*ROW, picture=bytes(51_000_000)), "too large when unpacked", id="bomb"),
        pytest.param(b"PK\x03\x04...", "cannot be read", id="damaged"),
    ],
)
def test_a_workbook_that_cannot_be_read_says_why(content: bytes, why: str) -> None:
    with pytest.raises(UnusableFile, match=why):
        text_of(content)
