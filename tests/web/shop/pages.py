"""Pages and actions, one for each thing that can happen."""

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text
from sqlmodel import col, select
from starlette.responses import PlainTextResponse, Response

from app.settings import Settings
from core import (
    DB,
    Cell,
    Column,
    CurrentUser,
    Data,
    Field,
    Form,
    Go,
    Import,
    Params,
    Refused,
    Table,
    View,
    action,
    page,
)
from core.errors import Busy

from .models import Item, Maker

ITEMS = Table(
    Item,
    Column(Item.name, search=True),
    Column(Maker.name, name="maker", search=True, filter=True, empty="nobody"),
    Column(Item.colour, filter=True),
    Column(Item.price, filter=True),
    Column(Item.stock, filter=True),
    Column(Item.weight, sort=False),
    Column(Item.sold_on, filter=True),
    Column(Item.made_at, filter=True),
    Column(Item.is_new, label="New", filter=True),
    Column(Item.url, label="URL", show=lambda value, _: Cell(value, href=value)),
    Column(Item.note, filter="text"),
    Column(Item.code, filter=True, hidden=True, search=True),
    joins=[Maker],
    sort=Item.name,
    link="/shop/items/{name}",
    empty="The shop has nothing to sell.",
)
ITEM = Form(
    Item,
    Field(Item.name),
    Field(Item.maker_id),
    Field(Item.colour),
    Field(Item.price, help="Without tax."),
    Field(Item.stock),
    Field(Item.weight),
    Field(Item.sold_on),
    Field(Item.made_at),
    Field(Item.is_new, label="New"),
    Field(Item.note, multiline=True),
    Field(Item.code, placeholder="ABC-1"),
    Field(Item.password, secret=True),
    check=lambda data: [("", "A red thing needs a price.")] if _is_red_and_free(data) else [],
)

IMPORT = Import(ITEM, key="name")


def _is_red_and_free(data: dict[str, object]) -> bool:
    return getattr(data["colour"], "value", "") == "red" and data["price"] is None


@page("/shop", nav="Shop", icon="package")
def index(db: DB, params: Params) -> View:
    """All that we sell."""
    return View("index.html", items=ITEMS.load(db, params), greeting="Hello")


@page("/shop/items/{name}")
def show(name: str, db: DB) -> View:
    """One thing that we sell."""
    return View("blank.html", title=name, subtitle="", text="found" if found(db, name) else "")


@page("/shop/new", role="operator")
def new(db: DB) -> View:
    """A new thing."""
    return View("edit.html", form=ITEM.show(db), to="/shop/new")


@action("/shop/new")
def add(db: DB, data: Data) -> View | Go:
    """Add a thing."""
    form = ITEM.read(db, data)
    if not form.is_valid:
        return View("edit.html", status=422, form=form, to="/shop/new")
    item = ITEM.save(db, form)
    return Go(index, toast=f"{item.name} is for sale")


@page("/shop/import", role="operator")
def import_page() -> View:
    """Things from a file."""
    return View("core/import.html", title="Import things", step=IMPORT.show())


@action("/shop/import")
def import_things(db: DB, data: Data) -> View | Go:
    """Add and change things from a file."""
    step = IMPORT.take(db, data)
    return Go(index, toast=step.said) if step.said else View("core/import.html", status=step.status, step=step)


@page("/shop/items/{name}/edit", role="operator")
def edit(name: str, db: DB) -> View:
    """Change a thing."""
    return View("edit.html", form=ITEM.show(db, found(db, name)), to=f"/shop/items/{name}/edit")


@action("/shop/items/{name}/edit")
def save(name: str, db: DB, data: Data) -> View | Go:
    """Change a thing."""
    item = found(db, name)
    form = ITEM.read(db, data, item)
    if not form.is_valid:
        return View("edit.html", status=422, form=form, to=f"/shop/items/{name}/edit")
    ITEM.save(db, form, item)
    return Go(show, name=item.name, tab="prices", toast="saved")


@page("/shop/api/window", public=True)
def window() -> View:
    """What can be seen from the street."""
    return View("blank.html", text="chairs")


@page("/shop/open", nav="Just look", public=True)
def doors(request: Request) -> View:
    """Open to everybody."""
    return View("blank.html", text=request.headers.get("x-said", "welcome"))


@page("/shop/open/till")
def till() -> View:
    """Closed, though a public pattern fits its address."""
    return View("blank.html", text="money")


@page("/shop/open/{room}", public=True)
def rooms(room: str) -> View:
    """Every room is open."""
    return View("blank.html", text=room)


@page("/shop/office", nav="Office", icon="key", role="admin")
def office(user: CurrentUser, settings: Settings, size: int = 3) -> View:
    """For admins."""
    return View("blank.html", text=f"{user.name} {user.role} {settings.check_timeout_s} {size + 1}")


@action("/shop/office/{number}", role="admin")
def renovate(number: int, db: DB) -> Go:
    """Renovate the office."""
    db.add(Item(name=f"desk {number}"))
    return Go("/shop")


@action("/shop/open", public=True)
def knock(data: Data) -> Response:
    """Knock at the door."""
    return PlainTextResponse(f"who is there: {data.get('name')}")


@page("/shop/slow")
async def slow(request: Request, params: Params) -> View:
    """Written as a coroutine."""
    return View("blank.html", text=f"{request.method} {params.get('q')}")


@page("/shop/writes")
def writes(db: DB) -> View:
    """A page that writes, which it must not."""
    db.add(Item(name="smuggled"))
    db.flush()
    return View("blank.html", text="")


@page("/shop/fails")
def fails() -> View:
    """A page with a bug."""
    raise ZeroDivisionError("the secret is 42")


@page("/shop/nonsense")
def nonsense() -> object:
    """A page that returns no View."""
    return {"not": "a view"}


@action("/shop/sell/{how}")
def sell(how: str, db: DB) -> object:
    """Sell a thing, and end in one of many ways."""
    db.add(Item(name=f"sold {how}"))
    db.flush()
    endings = {
        "go": lambda: Go(index, toast="Sold, “gladly”"),
        "view": lambda: View("blank.html", text="sold"),
        "view-422": lambda: View("blank.html", status=422, text="not sold"),
        "response": lambda: PlainTextResponse("sold"),
        "response-409": lambda: PlainTextResponse("not sold", 409),
        "refused": lambda: _raise(Refused(409, "It is sold already.")),
        "busy": lambda: _raise(Busy()),
        "bug": lambda: _raise(ZeroDivisionError("the secret is 42")),
        "nothing": lambda: None,
        "lost": lambda: Go(show),
        "elsewhere": lambda: Go("//evil.example"),
        "bad-sql": lambda: db.connection().execute(text("SELECT * FROM nowhere")),
        "bad-template": lambda: View("broken.html"),
    }
    return endings[how]()


def _raise(error: Exception) -> None:
    raise error


def found(db: DB, name: str) -> Item:
    """A thing by its name."""
    item = db.exec(select(Item).where(col(Item.name) == name)).first()
    if item is None:
        raise Refused(404, f"There is no {name}.")
    return item


def reserved(db: DB, name: str) -> Item:
    """A dependency that writes, and may refuse."""
    db.add(Item(name=name))
    db.flush()
    if name == "refused":
        raise Refused(409, "Not that one.")
    return found(db, name)


@action("/shop/reserve/{name}")
def reserve(item: Annotated[Item, Depends(reserved)]) -> Go:
    """Reserve a thing."""
    return Go(show, name=item.name)
