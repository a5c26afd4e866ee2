"""Tables: sort, search, filters and pages, all of it in the URL; cells that never become markup or traps."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, insert
from starlette.testclient import TestClient

from core import Cell, Column, DeclarationError, Session, Table
from core.tables import TableView, UrlState
from core.tables.declare import shorten
from core.testing import Html, html
from tests.web.asking import chips, column, query
from tests.web.shop.models import Colour, Item, Maker
from tests.web.shop.pages import ITEMS

Sell = Callable[..., None]
NAMES = ["armchair", "bench", "cot", "desk", "Easel"]


@pytest.fixture
def chairs(sell: Sell) -> None:
    """Five things, two makers, and much that is unknown."""
    sell(Maker(id=1, name="Anna & Co"), Maker(id=2, name="Bert"))
    sell(
        Item(id=1, name="armchair", maker_id=1, price=Decimal("99.50"), stock=3, colour=Colour.RED, is_new=True,
             sold_on=date(2026, 1, 31), made_at=datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), note="100% wool"),
        Item(id=2, name="bench", maker_id=2, price=Decimal("250.00"), stock=3, colour=Colour.SKY_BLUE, is_new=False,
             sold_on=date(2026, 2, 1), made_at=datetime(2026, 2, 1, tzinfo=UTC), note="under_score", code="ABC-1"),
        Item(id=3, name="cot", maker_id=1, price=Decimal("0.00"), stock=0, colour=Colour.RED, is_new=True,
             sold_on=date(2026, 3, 1), made_at=datetime(2026, 3, 1, 12, tzinfo=UTC), note="1000 wool"),
        Item(id=4, name="desk"),
        Item(id=5, name="Easel", maker_id=2, price=Decimal("99.50"), stock=12),
    )  # fmt: skip


def load(db: Session, address: str = "", table: Table = ITEMS, **more: Any) -> TableView:
    return table.load(db, UrlState("/shop", address), **more)


def names(view: TableView) -> list[str]:
    return [row.cells[0].text for row in view.rows]


pytestmark = pytest.mark.usefixtures("chairs")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", "Easel armchair bench cot desk"),
        ("-name", "desk cot bench armchair Easel"),
        ("price", "cot armchair Easel bench desk"),
        ("-price", "bench armchair Easel cot desk"),
        ("-price,-name", "bench armchair Easel cot desk"),
        ("price,name", "cot Easel armchair bench desk"),
        ("maker", "armchair cot bench Easel desk"),
        ("-maker", "bench Easel armchair cot desk"),
        ("sold_on", "armchair bench cot desk Easel"),
        ("stock", "cot armchair bench Easel desk"),
        ("nowhere", "Easel armchair bench cot desk"),
        ("nowhere,-name", "desk cot bench armchair Easel"),
        ("weight", "Easel armchair bench cot desk"),
        ("--name", "Easel armchair bench cot desk"),
        (",", "Easel armchair bench cot desk"),
        ("name," * 30 + "-price", "Easel armchair bench cot desk"),
    ],
)
def test_rows_come_in_the_order_that_is_asked_unknown_ones_last(sort: str, expected: str, db: Session) -> None:
    assert names(load(db, f"sort={sort}")) == expected.split()


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("bench", {"bench"}),
        ("BEN", {"bench"}),
        ("anna", {"armchair", "cot"}),
        ("anna co", {"armchair", "cot"}),
        ("anna cot", {"cot"}),
        ("ABC-1", {"bench"}),
        ("%", set()),
        ("_", set()),
        ("\\", set()),
        ("'", set()),
        ("wool", set()),
        ("  ", {"armchair", "bench", "cot", "desk", "Easel"}),
        ("x" * 5000, set()),
        ("a " * 5000, {"armchair", "bench", "cot", "Easel"}),
        ("b\0ench", {"bench"}),
    ],
)
def test_every_word_must_be_in_some_searched_column(q: str, expected: set[str], db: Session) -> None:
    assert {*names(ITEMS.load(db, UrlState("/shop", [("q", q)])))} == expected


@pytest.mark.parametrize(
    ("address", "expected", "said"),
    [
        ("maker=Bert", "Easel bench", "maker is Bert"),
        ("maker=none", "desk", "maker is nobody"),
        ("maker=Nobody+else", "", "maker is Nobody else"),
        ("colour=red", "armchair cot", "colour is red"),
        ("colour=sky_blue", "bench", "colour is sky_blue"),
        ("colour=green", "", "colour is green"),
        ("colour=RED", "", "colour is RED"),
        ("colour=none", "Easel desk", "colour is —"),
        ("is_new=yes", "armchair cot", "new is yes"),
        ("is_new=no", "bench", "new is no"),
        ("is_new=none", "Easel desk", "new is —"),
        ("is_new=perhaps", "", "new is perhaps"),
        ("note.has=100%25", "armchair", "note contains 100%"),
        ("note.has=R_S", "bench", "note contains R_S"),
        ("code=none", "Easel armchair cot desk", "code is —"),
        ("code=ABC-1", "bench", "code is ABC-1"),
        ("price.from=99.5", "Easel armchair bench", "price from 99.5"),
        ("price.to=99.50", "Easel armchair cot", "price to 99.50"),
        ("price.to=1e3", "Easel armchair bench cot", "price to 1e3"),
        ("price.from=1e400", "", "price from 1e400"),
        ("stock.from=4", "Easel", "stock from 4"),
        ("stock.to=3.5", "armchair bench cot", "stock to 3.5"),
        ("stock.from=99999999999999999999999", "", "stock from 99999999999999999999999"),
        ("stock.from=-1e999", "Easel armchair bench cot", "stock from -1e999"),
        ("sold_on.from=2026-02-01", "bench cot", "sold on from 2026-02-01"),
        ("sold_on.to=2026-01-31", "armchair", "sold on to 2026-01-31"),
        ("made_at.from=2026-02-01", "bench cot", "made at from 2026-02-01"),
        ("made_at.to=2026-01-31", "armchair", "made at to 2026-01-31"),
        ("made_at.to=9999-12-31", "armchair bench cot", "made at to 9999-12-31"),
    ],
)
def test_a_filter_leaves_what_fits_and_says_so(address: str, expected: str, said: str, db: Session) -> None:
    view = load(db, address)
    assert names(view) == expected.split()
    assert [(chip.text, chip.href) for chip in view.chips] == [(said, "/shop")]
    assert (view.matching, view.total) == (len(expected.split()), 5)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("sold_on.from=soon", "sold on from soon: no date, left out"),
        ("made_at.to=2026-02-30", "made at to 2026-02-30: no date, left out"),
        ("price.from=cheap", "price from cheap: no number, left out"),
        ("price.to=nan", "price to nan: no number, left out"),
        ("stock.from=inf", "stock from inf: no number, left out"),
    ],
)
def test_a_value_that_cannot_be_read_narrows_nothing_and_says_so(address: str, said: str, db: Session) -> None:
    view = load(db, address)
    assert [(chip.text, chip.href) for chip in view.chips] == [(said, "/shop")]
    assert view.matching == view.total == 5


@pytest.mark.parametrize("address", ["maker=", "price.from=", "unknown=1", "name=bench", "weight.from=1"])
def test_what_is_no_filter_narrows_nothing(address: str, db: Session) -> None:
    view = load(db, address)
    assert (view.chips, view.matching) == ([], 5)


@pytest.mark.parametrize(
    ("address", "expected", "said"),
    [
        ("maker=*", "Easel armchair bench cot", ["maker has a value"]),
        ("price=none", "desk", ["price is —"]),
        ("price=*&price.to=1", "Easel armchair bench cot", ["price has a value", "price to 1"]),
        ("price=none&price.from=200", "bench desk", ["price is —", "price from 200"]),
        ("price=99.5", "Easel armchair", ["price is 99.5"]),
        ("price=cheap", "", ["price is cheap"]),
        ("sold_on=none", "Easel desk", ["sold on is —"]),
        ("sold_on=2026-02-01", "bench", ["sold on is 2026-02-01"]),
        ("made_at=2026-01-31", "armchair", ["made at is 2026-01-31"]),
        ("made_at=*", "armchair bench cot", ["made at has a value"]),
        ("note=none", "Easel desk", ["note is —"]),
        ("note=*", "armchair bench cot", ["note has a value"]),
        ("note=under_score&note.has=1000", "bench cot", ["note is under_score", "note contains 1000"]),
        ("is_new=yes&is_new=none", "Easel armchair cot desk", ["new is yes", "new is —"]),
        ("maker.has=ANN", "armchair cot", ["maker contains ANN"]),
    ],
)
def test_empty_present_and_equal_can_be_asked_of_every_filter(
    address: str, expected: str, said: list[str], db: Session
) -> None:
    view = load(db, address)
    assert (names(view), [chip.text for chip in view.chips]) == (expected.split(), said)


def test_any_of_several_filters_is_enough_when_asked(client: TestClient) -> None:
    page = html(client.get("/shop?maker=Bert&colour=red&match=any"))
    assert column(page) == ["Easel", "armchair", "bench", "cot"]
    assert page.all('ul[aria-label="Filters"] li')[0].text == "Any of"
    assert "checked" in page.one("form[role=search] [name=match]").node.attrs
    assert chips(page)["maker is Bert"] == {"colour": "red", "match": "any"}
    assert chips(page)["Clear all"] == {}
    assert column(html(client.get("/shop?maker=Bert&colour=red&match=any&q=e"))) == ["Easel", "bench"]


def test_a_filter_takes_many_values_and_shows_those_that_count(db: Session) -> None:
    view = load(db, "&".join(f"stock={number}" for number in range(1200)))
    assert (len(view.chips), view.chips[-1].text) == (100, "stock is 99")
    assert names(view) == ["Easel", "armchair", "bench", "cot"]


def test_values_of_one_filter_widen_and_filters_narrow(db: Session) -> None:
    assert names(load(db, "maker=Bert&maker=none")) == ["Easel", "bench", "desk"]
    assert names(load(db, "maker=Bert&maker=none&price.from=1")) == ["Easel", "bench"]
    assert names(load(db, "maker=Bert&q=eas")) == ["Easel"]


def test_a_chip_takes_off_its_own_filter_and_nothing_else(client: TestClient) -> None:
    address = "/shop?q=e&maker=Bert&maker=none&price.from=1&price.to=900&sort=-name&size=25&page=1"
    found = chips(html(client.get(address)))
    kept = {"q": "e", "maker": "none", "price.from": "1", "price.to": "900", "sort": "-name", "size": "25"}
    assert found.pop("maker is Bert") == kept
    assert found.pop("maker is nobody") == {**kept, "maker": "Bert"}
    assert found.pop("price from 1") == {k: v for k, v in kept.items() if k != "price.from"}
    assert found.pop("price to 900") == {k: v for k, v in kept.items() if k != "price.to"}
    assert found.pop("Clear all") == {"sort": "-name", "size": "25"}
    assert found == {}


def test_a_chips_link_takes_off_one_of_several_values(client: TestClient) -> None:
    page = html(client.get("/shop?maker=Bert&maker=none&colour=red"))
    link = next(one for one in page.all('[aria-label="Filters"] a') if one.text.endswith("maker is Bert"))
    assert link.attribute("href") == link.attribute("hx-get") == "/shop?maker=none&colour=red"


def test_a_heads_link_sorts_keeps_filters_and_starts_at_the_first_page(client: TestClient) -> None:
    page = html(client.get("/shop?maker=Bert&page=2&size=25&sort=price&q=e"))
    other = {"maker": "Bert", "size": "25", "q": "e"}
    assert query(page.one("#items-sort-name").attribute("href")) == {**other, "sort": "name"}
    assert query(page.one("#items-sort-price").attribute("href")) == {**other, "sort": "-price"}
    assert page.one("th[aria-sort]").attribute("aria-sort") == "ascending"
    assert page.all("#items-sort-weight") == []


@pytest.mark.parametrize(("sort", "turned"), [("", "-name"), ("name", "-name"), ("-name", "name")])
def test_a_second_click_turns_the_order(sort: str, turned: str, client: TestClient) -> None:
    head = html(client.get(f"/shop?sort={sort}")).one("#items-sort-name")
    assert query(head.attribute("href")) == {"sort": turned}


def test_the_search_form_keeps_what_it_has_no_input_for(client: TestClient) -> None:
    page = html(client.get("/shop?sort=-price&size=25&page=2&tab=old&q=a&maker=Bert"))
    form = page.one("form[role=search]")
    hidden = {one.attribute("name"): one.attribute("value") for one in form.all("input[type=hidden]")}
    assert hidden == {"sort": "-price", "size": "25", "tab": "old"}
    assert form.one("input[name=q]").attribute("value") == "a"
    assert form.one("input[name=maker][checked]").attribute("value") == "Bert"


def values(page: Html, name: str) -> list[str]:
    """What can be ticked in a filter."""
    return [box.attribute("value") for box in page.all(f'form[role=search] [type=checkbox][name="{name}"]')]


def test_the_filters_fit_the_columns(client: TestClient) -> None:
    page = html(client.get("/shop"))
    form = page.one("form[role=search]")
    assert values(page, "colour") == ["none", "*", "red", "sky_blue"]
    assert values(page, "maker") == ["none", "*", "Anna & Co", "Bert"]
    assert values(page, "is_new") == ["none", "*", "yes", "no"]
    assert values(page, "price") == ["none", "*"]
    assert form.one('[name="price.from"]').attribute("type") == "number"
    assert form.one('[name="made_at.to"]').attribute("type") == "date"
    assert form.all('[name="note.has"]')
    assert form.all('[name="weight.from"], [name="name"], [name="url"]') == []


def test_an_empty_text_is_unknown_and_no_choice(client: TestClient) -> None:
    assert values(html(client.get("/shop")), "code") == ["none", "*", "ABC-1"]


def test_what_is_chosen_stays_chosen_though_no_row_has_it(client: TestClient) -> None:
    page = html(client.get("/shop?maker=Gone&maker=none"))
    assert [box.attribute("value") for box in page.all("[name=maker][checked]")] == ["none", "Gone"]


def test_more_values_than_anybody_reads_become_a_text_to_contain(client: TestClient, sell: Sell) -> None:
    sell(*(Maker(name=f"maker {number}") for number in range(201)))
    page = html(client.get("/shop?maker.has=ERT"))
    assert values(page, "maker") == ["none", "*"]
    assert page.one('form[role=search] [name="maker.has"]').attribute("value") == "ERT"
    assert column(page) == ["Easel", "bench"]


def test_hidden_columns_are_searched_but_not_shown(client: TestClient) -> None:
    page = html(client.get("/shop?q=ABC-1"))
    assert column(page) == ["bench"]
    assert "Code" not in [head.text for head in page.all("thead th")]


def test_the_first_cell_heads_its_row_and_links_to_it(client: TestClient, sell: Sell) -> None:
    sell(Item(name="a/b ?&ü"))
    cell = html(client.get("/shop?q=a/b")).one('tbody th[scope="row"] a')
    assert cell.attribute("href") == "/shop/items/a%2Fb%20%3F%26%C3%BC"
    assert client.get("/shop/items/bench").status_code == 200


XSS = '<script>alert("x")</script>'


def test_data_never_becomes_markup(client: TestClient, sell: Sell) -> None:
    sell(Maker(id=9, name=XSS))
    sell(Item(name=XSS, maker_id=9, note=XSS, code=XSS, url=XSS))
    response = client.get("/shop", params={"q": "<script>", "maker": XSS, "sort": XSS, "note.has": XSS, XSS: XSS})
    page = html(response)
    assert column(page) == [XSS]
    assert XSS not in response.text
    assert [s for s in page.all("script") if not s.attribute("src")] == []


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)", "data:text/html,x",
     "vbscript:x", "file:///etc/passwd", "\x01javascript:alert(1)", "http://["],
)  # fmt: skip
def test_an_address_that_could_run_something_is_no_link(href: str, client: TestClient, sell: Sell) -> None:
    sell(Item(name="trap", url=href))
    cell = html(client.get("/shop?q=trap")).one("tbody td:nth-child(10)")
    assert cell.all("a") == []
    assert cell.text


@pytest.mark.parametrize(
    "href",
    ["https://x.example/a?b#c", "HTTP://x.example", "http://[::1]:80/", "mailto:a@x.example", "/shop", "?q=a:b", "#a"],
)
def test_an_honest_address_is_a_link(href: str) -> None:
    shown = Column(Item.url, show=lambda value, _: Cell("text", href=value))
    assert shown.cell(href, {}).href == href


def test_a_long_text_is_cut_in_the_middle_and_whole_on_hover(client: TestClient, sell: Sell) -> None:
    long = "begin" + "x" * 5000 + "end"
    sell(Item(name="wordy", note=long))
    cell = html(client.get("/shop?q=wordy")).one("tbody td:nth-child(11)")
    assert cell.attribute("title") == long
    assert cell.text == shorten(long)
    assert len(cell.text) < 61
    assert cell.text.startswith("begin")
    assert cell.text.endswith("end")


def test_values_read_as_people_write_them(client: TestClient, sell: Sell) -> None:
    sell(Item(name="lamp", price=Decimal("1234.5"), stock=1000, weight=0.5, sold_on=date(2026, 12, 3), is_new=False,
              made_at=datetime(2026, 12, 3, 4, 5, 6, tzinfo=UTC), colour=Colour.SKY_BLUE))  # fmt: skip
    cells = [cell.text for cell in html(client.get("/shop?q=lamp")).all("tbody tr > *")]
    assert cells == ["lamp", "nobody", "sky_blue", "1,234.50", "1,000", "0.50", "2026-12-03",
                     "2026-12-03 04:05 UTC", "no", "", "—"]  # fmt: skip


def test_numbers_stand_to_the_right(client: TestClient) -> None:
    heads = {head.text for head in html(client.get("/shop")).all("thead th.number")}
    assert heads == {"Price", "Stock", "Weight"}


@pytest.mark.parametrize(
    ("address", "page", "first", "count"),
    [
        ("", 1, 1, 50),
        ("page=2", 2, 51, 50),
        ("page=3", 3, 101, 20),
        ("page=4", 3, 101, 20),
        ("page=999999999999999999999999", 3, 101, 20),
        ("page=0", 1, 1, 50),
        ("page=-1", 1, 1, 50),
        ("page=two", 1, 1, 50),
        ("page=٢", 2, 51, 50),
        ("page=²", 1, 1, 50),
        ("size=25&page=5", 5, 101, 20),
        ("size=100&page=2", 2, 101, 20),
        ("size=250", 1, 1, 120),
        ("size=7", 1, 1, 50),
        ("size=100000000000", 1, 1, 50),
        ("page=2&q=no+such+thing", 1, 0, 0),
    ],
)
def test_a_page_is_always_one_that_there_is(
    address: str, page: int, first: int, count: int, db: Session, sell: Sell
) -> None:
    sell(*(Item(name=f"thing {number:03}") for number in range(115)))
    view = load(db, address)
    assert (view.page, len(view.rows)) == (page, count)
    assert (
        names(view)[:1] == sorted([*NAMES, *(f"thing {number:03}" for number in range(115))])[first - 1 :][:count][:1]
    )


def test_the_pager_leads_forth_and_back(client: TestClient, sell: Sell) -> None:
    sell(*(Item(name=f"thing {number:03}") for number in range(115)))
    first, second = html(client.get("/shop?q=thing")), html(client.get("/shop?q=thing&page=2"))
    assert query(first.one("#items-next").attribute("href")) == {"q": "thing", "page": "2"}
    assert query(second.one("#items-next").attribute("href")) == {"q": "thing", "page": "3"}
    assert query(second.one("#items-prev").attribute("href")) == {"q": "thing", "page": "1"}
    assert first.all("#items-prev") == []
    assert column(first)[-1] == "thing 049"
    assert column(second)[0] == "thing 050"


def test_a_size_starts_again_at_the_first_page(client: TestClient) -> None:
    link = html(client.get("/shop?page=2&q=e")).one("#items-size-100")
    assert query(link.attribute("href")) == {"q": "e", "size": "100"}


def test_the_declared_size_is_among_the_sizes(db: Session) -> None:
    view = load(db, table=Table(Item, Column(Item.name), size=2))
    assert (view.size, view.sizes[:2], len(view.rows), view.pages) == (2, [2, 25], 2, 3)


def test_the_total_stands_beside_what_matches(client: TestClient) -> None:
    assert html(client.get("/shop")).one("#items [role=status]").text == "5"
    assert html(client.get("/shop?maker=Bert")).one("#items [role=status]").text == "2 of 5"


def test_a_table_can_be_about_less(db: Session) -> None:
    view = load(db, "maker=Bert", where=[Item.stock > 1])
    assert (names(view), view.matching, view.total) == (["Easel", "bench"], 2, 3)


def test_an_empty_table_says_what_would_be_here_and_a_search_that_finds_nothing_how_to_go_on(
    client: TestClient,
) -> None:
    nothing = html(client.get("/shop?q=nothing&sort=-name"))
    assert "No row matches" in nothing.one("#items").text
    assert nothing.all("tbody") == []
    assert [a.attribute("href") for a in nothing.all("#items a.btn-primary")] == ["/shop?sort=-name"]


def test_the_address_of_a_path_with_odd_characters_is_kept() -> None:
    state = UrlState("/teams/R%26D", "q=a+b&x=1&x=2&x=")
    assert state.with_(page="2") == "/teams/R%26D?q=a+b&x=1&x=2&page=2"
    assert state.drop("x", "2") == "/teams/R%26D?q=a+b&x=1"


def test_an_expression_can_be_a_column(db: Session) -> None:
    table = Table(Item, Column(Item.name), Column(Item.stock + 1, name="ordered", filter=True), sort="-ordered")
    view = load(db, "ordered.to=4", table)
    assert [(row.cells[0].text, row.cells[1].text) for row in view.rows] == [
        ("armchair", "4"),
        ("bench", "4"),
        ("cot", "1"),
    ]


def test_a_number_can_be_searched(db: Session) -> None:
    table = Table(Item, Column(Item.name), Column(Item.stock, search=True))
    assert names(load(db, "q=12", table)) == ["Easel"]


def test_what_stands_in_a_cell_may_be_decided_by_the_row(db: Session) -> None:
    def show(value: Any, row: Any) -> Cell | str:
        return Cell(f"{row['name']}!", tone="bad", note="soon") if value else "none left"

    view = load(db, "q=", Table(Item, Column(Item.stock, show=show), Column(Item.name)))
    assert {row.cells[0].text for row in view.rows} >= {"armchair!", "none left"}


def test_a_state_is_never_colour_alone(client: TestClient) -> None:
    empty = html(client.get("/shop?q=desk")).one("tbody td:nth-child(2)")
    assert empty.text == "nobody"
    assert empty.one("svg use").attribute("href").endswith("#circle-question-mark")


def test_a_function_of_the_database_can_be_searched(db: Session) -> None:
    table = Table(Item, Column(Item.name), Column(func.upper(Item.name), name="loud", search=True, filter=True))
    assert names(load(db, "q=BENCH", table)) == names(load(db, "loud=BENCH", table)) == ["bench"]


@pytest.mark.parametrize(
    ("text", "short"), [("abc", "abc"), ("abcdefghij", "abc…hij"), ("in 37 days", "in 37 …"), ("", "")]
)
def test_a_name_is_cut_in_the_middle_and_a_sentence_at_its_end(text: str, short: str) -> None:
    assert shorten(text, 7) == short


def test_ten_thousand_rows_are_one_page_at_a_time(client: TestClient, db: Session) -> None:
    db.connection().execute(insert(Item), [{"name": f"thing {number:05}", "note": "x"} for number in range(10_000)])
    db.commit()
    page = html(client.get("/shop?q=thing+9&sort=-name&page=2"))
    assert page.one("#items [role=status]").text == "3,439 of 10,005"
    assert (column(page)[0], len(column(page))) == ("thing 09949", 50)


def test_a_tone_that_is_none_is_refused_with_the_place_that_chose_it(db: Session) -> None:
    column = Column(Item.name, show=lambda value, row: Cell(value, tone="warning"))  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match=r"test_tables\.py:\d+: there is no tone 'warning'; use good, warn"):
        column.cell("chair", {})  # type: ignore[arg-type]
