"""Rules in their order, and the word of a person that beats them."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.domains import Domain
from core import Session
from core.testing import html

from . import Group, Rule, assign, reason
from .assignment import renumber
from .matching import Subject, first_match
from .matching import tester as fits

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
    client.post("/groups/rules", data={"kind": "suffix", "value": "shop", "group_id": shops.id})
    page = html(client.get("/groups"))
    assert page.one("tr:has(a[href='/domains?group=Shops'])").text == "Shops 1 0 1"


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
    assert html(client.get("/groups")).one("tr:has(a[href='/domains?group=none'])").text == "Unassigned 0 0"


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
