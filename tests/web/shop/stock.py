"""The stockroom: a table whose rows can be picked, and acted upon one by one; two tables on one page."""

from sqlalchemy import delete, update
from sqlmodel import col

from core import DB, Column, Data, Field, Form, Go, Params, Table, View, action, page

from .models import Item, Maker

PRICE = Form(Item, Field(Item.price))


@action("/shop/stock/retire")
def retire(db: DB, data: Data) -> View | Go:
    """Take things out of the shop."""
    picked = STOCK.picked(db, data)
    if not picked.is_confirmed:
        return View("core/confirm.html", picked=picked)
    gone = db.bulk(delete(Item).where(*picked.where), why="retired")
    return Go(picked.back, toast=f"{gone} are gone")


@action("/shop/stock/price", role="admin")
def set_price(db: DB, data: Data) -> View | Go:
    """Give things one price."""
    picked = STOCK.picked(db, data, where=[Item.stock != 7])
    form = PRICE.read(db, data) if picked.is_confirmed else PRICE.show(db)
    if not picked.is_confirmed or not form.is_valid:
        return View("core/confirm.html", status=200 if form.is_valid else 422, picked=picked, form=form)
    db.bulk(update(Item).where(*picked.where).values(price=form.data["price"]), why="priced")
    return Go(picked.back, toast=f"{picked.count} have a price")


@action("/shop/stock/{id:int}/restock")
def restock(id: int, db: DB, data: Data) -> Go:
    """Put one more on the shelf."""
    db.bulk(update(Item).where(col(Item.id) == id).values(stock=col(Item.stock) + 1), why="restocked")
    return Go(STOCK.back(data, "/shop"), toast=f"{id} is restocked")


STOCK = Table(
    Item,
    Column(Item.name, search=True),
    Column(Maker.name, name="id", label="Maker", filter=True),
    Column(Item.stock, filter=True),
    Column(Item.price),
    Column(Item.sold_on, filter=True),
    Column(Item.recipe, search=True, filter=True),
    Column(Item.made_at, filter=True, optional=True),
    Column(Item.is_new, optional=True),
    Column(Item.note, hidden=True),
    joins=[Maker],
    bulk=[retire, set_price],
    actions=[retire],
    size=25,
)
MAKERS = Table(Maker, Column(Maker.id), Column(Maker.name), actions=[], link="")
SHELF = Table(Item, Column(Item.id), Column(Item.stock), actions=[restock])


@page("/shop/stock")
def stock(db: DB, params: Params) -> View:
    """What lies in the stockroom."""
    return View("stock.html", stock=STOCK.load(db, params), makers=MAKERS.load(db, params))


@page("/shop/shelf", public=True)
def shelf(db: DB, params: Params) -> View:
    """What lies on the shelf."""
    return View("shelf.html", shelf=SHELF.load(db, params, where=[Item.stock != 7]))
