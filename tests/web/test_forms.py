"""Forms: each type of input, what is wrong beside its field, and what was typed kept."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
from cryptography.fernet import Fernet
from pydantic import HttpUrl
from sqlalchemy import String
from sqlmodel import Field as ModelField
from sqlmodel import select
from starlette.testclient import TestClient

from core import Field, Form, Session
from core.db import Database
from core.forms import SentForm
from core.testing import html
from tests.web.asking import htmx
from tests.web.shop.models import Base, Colour, Item, Maker
from tests.web.shop.pages import ITEM

Sell = Callable[..., None]
NAME = {"name": "chair"}


class Ticket(Base, table=True):
    """A row with the types that the shop does not have."""

    __tablename__ = "shop_ticket"

    code: str = ModelField(primary_key=True, max_length=5)
    kind: Literal["day", "night"] = ModelField("day", sa_type=String)
    seats: int = 2
    holder: str | None = ModelField(default=None, unique=True)
    price: Decimal
    open: bool = True
    seat: int | None = ModelField(default=None, ge=1, multiple_of=2)
    site: HttpUrl | None = ModelField(default=None, sa_type=String)
    maker_id: int | None = ModelField(default=None, foreign_key="shop_maker.id")


TICKET = Form(
    Ticket,
    Field(Ticket.code),
    Field(Ticket.kind),
    Field(Ticket.seats, choices=[(2, "two"), (4, "four")]),
    Field(Ticket.holder),
    Field(Ticket.price),
    Field(Ticket.open),
    Field(Ticket.seat),
    Field(Ticket.site),
    Field(Ticket.maker_id, choices=[("1", "Anna"), ("7", "a ghost")]),
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("name", "text"), ("price", "number"), ("stock", "number"), ("weight", "number"), ("sold_on", "date"),
     ("made_at", "datetime-local"), ("is_new", "checkbox"), ("password", "password")],
)  # fmt: skip
def test_an_input_fits_its_type(name: str, kind: str, client: TestClient) -> None:
    assert html(client.get("/shop/new")).one(f"input[name={name}]").attribute("type") == kind


def test_a_choice_is_a_select_and_a_long_text_an_area(client: TestClient, sell: Sell) -> None:
    sell(Maker(id=1, name="Anna"))
    page = html(client.get("/shop/new"))
    assert [o.attribute("value") for o in page.all("select[name=colour] option")] == ["", "red", "sky_blue"]
    assert [o.text for o in page.all("select[name=colour] option")] == ["—", "red", "sky blue"]
    assert [o.attribute("value") for o in page.all("select[name=maker_id] option")] == ["", "1"]
    assert [o.text for o in page.all("select[name=maker_id] option")] == ["—", "Anna"]
    assert page.all("textarea[name=note]")


def test_labels_help_and_what_is_optional_are_said(client: TestClient) -> None:
    page = html(client.get("/shop/new"))
    assert page.one("label[for=f-name]").text == "Name"
    assert page.one("label[for=f-maker_id]").text == "Maker optional"
    assert "required" in page.one("#f-name").node.attrs
    assert "required" not in page.one("#f-price").node.attrs
    assert page.one("#f-price-help").text == "Without tax."
    assert page.one("#f-price").attribute("aria-describedby") == "f-price-help"
    assert page.one("#f-code").attribute("placeholder") == "ABC-1"


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("name", "  chair  ", "chair"),
        ("name", "Stuhl 🪑", "Stuhl 🪑"),
        ("name", "a\0b", "ab"),
        ("colour", "sky_blue", Colour.SKY_BLUE),
        ("colour", "", None),
        ("price", "12.30", Decimal("12.30")),
        ("price", " 0 ", Decimal(0)),
        ("price", "", None),
        ("stock", "7", 7),
        ("stock", "1000", 1000),
        ("weight", "1e3", 1000.0),
        ("weight", "-0.5", -0.5),
        ("sold_on", "2026-12-03", date(2026, 12, 3)),
        ("made_at", "2026-12-03T10:20", datetime(2026, 12, 3, 10, 20, tzinfo=UTC)),
        ("made_at", "2026-12-03T10:20+02:00", datetime(2026, 12, 3, 8, 20, tzinfo=UTC)),
        ("is_new", "true", True),
        ("is_new", "on", True),
        ("is_new", "false", False),
        ("note", "one\r\ntwo", "one\ntwo"),
        ("note", "", ""),
        ("code", "ABC-12", "ABC-12"),
        ("code", "", ""),
    ],
)
def test_what_is_typed_becomes_its_type(name: str, typed: str, kept: Any, db: Session) -> None:
    form = ITEM.read(db, {**NAME, name: typed})
    assert form.problems == []
    assert form.data[name] == kept
    assert getattr(ITEM.save(db, form), name) == kept


@pytest.mark.parametrize(
    ("name", "typed", "error"),
    [
        ("name", "", "This is needed."),
        ("name", "   ", "This is needed."),
        ("name", "x", "String should have at least 2 characters."),
        ("name", "x" * 41, "String should have at most 40 characters."),
        ("name", "x" * 1_000_000, "String should have at most 40 characters."),
        ("colour", "green", "'green' is not one of the choices."),
        ("maker_id", "7", "'7' is not one of the choices."),
        ("maker_id", "1 OR 1=1", "'1 OR 1=1' is not one of the choices."),
        ("price", "-1", "Should be greater than or equal to 0."),
        ("price", "1.234", "Decimal input should have no more than 2 decimal places."),
        ("price", "cheap", "Should be a valid decimal."),
        ("price", "NaN", "Should be a finite number."),
        ("stock", "1.5", "Should be a valid integer, unable to parse string as an integer."),
        ("stock", "1001", "Should be less than or equal to 1000."),
        ("weight", "nan", "Should be a number that can be stored."),
        ("weight", "inf", "Should be a number that can be stored."),
        ("weight", "heavy", "Should be a valid number, unable to parse string as a number."),
        ("sold_on", "2026-02-30", "Should be a valid date or datetime, day value is outside expected range."),
        ("sold_on", "86400", "Should be a date like 2027-01-31."),
        ("made_at", "soon", "Should be a valid datetime or date, input is too short."),
        ("made_at", "20270131", "Should be a date like 2027-01-31."),
        ("made_at", "-1", "Should be a date like 2027-01-31."),
        ("code", "abc", r"String should match pattern '^([A-Z]{3}-\d+)?$'."),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(name: str, typed: str, error: str, client: TestClient) -> None:
    response = client.post("/shop/new", data={**NAME, name: typed})
    page = html(response)
    assert response.status_code == 422
    assert page.one(f"#f-{name}-error").text == error
    assert page.one(f"#f-{name}").attribute("aria-invalid") == "true"
    assert f"f-{name}-error" in page.one(f"#f-{name}").attribute("aria-describedby")
    assert [p.text for p in page.all('[id$="-error"]')] == [error]


def test_the_summary_names_every_mistake_and_leads_to_it(client: TestClient) -> None:
    summary = html(client.post("/shop/new", data={"price": "-1"})).one("form [role=alert]")
    assert summary.one("p").text == "2 things to mend"
    assert [a.attribute("href") for a in summary.all("a")] == ["#f-name", "#f-price"]
    assert [li.text for li in summary.all("li")] == [
        "Name : This is needed.",
        "Price : Should be greater than or equal to 0.",
    ]


def test_what_was_typed_is_kept_when_something_is_wrong(client: TestClient, sell: Sell) -> None:
    sell(Maker(id=1, name="Anna"))
    typed = {"name": "<b>", "price": "-1", "colour": "red", "maker_id": "1", "sold_on": "2026-01-02", "is_new": "true",
             "note": "\n<i>", "made_at": "2026-01-02T03:04", "password": "hunter2"}  # fmt: skip
    response = client.post("/shop/new", data=typed)
    page = html(response)
    assert [page.one(f"#f-{n}").attribute("value") for n in ("name", "price", "sold_on", "made_at")] == [
        "<b>", "-1", "2026-01-02", "2026-01-02T03:04"]  # fmt: skip
    assert page.one("#f-colour option[selected]").text == "red"
    assert page.one("#f-maker_id option[selected]").text == "Anna"
    assert "checked" in page.one("#f-is_new").node.attrs
    assert "<i>" not in response.text
    assert "hunter2" not in response.text


def test_nothing_typed_at_all_is_a_mistake_and_no_crash(client: TestClient) -> None:
    assert html(client.post("/shop/new")).one("#f-name-error").text == "This is needed."
    assert client.post("/shop/new", json={"name": "chair"}).status_code == 422


def test_a_file_where_a_text_belongs_is_nothing_typed(client: TestClient) -> None:
    response = client.post("/shop/new", files={"name": ("x.txt", b"chair")})
    assert html(response).one("#f-name-error").text == "This is needed."


def test_a_check_looks_at_the_whole_form(client: TestClient) -> None:
    response = client.post("/shop/new", data={**NAME, "colour": "red"})
    assert response.status_code == 422
    assert html(response).one("form [role=alert] li").text == "A red thing needs a price."
    assert html(response).all('[id$="-error"]') == []
    assert client.post("/shop/new", data={**NAME, "colour": "red", "price": "1"}).status_code == 303


def test_a_check_sees_only_a_form_whose_fields_fit(client: TestClient) -> None:
    response = client.post("/shop/new", data={"name": "", "colour": "red"})
    assert [li.text for li in html(response).all("form [role=alert] li")] == ["Name : This is needed."]


def test_a_name_that_is_taken_is_refused_on_a_new_thing(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair"))
    response = client.post("/shop/new", data=NAME)
    assert (response.status_code, html(response).one("#f-name-error").text) == (422, "chair is taken.")


def test_a_name_is_not_taken_by_the_thing_itself(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair"), Item(name="desk"))
    assert client.post("/shop/items/chair/edit", data={"name": "chair", "stock": "3"}).status_code == 303
    assert client.post("/shop/items/chair/edit", data={"name": "desk"}).status_code == 422


def test_a_form_shows_what_is_stored(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair", price=Decimal("9.50"), colour=Colour.SKY_BLUE, is_new=True, password="hunter2",
              sold_on=date(2026, 1, 2), made_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)))  # fmt: skip
    response = client.get("/shop/items/chair/edit")
    page = html(response)
    assert Decimal(page.one("#f-price").attribute("value")) == Decimal("9.50")
    assert page.one("#f-colour option[selected]").attribute("value") == "sky_blue"
    assert page.one("#f-made_at").attribute("value") == "2026-01-02T03:04"
    assert page.one("#f-sold_on").attribute("value") == "2026-01-02"
    assert "checked" in page.one("#f-is_new").node.attrs
    assert "hunter2" not in response.text


def test_an_edit_ends_where_it_says(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair"))
    response = client.post("/shop/items/chair/edit", data={"name": "chair 2"})
    assert response.headers["location"] == "/shop/items/chair%202?tab=prices"


@pytest.mark.parametrize(("typed", "kept"), [("", "hunter2"), ("   ", "hunter2"), ("new", "new"), (None, "hunter2")])
def test_a_secret_is_kept_when_left_empty(typed: str | None, kept: str, db: Session) -> None:
    row = Item(name="chair", password="hunter2")
    db.add(row)
    db.flush()
    ITEM.save(db, ITEM.read(db, {**NAME, "password": typed} if typed is not None else NAME, row), row)
    assert row.password == kept


def test_a_stored_secret_may_be_left_empty_in_the_browser_too(db: Session) -> None:
    class Key(Base, table=True):
        __tablename__ = "shop_key"
        id: int | None = ModelField(default=None, primary_key=True)
        value: str

    form = Form(Key, Field(Key.value, secret=True))
    stored, new = form.show(db, Key(value="hunter2")), form.show(db)
    assert (new.fields[0].required, stored.fields[0].required, stored.fields[0].value) == (True, False, "")
    assert stored.fields[0].placeholder == "Leave empty to keep it"


def test_values_may_be_suggested(db: Session) -> None:
    shown = ITEM.show(db, name="chair", colour=Colour.RED)
    assert [(f.name, f.value) for f in shown.fields if f.value] == [("name", "chair"), ("colour", "red")]


def test_a_form_with_a_mistake_saves_nothing(client: TestClient, names: Callable[[], set[str]]) -> None:
    client.post("/shop/new", data={**NAME, "price": "-1"}, headers=htmx("div#item"))
    assert names() == set()


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({}, []),
        ({"kind": "night", "seats": "4", "open": "true"}, []),
        ({"kind": "noon"}, ["kind"]),
        ({"kind": ""}, []),
        ({"seats": "3"}, ["seats"]),
        ({"seats": ""}, []),
        ({"holder": "Ann"}, ["holder"]),
        ({"holder": ""}, []),
        ({"code": "T1"}, ["code"]),
        ({"price": ""}, ["price"]),
        ({"price": "1e5000"}, ["price"]),
    ],
)
def test_choices_defaults_and_keys(typed: dict[str, str], wrong: list[str], db: Session) -> None:
    db.add_all([Ticket(code="T1", price=Decimal(1), holder="Ann"), Ticket(code="T2", price=Decimal(1))])
    form = TICKET.read(db, {"code": "T9", "price": "5", **typed})
    assert [problem.name for problem in form.problems] == wrong
    assert form.data.get("kind", "day") in ("day", "night")


def test_what_is_left_empty_takes_its_default(db: Session) -> None:
    ticket = TICKET.save(db, TICKET.read(db, {"code": "T9", "price": "5", "kind": "", "seats": ""}))
    assert ticket.model_dump(exclude={"price", "seat", "site", "maker_id"}) == {
        "code": "T9", "kind": "day", "seats": 2, "holder": None, "open": False}  # fmt: skip


def test_a_choice_that_is_a_number_is_shown_as_chosen(db: Session) -> None:
    seats = next(f for f in TICKET.show(db).fields if f.name == "seats")
    assert (seats.value, list(seats.options)) == ("2", [("2", "two"), ("4", "four")])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("name", {"minlength": "2", "maxlength": "40", "type": "text"}),
        ("price", {"min": "0", "step": "0.01", "type": "number"}),
        ("stock", {"min": "0", "max": "1000", "step": "1"}),
        ("weight", {"step": "any"}),
    ],
)
def test_the_browser_is_told_what_it_can_check_by_itself(name: str, said: dict[str, str], client: TestClient) -> None:
    attributes = html(client.get("/shop/new")).one(f"#f-{name}").node.attrs
    assert {key: attributes.get(key) for key in said} == said


def test_a_time_says_that_it_is_in_utc_and_keeps_what_an_input_cannot_hold(client: TestClient, db: Session) -> None:
    assert "in UTC" in html(client.get("/shop/new")).one("label[for=f-made_at]").text
    db.add(row := Item(name="chair", made_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)))
    db.flush()
    made_at = next(f.value for f in ITEM.show(db, row).fields if f.name == "made_at")
    form = ITEM.read(db, {**NAME, "made_at": made_at}, row)
    assert (made_at, form.data["made_at"]) == ("2026-01-02T03:04:05", row.made_at)


def test_an_address_is_stored_as_text(db: Session) -> None:
    form = TICKET.read(db, {"code": "T9", "price": "5", "site": "https://example.com/a"})
    assert (form.fields[-2].kind, form.data["site"]) == ("url", "https://example.com/a")
    assert [p.name for p in TICKET.read(db, {"code": "T9", "price": "5", "site": "nowhere"}).problems] == ["site"]


def test_what_refers_to_another_table_offers_its_rows_by_name(client: TestClient, sell: Sell) -> None:
    sell(Maker(id=2, name="Bert"), Maker(id=1, name="Carla"), Maker(id=3, name="Anna"))
    assert [o.text for o in html(client.get("/shop/new")).all("#f-maker_id option")] == ["—", "Anna", "Bert", "Carla"]


def test_a_row_that_is_gone_meanwhile_is_no_choice(client: TestClient) -> None:
    page = html(client.post("/shop/new", data={**NAME, "maker_id": "3"}))
    assert page.one("#f-maker_id-error").text == "'3' is not one of the choices."
    assert page.one("#f-maker_id option[selected]").text == "3 (no choice any more)"


def test_what_only_the_database_refuses_is_told(client: TestClient, names: Callable[[], set[str]]) -> None:
    response = client.post("/shop/new", data={**once(client), **NAME, "weight": "2000000"})
    assert (response.status_code, names()) == (409, set())
    assert "The database refuses this: " in html(response).text


def test_a_form_that_the_database_refused_can_be_sent_again(client: TestClient, names: Callable[[], set[str]]) -> None:
    form = {**once(client), **NAME}
    assert client.post("/shop/new", data={**form, "weight": "2000000"}).status_code == 409
    assert client.post("/shop/new", data={**form, "weight": "2"}).status_code == 303
    assert names() == {"chair"}


def once(client: TestClient, path: str = "/shop/new") -> dict[str, str]:
    """What a rendered form brings back by itself."""
    inputs = html(client.get(path)).all("main form input[type=hidden]")
    return {one.attribute("name"): one.attribute("value") for one in inputs}


def test_a_second_click_does_nothing_and_goes_the_same_way(client: TestClient, names: Callable[[], set[str]]) -> None:
    form = {**once(client), **NAME}
    first, second = client.post("/shop/new", data=form), client.post("/shop/new", data=form)
    assert (first.status_code, first.headers["location"]) == (second.status_code, second.headers["location"])
    assert second.headers["set-cookie"] == first.headers["set-cookie"]
    assert names() == {"chair"}


def test_what_is_changed_after_going_back_is_a_thing_of_its_own(
    client: TestClient, names: Callable[[], set[str]]
) -> None:
    form = once(client)
    client.post("/shop/new", data={**form, "name": "chair"})
    client.post("/shop/new", data={**form, "name": "desk"})
    assert names() == {"chair", "desk"}


def test_a_form_that_was_refused_can_be_sent_again(client: TestClient, sell: Sell) -> None:
    form = {**once(client), **NAME, "maker_id": "1"}
    assert client.post("/shop/new", data=form).status_code == 422
    sell(Maker(id=1, name="Anna"))
    assert client.post("/shop/new", data=form).status_code == 303


def test_old_marks_of_sent_forms_are_forgotten(client: TestClient, sell: Sell, database: Database) -> None:
    sell(SentForm(key="old", at=datetime(2026, 1, 1, tzinfo=UTC)))
    client.post("/shop/new", data={**once(client), **NAME})
    with database.read() as db:
        assert [sent.url for sent in db.exec(select(SentForm))] == ["/shop"]


def test_two_people_do_not_overwrite_each_other_unawares(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair", note="old", password="hunter2"))
    mine = once(client, "/shop/items/chair/edit")
    client.post("/shop/items/chair/edit", data={"name": "chair", "note": "theirs", "stock": "3"})
    response = client.post("/shop/items/chair/edit", data={**mine, "name": "chair", "note": "mine"})
    page = html(response)
    assert (response.status_code, page.one("#f-note").text) == (422, "mine")
    assert "Somebody changed this meanwhile" in page.one("form [role=alert] li").text
    assert {p.attribute("id"): p.text for p in page.all('[id$="-now"]')} == {
        "f-note-now": "now: theirs", "f-stock-now": "now: 3"}  # fmt: skip
    again = {i.attribute("name"): i.attribute("value") for i in page.all("form input[type=hidden]")}
    assert client.post("/shop/items/chair/edit", data={**again, "name": "chair", "note": "mine"}).status_code == 303


def test_a_form_that_is_open_while_the_key_is_rotated_keeps_what_was_typed(
    client: TestClient, sell: Sell, database: Database
) -> None:
    sell(Item(name="chair", note="old"))
    mine = once(client, "/shop/items/chair/edit")
    database.keyring.add(Fernet.generate_key().decode())
    response = client.post("/shop/items/chair/edit", data={**mine, "name": "chair", "note": "mine"})
    page = html(response)
    assert (response.status_code, page.one("#f-note").text, page.one("#f-note-now").text) == (422, "mine", "now: old")
    again = {i.attribute("name"): i.attribute("value") for i in page.all("form input[type=hidden]")}
    assert client.post("/shop/items/chair/edit", data={**again, "name": "chair", "note": "mine"}).status_code == 303


@pytest.mark.parametrize("version", ["", "garbage", "gAAAAABäö"])
def test_a_version_that_is_none_of_ours_counts_as_changed(version: str, client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair", note="theirs"))
    answer = client.post("/shop/items/chair/edit", data={"name": "chair", "note": "mine", "_version": version})
    assert (answer.status_code, html(answer).one("#f-note-now").text) == (422, "now: theirs")


def test_a_file_where_the_version_belongs_counts_as_changed(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair"))
    files = {"_version": ("x.txt", b"x")}
    assert client.post("/shop/items/chair/edit", data={"name": "chair", "stock": "1"}, files=files).status_code == 422


def test_a_second_click_on_save_is_no_conflict(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair"))
    form = {**once(client, "/shop/items/chair/edit"), "name": "chair", "price": "9.50", "password": "new"}
    assert [client.post("/shop/items/chair/edit", data=form).status_code for _ in range(2)] == [303, 303]


def test_a_secret_that_somebody_changed_is_not_told(client: TestClient, sell: Sell) -> None:
    sell(Item(name="chair", password="hunter2"))
    mine = once(client, "/shop/items/chair/edit")
    client.post("/shop/items/chair/edit", data={"name": "chair", "password": "hunter3"})
    response = client.post("/shop/items/chair/edit", data={**mine, "name": "chair", "password": "hunter4"})
    assert html(response).one("#f-password-now").text == "now: ••••"
    assert "hunter" not in response.text


def test_an_error_of_the_apps_own_can_be_added(db: Session) -> None:
    form = ITEM.read(db, NAME)
    form.reject("name", "The registrar does not know it.")
    form.reject("", "Try again tomorrow.")
    assert not form.is_valid
    assert [(p.name, p.label) for p in form.problems] == [("name", "Name"), ("", "")]
    assert form.fields[0].error == "The registrar does not know it."
