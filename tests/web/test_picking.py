"""Rows that are picked and acted upon: one, several, or all that match; asked first, within one's rights."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Field, select
from starlette.datastructures import FormData
from starlette.testclient import TestClient

from core import Column, DeclarationError, Session, Table
from core.audit import AuditEntry
from core.tables import UrlState
from core.testing import html
from tests.web.asking import ClientAs, query
from tests.web.shop import pages, stock
from tests.web.shop.models import Base, Colour, Item, Maker

RETIRE = "/shop/stock/retire"
Sell = Callable[..., None]
Names = Callable[[], set[str]]


@pytest.fixture(autouse=True)
def things(sell: Sell) -> None:
    sell(Maker(id=1, name="Anna"))
    sell(*(Item(id=n, name=f"thing {n:02}", stock=n, maker_id=1) for n in range(1, 31)))


def confirmed(client: TestClient, path: str, **sent: Any) -> Any:
    """Press a button of the table, then the one of the page that asks."""
    form = html(client.post(path, data=sent)).one("main form")
    hidden = form.all("input[type=hidden]")
    again: dict[str, Any] = {one.attribute("name"): [] for one in hidden} | {"confirmed": "1"}
    for one in hidden:
        again[one.attribute("name")].append(one.attribute("value"))
    return client.post(form.attribute("action"), data=again)


def toast(response: Any) -> str:
    return "".join(value for name, value in response.cookies.items() if name.endswith("toast"))


def test_picked_rows_are_acted_upon_after_a_question(client: TestClient, names: Names) -> None:
    asked = html(client.post(RETIRE, data={"key": ["2", "3"], "back": "/shop/stock?sort=-name"}))
    assert "This is about 2 rows. thing 02, thing 03" in asked.one("main form").text
    assert asked.one("main form button").text == "Retire: 2 rows"
    assert len(names()) == 30
    done = confirmed(client, RETIRE, key=["2", "3"], back="/shop/stock?sort=-name")
    assert (done.headers["location"], toast(done)) == ("/shop/stock?sort=-name", "2%20are%20gone")
    assert names() == {f"thing {n:02}" for n in range(1, 31)} - {"thing 02", "thing 03"}


def test_all_that_match_travel_as_the_table_s_address(client: TestClient, names: Names) -> None:
    asked = html(client.post(RETIRE, data={"all": "1", "key": "30", "back": "/shop/stock?stock.to=28&q=thing"}))
    assert "28 rows: all that match" in asked.one("main form").text
    assert "search for thing stock to 28" in asked.one("main form").text
    assert "and 23 more" in asked.one("main form").text
    confirmed(client, RETIRE, all="1", key="30", back="/shop/stock?stock.to=28&q=thing")
    assert names() == {"thing 29", "thing 30"}


def test_what_changed_meanwhile_is_told_as_it_was(client: TestClient, names: Names) -> None:
    client.post(RETIRE, data={"key": "2", "confirmed": "1"})
    assert toast(client.post(RETIRE, data={"key": ["2", "3"], "confirmed": "2"})) == "1%20are%20gone"


@pytest.mark.parametrize(
    "sent",
    [{}, {"key": "99"}, {"key": "x"}, {"key": "1/2"}, {"key": ""}, {"key": str(2**80)}, {"key": "1\0x"},
     {"all": "1", "back": "/shop/stock?q=nowhere"}],
    ids=str,
)  # fmt: skip
def test_nothing_picked_is_said_and_nothing_done(client: TestClient, names: Names, sent: dict[str, str]) -> None:
    answer = client.post(RETIRE, data={**sent, "confirmed": "1"})
    assert answer.status_code == 409
    assert "No row is picked" in html(answer).one("main").text
    assert len(names()) == 30


def test_the_page_that_asks_may_ask_for_more(client: TestClient, db: Session) -> None:
    path = "/shop/stock/price"
    assert html(client.post(path, data={"key": "2"})).one("main form [name=price]")
    wrong = client.post(path, data={"key": "2", "confirmed": "1", "price": "cheap"})
    assert wrong.status_code == 422
    assert html(wrong).all("#f-price-error")
    assert client.post(path, data={"key": "2", "confirmed": "1", "price": "9.50"}).status_code == 303
    assert [str(price) for price in db.exec(select(Item.price).where(Item.id == 2))] == ["9.50"]


def test_what_a_table_is_not_about_cannot_be_picked(client: TestClient) -> None:
    assert client.post("/shop/stock/price", data={"key": "7"}).status_code == 409
    asked = html(client.post("/shop/stock/price", data={"all": "1", "back": "/shop/stock"}))
    assert "29 rows" in asked.one("main form").text


def test_an_action_of_many_rows_is_one_line_in_the_audit(client: TestClient, db: Session) -> None:
    confirmed(client, RETIRE, key=["2", "3"])
    entry = db.exec(select(AuditEntry).where(AuditEntry.table == "shop_item", AuditEntry.op == "delete")).one()
    assert (entry.after, entry.actor, entry.did) == (
        {"why": "retired", "rows": 2},
        "admin",
        "Take things out of the shop.",
    )


def test_boxes_and_buttons_are_for_whom_they_are(client_as: ClientAs) -> None:
    shown = {role: html(client_as(role).get("/shop/stock")).one("#stock") for role in ("viewer", "operator", "admin")}
    buttons = {role: [b.text for b in table.all(".picks [formaction]")] for role, table in shown.items()}
    assert buttons == {"viewer": [], "operator": ["Retire"], "admin": ["Retire", "Set price"]}
    assert [len(table.all("tbody [type=checkbox]")) for table in shown.values()] == [0, 25, 25]
    assert [len(table.all("tbody .deeds button")) for table in shown.values()] == [0, 25, 25]
    assert client_as("viewer").post(RETIRE, data={"key": "2"}).status_code == 403
    assert client_as("operator").post("/shop/stock/price", data={"key": "2"}).status_code == 403


def test_a_stranger_on_a_public_page_is_offered_nothing(served: TestClient) -> None:
    assert html(served.get("/shop/shelf")).all("#shelf button[formaction]") == []


def test_boxes_carry_the_key_though_a_column_has_its_name(client: TestClient) -> None:
    page = html(client.get("/shop/stock?sort=-stock&page=2"))
    assert [box.attribute("value") for box in page.all("#stock [name=key]")] == ["5", "4", "3", "2", "1"]
    assert {box.attribute("form") for box in page.all("#stock [name=key]")} == {"stock-picks"}
    assert page.one("#stock-picks [name=back]").attribute("value") == "/shop/stock?sort=-stock&page=2"
    assert page.one("#stock-picks [name=all]").attribute("data-all") == "30"


def test_a_row_s_button_is_about_that_row_alone(client: TestClient, names: Names) -> None:
    button = html(client.get("/shop/stock?sort=stock")).all("#stock .deeds button")[1]
    assert (button.attribute("name"), button.attribute("value"), button.attribute("formaction")) == (
        "only",
        "2",
        RETIRE,
    )
    confirmed(client, RETIRE, only="2", key=["3", "4"], all="1", back="/shop/stock")
    assert len(names()) == 29
    assert "thing 02" not in names()


def test_a_row_s_button_leads_to_its_own_path_and_back(client: TestClient, db: Session) -> None:
    page = html(client.get("/shop/shelf?sort=-stock"))
    path = page.all("#shelf .deeds button")[0].attribute("formaction")
    done = client.post(path, data={"back": "/shop/shelf?sort=-stock", "only": "30"})
    assert (path, done.headers["location"]) == ("/shop/stock/30/restock", "/shop/shelf?sort=-stock")
    assert db.exec(select(Item.stock).where(Item.id == 30)).one() == 31


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_way_back_stays_in_the_tool(client: TestClient, back: str) -> None:
    assert client.post("/shop/stock/3/restock", data={"back": back}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"bulk": [print]}, "print> is no action; mark it with @action"),
        ({"actions": [stock.stock]}, "is no action; mark it with @action"),
        ({"actions": [pages.renovate]}, r"links to '/shop/office/\{number\}'; write a path"),
        ({"bulk": [stock.restock]}, r"acts on many rows at '/shop/stock/\{id:int\}/restock'; take the braces out"),
    ],
    ids=["a function of Python's", "a page", "a brace that no row fills", "a path of one row for many"],
)
def test_a_table_offers_only_actions_that_it_can_call(more: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=rf"test_picking\.py:\d+: .*{said}"):
        Table(Item, Column(Item.name), **more)


def test_the_columns_shown_are_in_the_address(client: TestClient) -> None:
    heads = [
        head.text for head in html(client.get("/shop/stock?cols=made_at,nowhere,stock&cols=note")).all("#stock thead a")
    ]
    assert heads == ["Name", "Made at", "Stock"]
    usual = html(client.get("/shop/stock"))
    assert [head.text for head in usual.all("#stock thead a")] == [
        "Name",
        "Maker",
        "Stock",
        "Price",
        "Sold on",
        "Recipe",
    ]
    ticked = [box.attribute("value") for box in usual.all("#stock [name=cols][checked]")]
    assert ticked == ["name", "id", "stock", "price", "sold_on", "recipe"]
    assert [box.attribute("value") for box in usual.all("#stock [name=cols][disabled]")] == ["name"]


def test_columns_stay_when_the_table_is_sorted_or_filtered(client: TestClient) -> None:
    page = html(client.get("/shop/stock?cols=stock,price"))
    assert query(page.one("#stock-sort-stock").attribute("href")) == {"cols": "stock,price", "sort": "stock"}
    assert page.one("#stock form[role=search] [name=cols][type=hidden]").attribute("value") == "stock,price"


@pytest.mark.parametrize(
    ("sort", "also"),
    [
        ("", "name,stock"),
        ("stock", "-stock"),
        ("-stock", ""),
        ("name,stock", "name,-stock"),
        ("name,-stock", "name"),
        ("stock,name", "-stock,name"),
        ("-stock,name", "name"),
    ],
)
def test_shift_adds_a_column_to_the_order_turns_it_and_takes_it_out(client: TestClient, sort: str, also: str) -> None:
    head = html(client.get(f"/shop/stock?sort={sort}")).one("#stock-sort-stock")
    assert query(head.attribute("data-also")).get("sort", "") == also


def test_the_order_of_several_columns_is_numbered(client: TestClient) -> None:
    heads = html(client.get("/shop/stock?sort=-price,name")).all("#stock thead th")
    assert [h.text for h in heads if "Price" in h.text or "Name" in h.text] == [
        "Name 2 in the order, ascending",
        "Price 1",
    ]
    assert [h.attribute("aria-sort") for h in heads if h.attribute("aria-sort")] == ["descending"]


class Shade(Base, table=True):
    """A row whose key is one of a few words."""

    __tablename__ = "shop_shade"

    colour: Colour = Field(primary_key=True)


def test_a_row_whose_key_is_a_word_is_picked_by_it(db: Session) -> None:
    db.add(Shade(colour=Colour.SKY_BLUE))
    shades = Table(Shade, Column(Shade.colour), sort=Shade.colour)
    (row,) = shades.load(db, UrlState("/shop/shades", "")).rows
    assert shades.picked(db, FormData({"key": row.key})).count == 1
