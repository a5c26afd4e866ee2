"""The price list: what each registrar charges per suffix, line by line or from a CSV file."""

from typing import Any

from sqlmodel import col, delete, func, select
from starlette.datastructures import UploadFile

from app.domains import SUFFIX, Domain
from core import DB, Cell, Column, Data, Field, Form, Go, Params, Refused, Session, Table, View, action, page
from core.forms import FormView

from .list_file import LONGEST, UnusableList, read
from .models import ALWAYS, ListPrice
from .pages import tabs
from .typing_in import wrong_currency

KEY = ("registrar", "suffix", "since")
LARGEST = 2_000_000  # bytes
PRICE = Form(
    ListPrice,
    Field(ListPrice.registrar, help="As the portfolio calls it."),
    Field(ListPrice.suffix),
    Field(ListPrice.price, label="Price of one renewal"),
    Field(ListPrice.currency),
    Field(ListPrice.years, label="For how many years"),
    Field(ListPrice.since, label="Since"),
    check=wrong_currency,
)


@action("/costs/prices/delete")
def delete_lines(db: DB, data: Data) -> View | Go:
    """Delete these lines of the price list; their domains have another price, or none."""
    picked = PRICES.picked(db, data)
    if not picked.is_confirmed:
        return View("core/confirm.html", picked=picked)
    gone = db.bulk(delete(ListPrice).where(*picked.where), why="deleted by hand")
    return Go(picked.back, toast=f"Deleted: {gone:,}")


def since(value: Any, _row: Any) -> Cell:
    """The first day of a price."""
    return Cell("always") if value == ALWAYS else Cell(value.isoformat())


PRICES = Table(
    ListPrice,
    Column(ListPrice.registrar, search=True, filter=True),
    Column(ListPrice.suffix, search=True),
    Column(ListPrice.price),
    Column(ListPrice.currency, filter=True),
    Column(ListPrice.years),
    Column(ListPrice.since, show=since),
    sort="registrar,suffix,since",
    link="/costs/prices/{id}",
    bulk=[delete_lines],
    empty="Add what a registrar charges for a suffix, or import a CSV file; names without a price get it from here.",
)


@page("/costs/prices")
def price_list(db: DB, params: Params) -> View:
    """What a renewal costs where the account does not say it, per registrar and suffix."""
    return View("prices.html", tabs=tabs("/costs/prices"), prices=PRICES.load(db, params))


@page("/costs/prices/new", role="operator")
def new_line(db: DB) -> View:
    """A price of a registrar for a suffix; a later one follows it from its own first day on."""
    return form_of(None, PRICE.show(db))


@action("/costs/prices")
def add_line(db: DB, data: Data) -> View | Go:
    """Add a line to the price list."""
    return saved(db, data, None)


@page("/costs/prices/import", role="operator")
def choose_list() -> View:
    """Lines that are in the list already get the price of the file; the others stay."""
    return View("import.html", title="Import a price list", problems=[], longest=LONGEST)


@action("/costs/prices/import")
def import_list(db: DB, data: Data) -> View | Go:
    """Import a CSV file into the price list: all of its lines, or none."""
    file = data.get("file")
    content = file.file.read(LARGEST + 1) if isinstance(file, UploadFile) else b""
    try:
        rows = read(content if len(content) <= LARGEST else b"")
    except UnusableList as error:
        title = "Import a price list"
        return View("import.html", status=422, title=title, problems=error.problems, longest=LONGEST)
    done = db.upsert(ListPrice, [{**row, "registrar": spelled(db, row["registrar"])} for row in rows], key=KEY)
    said = f"{done.created:,} new, {done.updated:,} changed, {done.unchanged:,} as before"
    return Go(price_list, toast=f"The list is imported: {said}")


@page("/costs/prices/{id}")
def edit_line(id: int, db: DB) -> View:
    """One line of the price list."""
    line = found(db, id)
    form = PRICE.show(db, line, since="" if line.since == ALWAYS else line.since)
    return form_of(line, form)


@action("/costs/prices/{id}")
def save_line(id: int, db: DB, data: Data) -> View | Go:
    """Change a line of the price list."""
    return saved(db, data, found(db, id))


def saved(db: Session, data: Data, line: ListPrice | None) -> View | Go:
    """Save a line, and say how many names it is the price list of."""
    form = PRICE.read(db, data, line)
    if form.is_valid:
        given = form.data
        given["suffix"] = given["suffix"].lower().strip(". ")
        given["registrar"] = spelled(db, given["registrar"])
        same = [getattr(ListPrice, name) == given[name] for name in KEY]
        other = db.execute(select(ListPrice.id).where(*same)).scalar()
        if other is not None and (line is None or other != line.id):
            form.reject("since", "There is a price for this registrar, suffix and day already; change that one.")
    if not form.is_valid:
        return form_of(line, form, status=422)
    PRICE.save(db, form, line)
    concerned = (Domain.registrar == given["registrar"], given["suffix"] == SUFFIX, col(Domain.retired_at).is_(None))
    count = db.execute(select(func.count()).select_from(Domain).where(*concerned)).scalar_one()
    return Go(
        price_list, toast=f"The price of {given['suffix']} is saved; names of that registrar and suffix: {count:,}"
    )


def spelled(db: Session, registrar: str) -> str:
    """A registrar's name as the portfolio spells it."""
    same = func.lower(Domain.registrar) == registrar.lower()
    return db.execute(select(col(Domain.registrar)).where(same).limit(1)).scalar() or registrar


def form_of(line: ListPrice | None, form: FormView, *, status: int = 200) -> View:
    """The form of a line, or of a new one."""
    for field in form.fields:
        if field.name == "since":
            field.value = "" if field.value == ALWAYS.isoformat() else field.value
    to, title = ("/costs/prices", "Add a price") if line is None else (f"/costs/prices/{line.id}", "Change a price")
    return View("price.html", status=status, title=title, form=form, to=to, line=line)


def found(db: Session, id: int) -> ListPrice:
    """The line of a key; Refused (404) when there is none."""
    line = db.get(ListPrice, id)
    if line is None:
        raise Refused(404, f"There is no price {id} in the list; it may have been deleted.")
    return line
