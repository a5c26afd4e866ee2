"""Rules in their order, and the word of a person that beats them."""

from typing import Any
from urllib.parse import unquote

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.domains import Domain
from core import Session
from core.testing import html

from . import Group, Rule, assign, reason
from .assignment import renumber
from .matching import Subject, first_match
from .matching import tester as fits

SUFFIX_SHOP: dict[str, Any] = {"kind": "suffix", "value": "shop", "position": 0}
SHOP = Subject("xn--mnchen-3ya-shop.co.uk", "münchen-shop.co.uk", "GoDaddy", "Main account")


@pytest.fixture
def shops(db: Session) -> Group:
    group = Group(name="Shops")
    db.add(group)
    db.flush()
    return group


def domain(db: Session, name: str, **values: Any) -> Domain:
    made = Domain(name=name, shown_name=name, **values)
    db.add(made)
    db.flush()
    return made


def rule(db: Session, group: Group, kind: Any, value: str, position: int = 1) -> Rule:
    made = Rule(position=position, kind=kind, value=value, group_id=group.id or 0)
    db.add(made)
    db.flush()
    return made


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        pytest.param("name pattern", "*-shop.*", True, id="pattern"),
        pytest.param("name pattern", "München*", True, id="pattern in U-labels, any case"),
        pytest.param("name pattern", "*CHEN-S*", True, id="a part, in any case"),
        pytest.param("name pattern", "*", True, id="everything"),
        pytest.param("name pattern", "shop", False, id="a pattern is the whole name"),
        pytest.param("suffix", ".co.uk", True, id="suffix of two labels"),
        pytest.param("suffix", "uk", True, id="suffix without its dot"),
        pytest.param("suffix", "o.uk", False, id="a suffix is whole labels"),
        pytest.param("registrar", "godaddy", True, id="registrar"),
        pytest.param("source", "main account", True, id="source"),
        pytest.param("source", "main", False, id="a source is the whole name"),
    ],
)
def test_a_rule_fits(kind: Any, value: str, expected: bool) -> None:
    assert fits(Rule(kind=kind, value=value, group_id=1))(SHOP) is expected


def test_the_first_rule_that_fits_decides() -> None:
    rules = [Rule(kind="suffix", value=value, group_id=id) for id, value in enumerate(["de", "uk", "co.uk"])]
    assert first_match([(each, fits(each)) for each in rules], SHOP) is rules[1]


def test_a_domain_says_which_rule_put_it_there(db: Session, shops: Group) -> None:
    rule(db, shops, "suffix", "shop", position=3)
    found = domain(db, "acme.shop")
    assert assign(db) == 1
    db.refresh(found)
    assert (found.group_id, reason(db, found)) == (shops.id, "rule 3: suffix shop")


def test_assigning_again_changes_nothing(db: Session, shops: Group) -> None:
    rule(db, shops, "suffix", "shop")
    domain(db, "acme.shop")
    assert (assign(db), assign(db)) == (1, 0)


def test_a_typed_group_is_kept(db: Session, shops: Group) -> None:
    rule(db, shops, "suffix", "shop")
    found = domain(db, "acme.shop", group_is_typed=True, group_said="typed in by ada")
    assert assign(db) == 0
    db.refresh(found)
    assert (found.group_id, reason(db, found)) == (None, "typed in by ada")


def test_a_rule_added_on_its_page_is_applied_at_once(client: TestClient, db: Session, shops: Group) -> None:
    domain(db, "acme.shop")
    db.commit()
    client.post("/groups/rules", data={**SUFFIX_SHOP, "group_id": shops.id})
    page = html(client.get("/groups"))
    assert page.one("tr:has(a[href='/domains?group=Shops'])").text == "Shops — 1 1 0 1 —"


def test_moving_a_rule_up_lets_it_win(client: TestClient, db: Session, shops: Group) -> None:
    other = Group(name="Others")
    db.add(other)
    db.flush()
    rule(db, shops, "suffix", "shop", position=1)
    later = rule(db, other, "name pattern", "acme.*", position=2)
    found = domain(db, "acme.shop")
    assign(db)
    db.commit()
    client.post(f"/groups/rules/{later.id}/up")
    db.refresh(found)
    assert (found.group_id, reason(db, found)) == (other.id, "rule 1: name pattern acme.*")


def test_moving_a_rule_writes_only_what_it_wins(db: Session, shops: Group) -> None:
    rule(db, shops, "suffix", "de", position=1)
    later = rule(db, shops, "suffix", "shop", position=2)
    found = domain(db, "acme.shop")
    assign(db)
    later.position = 0
    renumber(db)
    assert assign(db) == 0
    assert reason(db, found) == "rule 1: suffix shop"


def test_a_deleted_rule_leaves_its_domains_to_the_others(client: TestClient, db: Session, shops: Group) -> None:
    first = rule(db, shops, "suffix", "shop", position=1)
    rule(db, shops, "name pattern", "acme.*", position=2)
    found = domain(db, "acme.shop")
    assign(db)
    db.commit()
    client.post(f"/groups/rules/{first.id}/delete")
    db.refresh(found)
    assert (found.group_id, reason(db, found)) == (shops.id, "rule 1: name pattern acme.*")
    page = html(client.get("/groups"))
    assert page.one("tr:has(a[href='/groups/rules/2'])").text.split()[:6] == [
        "1",
        "name",
        "pattern",
        "acme.*",
        "Shops",
        "1",
    ]


def test_unassigned_is_always_counted(client: TestClient) -> None:
    assert html(client.get("/groups")).one("tr:has(a[href='/domains?group=none'])").text == "Unassigned 0"


def test_a_rule_for_a_source_that_is_not_there_is_refused(client: TestClient, db: Session, shops: Group) -> None:
    db.commit()
    answer = client.post("/groups/rules", data={"kind": "source", "value": "Nowhere", "group_id": shops.id})
    assert answer.status_code == 422
    assert "There is no such source; there are none yet." in html(answer).one("#f-value-error").text


def test_deleting_a_group_frees_its_domains(client: TestClient, db: Session, shops: Group) -> None:
    rule(db, shops, "suffix", "shop")
    found = domain(db, "acme.shop", group_id=shops.id, group_is_typed=True, group_said="typed in by ada")
    db.commit()
    client.post(f"/groups/{shops.id}/delete")
    db.refresh(found)
    assert (found.group_id, found.group_is_typed, reason(db, found)) == (None, False, "")


def test_a_rule_shows_what_it_would_move_before_it_is_saved(client: TestClient, db: Session, shops: Group) -> None:
    found = domain(db, "acme.shop")
    domain(db, "acme.com")
    db.commit()
    form = html(client.get("/groups/rules/new")).one("input[name=_once]").attribute("value")
    page = html(client.get("/groups/rules/new", params={**SUFFIX_SHOP, "group_id": shops.id, "_once": form}))
    assert page.one("#preview tbody").text == "unassigned Shops 1 acme.shop"
    db.refresh(found)
    assert (found.group_id, db.exec(select(Rule)).all()) == (None, [])


def test_a_preview_counts_per_way_and_tells_the_first_names(client: TestClient, db: Session, shops: Group) -> None:
    old = rule(db, shops, "suffix", "shop")
    for number in range(7):
        domain(db, f"acme{number}.shop", group_id=shops.id, rule_id=old.id)
    db.commit()
    page = html(client.get(f"/groups/rules/{old.id}", params={**SUFFIX_SHOP, "value": "com", "group_id": shops.id}))
    names = ", ".join(f"acme{number}.shop" for number in range(5))
    assert page.one("#preview tbody").text == f"Shops unassigned 7 {names} and 2 more"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("registrar", "Nowhere", "No domain has the registrar Nowhere"),
        ("suffix", "jp", "No domain has the suffix jp"),
        ("name pattern", "shop-*", "No domain fits the name pattern shop-*"),
    ],
)
def test_a_preview_says_when_nothing_fits_the_rule(
    client: TestClient, db: Session, shops: Group, kind: str, value: str, expected: str
) -> None:
    domain(db, "acme.shop", registrar="North")
    db.commit()
    page = html(client.get("/groups/rules/new", params={"kind": kind, "value": value, "group_id": shops.id}))
    assert expected in page.one("#preview").text
    assert "would change its group" not in page.one("#preview").text


def test_a_saved_rule_tells_the_number_of_its_preview(client: TestClient, db: Session, shops: Group) -> None:
    old = rule(db, shops, "suffix", "shop", position=2)
    domain(db, "acme.shop", group_id=shops.id, rule_id=old.id)
    domain(db, "acme.com")
    db.commit()
    typed = {"kind": "name pattern", "value": "acme*", "group_id": shops.id, "position": "1"}
    page = html(client.get("/groups/rules/new", params=typed))
    assert "Domains that would change their group: 1" in page.one("#preview").text
    done = client.post("/groups/rules", data=typed)
    assert "domains that changed their group: 1" in unquote(" ".join(done.cookies.values()))


def test_a_preview_knows_the_place_of_the_rule(client: TestClient, db: Session, shops: Group) -> None:
    rule(db, shops, "suffix", "shop")
    db.add(other := Group(name="Others"))
    domain(db, "acme.shop")
    assign(db)
    db.commit()
    asked = {"kind": "name pattern", "value": "acme.*", "group_id": other.id}
    last, first = (html(client.get("/groups/rules/new", params={**asked, "position": at})) for at in (0, 1))
    assert "No domain would change its group" in last.one("#preview").text
    assert first.one("#preview tbody").text == "Shops Others 1 acme.shop"


def test_htmx_gets_only_the_preview(client: TestClient, db: Session, shops: Group) -> None:
    db.commit()
    asked = {"HX-Request": "true", "HX-Target": "div#preview"}
    answer = client.get("/groups/rules/new", params={**SUFFIX_SHOP, "value": ""}, headers=asked)
    assert answer.text.startswith('<div id="preview"')
    assert "Nothing to show until the form is right" in answer.text


def test_a_rule_is_saved_at_its_place(client: TestClient, db: Session, shops: Group) -> None:
    old = rule(db, shops, "suffix", "com")
    db.commit()
    client.post("/groups/rules", data={**SUFFIX_SHOP, "position": 1, "group_id": shops.id})
    db.refresh(old)
    assert old.position == 2


def test_numbers_of_a_group_count_in_those_above(client: TestClient, db: Session, shops: Group) -> None:
    db.add(inner := Group(name="Campaigns", parent_id=shops.id))
    db.flush()
    domain(db, "acme.shop", group_id=shops.id)
    domain(db, "acme-sale.shop", group_id=inner.id)
    db.commit()
    page = html(client.get("/groups"))
    assert page.one("tr:has(a[href='/domains?group=Shops&group=Campaigns'])").text == "Shops — 2 1 0 0 —"
    assert page.one("tr:has(a[href='/domains?group=Campaigns'])").text == "Shops / Campaigns — 1 1 0 0 —"


def test_a_group_is_never_inside_itself(client: TestClient, db: Session, shops: Group) -> None:
    db.add(inner := Group(name="Campaigns", parent_id=shops.id))
    db.commit()
    answer = client.post(f"/groups/{shops.id}", data={"name": "Shops", "parent_id": inner.id})
    assert answer.status_code == 422
    said = html(answer).one("#f-parent_id-error").text
    assert said == "Shops / Campaigns is inside Shops; choose a group outside of it."


def test_what_is_inside_a_deleted_group_moves_up(client: TestClient, db: Session, shops: Group) -> None:
    db.add(middle := Group(name="Campaigns", parent_id=shops.id))
    db.flush()
    db.add(inner := Group(name="Summer", parent_id=middle.id))
    db.commit()
    client.post(f"/groups/{middle.id}/delete")
    db.refresh(inner)
    assert inner.parent_id == shops.id


def test_a_group_has_an_owner_and_a_budget(client: TestClient, db: Session, shops: Group) -> None:
    db.commit()
    given = {"name": "Shops", "owner": "Ann", "owner_mail": "ann@example.com", "budget": "1200"}
    refused = client.post(f"/groups/{shops.id}", data=given)
    assert "come together" in html(refused).one("#f-budget_currency-error").text
    wrong = client.post(f"/groups/{shops.id}", data={**given, "budget_currency": "eux"})
    assert "is no currency" in html(wrong).one("#f-budget_currency-error").text
    client.post(f"/groups/{shops.id}", data={**given, "budget_currency": "eur"})
    page = html(client.get("/groups"))
    assert page.one("a[href='mailto:ann@example.com']").text == "Ann"
    assert "1,200.00 EUR" in page.one("tr:has(a[href='/domains?group=Shops'])").text.replace("\xa0", " ")
