"""Importing a CSV file or a workbook: upload it, look at what it would do, then do it or forget it."""

from datetime import timedelta

from sqlmodel import col, delete, select
from starlette.datastructures import UploadFile

from core import DB, CurrentUser, Data, Go, Refused, Session, View, action, now, page

from .imports import LONGEST, UnusableFile, read, text_of
from .imports_plan import apply, plan
from .listing import HEADERS
from .models import Upload

KEPT = timedelta(days=1)
LARGEST = 5_000_000  # bytes
SHOWN = 500  # rows of one outcome on the page


@page("/sources/import", role="operator")
def choose_file() -> View:
    """Add domains that no account lists, or what no account knows. You see first what would change."""
    return View("import.html", title="Import a file", problem="", headers=HEADERS, longest=LONGEST)


@action("/sources/import")
def upload(db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Upload a CSV file or a workbook for its dry run."""
    file = data.get("file")
    content = file.file.read(LARGEST + 1) if isinstance(file, UploadFile) else b""
    try:
        if not content:
            raise UnusableFile("Choose a file that is not empty.")
        if len(content) > LARGEST:
            raise UnusableFile(f"The file is larger than {LARGEST // 1_000_000} MB; split it.")
        read(text := text_of(content))
    except UnusableFile as error:
        return View(
            "import.html", status=422, title="Import a file", problem=str(error), headers=HEADERS, longest=LONGEST
        )
    db.bulk(delete(Upload).where(col(Upload.uploaded_at) < now() - KEPT), why="forgotten uploads")
    db.add(row := Upload(text=text, uploaded_by=user.name))
    db.flush()
    return Go(dry_run, id=row.id)


@page("/sources/import/{id}", role="operator")
def dry_run(id: int, db: DB) -> View:
    """What the file would change. Nothing is written yet."""
    sheet = read(found(db, id).text)
    planned = plan(db, sheet)
    parts = [
        (outcome, planned.count(outcome), [line for line in planned.lines if line.outcome == outcome][:SHOWN])
        for outcome in ("wrong", "changed", "new", "unchanged")
    ]
    return View(
        "dry_run.html", title="Dry run of the import", id=id, plan=planned, parts=parts, not_used=sheet.not_used
    )


@action("/sources/import/{id}")
def apply_import(id: int, db: DB, user: CurrentUser) -> Go:
    """Import an uploaded file: all of its rows, or none."""
    waiting = found(db, id)
    written = apply(db, plan(db, read(waiting.text)), by=user.name)
    db.delete(waiting)
    return Go("/domains", toast=f"{written:,} rows are imported")


@action("/sources/import/{id}/forget")
def forget(id: int, db: DB) -> Go:
    """Forget an uploaded file."""
    db.delete(found(db, id))
    return Go("/sources", toast="The file is forgotten; nothing was imported")


def found(db: Session, id: int) -> Upload:
    """The uploaded file of a key; Refused (404) when it is gone."""
    row = db.exec(select(Upload).where(Upload.id == id)).first()
    if row is None:
        raise Refused(404, "This file was imported already or is too old; upload it again.")
    return row
