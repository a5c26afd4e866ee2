"""The portfolio, the page of one domain, and the costs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.domains import Domain
from app.groups import Group
from app.sources import Listed, Source
from core import Session, in_days, now
from core.alerts import Found
from core.audit import AuditEntry
from core.marks import Role
from core.testing import html


@pytest.fixture
def shops(db: Session) -> Group:
    group = Group(name="Shops")
    db.add(group)
    db.flush()
    return group


def add(db: Session, name: str, **values: Any) -> None:
    db.add(Domain(name=name, shown_name=name, **values))
    db.commit()


def test_the_most_urgent_stands_first_with_its_days_in_words(client: TestClient, db: Session) -> None:
    add(db, "later.com", expires_at=in_days(60))
    add(db, "soon.com", expires_at=in_days(10))
    add(db, "unknown.ch")
    rows = [row.text for row in html(client.get("/domains")).all("#domains tbody tr")]
    assert [row.split()[0] for row in rows] == ["soon.com", "later.com", "unknown.ch"]
    assert "in 10 days" in rows[0]


@pytest.mark.parametrize(
    ("days", "tone"), [(-3, "text-error"), (29, "text-error"), (30, "text-warning"), (89, "text-warning")]
)
def test_an_expiry_has_the_colour_of_its_urgency(client: TestClient, db: Session, days: int, tone: str) -> None:
    add(db, "acme.com", expires_at=now() + timedelta(days=days))
    assert html(client.get("/domains")).all(f"#domains tbody td:nth-child(3) span.{tone}")


def test_each_number_leads_to_its_rows(client: TestClient, db: Session, shops: Group) -> None:
    add(db, "expired.com", expires_at=in_days(-1), group_id=shops.id)
    add(db, "amber.com", expires_at=in_days(89))
    add(db, "green.com", expires_at=in_days(90))
    add(db, "sold.com", expires_at=in_days(5), missing_since=now())
    links = html(client.get("/domains")).all("a.rounded-box")
    counted = {link.attribute("href"): link.text for link in links}
    shown = {href: html(client.get(href)).one("#domains [role=status]").text.split(" of ")[0] for href in counted}
    assert list(shown.values()) == ["4", "1", "2", "3", "3", "1"]
    assert all(f" {number}" in counted[href] for href, number in shown.items())


def test_a_missing_name_is_not_urgent_but_counted_apart(client: TestClient, db: Session) -> None:
    add(db, "sold.com", expires_at=in_days(5), missing_since=now())
    stats = [link.text for link in html(client.get("/domains")).all("a.rounded-box")]
    assert stats[1] == "Expire in under 30 days 0 0 expired already; missing: 1, not counted"
    assert stats[2] == "Expire in under 90 days 0 with those under 30; missing: 1, not counted"


def test_an_international_name_is_found_in_both_forms(client: TestClient, db: Session) -> None:
    db.add(Domain(name="xn--mnchen-3ya.de", shown_name="münchen.de"))
    db.commit()
    assert html(client.get("/domains?q=münchen")).one("#domains tbody tr th").text == "münchen.de"
    assert html(client.get("/domains?q=xn--mnchen")).one("#domains tbody tr th").text == "münchen.de"


def test_a_source_in_trouble_is_told_above_the_table(client: TestClient, db: Session) -> None:
    db.add(Source(name="Main", kind="namecom", state="failed", complete_at=in_days(-3), notes="the key is wrong"))
    db.commit()
    said = html(client.get("/domains")).one("[role=alert]").text
    assert said == f"Main: not read to the end since {in_days(-3):%Y-%m-%d}, because the key is wrong To the sources"


def test_a_group_can_be_chosen_by_hand_and_given_back(client: TestClient, db: Session, shops: Group) -> None:
    add(db, "acme.com")
    client.post("/domains/acme.com/group", data={"group_id": shops.id})
    assert "typed in by admin" in client.get("/domains/acme.com").text
    client.post("/domains/acme.com/group", data={"group_id": ""})
    assert "no rule fits" in client.get("/domains/acme.com").text


def test_a_viewer_may_look_but_not_choose(client_as: Callable[[Role], TestClient], db: Session) -> None:
    add(db, "acme.com")
    viewer = client_as("viewer")
    assert "Save group" not in viewer.get("/domains/acme.com").text
    assert viewer.post("/domains/acme.com/group", data={"group_id": ""}).status_code == 403


def test_only_what_somebody_has_to_find_out_is_marked_as_unknown(client: TestClient, db: Session) -> None:
    add(db, "acme.com")
    page = html(
        client.get("/domains?cols=expires_at,group,registrar,source,auto_renew,locked,renewal_price,currency,status")
    )
    assert page.one("#domains tbody tr").text == "acme.com unknown unassigned — — — — unknown — —"
    assert len(page.all("#domains tbody svg")) == 3


def test_an_unknown_domain_is_told_in_words(client: TestClient) -> None:
    answer = client.get("/domains/nowhere.com")
    assert answer.status_code == 404
    assert "no source listed it" in answer.text


def test_a_missing_domain_can_be_removed(client: TestClient, db: Session) -> None:
    db.add(source := Source(name="Main", kind="namecom"))
    db.flush()
    add(db, "sold.com", source_id=source.id, missing_since=now())
    assert html(client.get("/domains/sold.com")).one("form[action='/domains/sold.com/remove']").attribute("hx-confirm")
    assert client.post("/domains/sold.com/remove").status_code == 303
    assert client.get("/domains/sold.com").status_code == 404
    entry = db.exec(select(AuditEntry).where(AuditEntry.table == "domain", AuditEntry.op == "delete")).one()
    assert (entry.before["name"], entry.actor) == ("sold.com", "admin")


def test_a_domain_of_an_account_cannot_be_removed(client: TestClient, db: Session) -> None:
    db.add(source := Source(name="Main", kind="namecom"))
    db.flush()
    add(db, "acme.com", source_id=source.id)
    assert not html(client.get("/domains/acme.com")).all("form[action='/domains/acme.com/remove']")
    assert client.post("/domains/acme.com/remove").status_code == 409
    assert client.get("/domains/acme.com").status_code == 200


def test_many_domains_are_put_into_a_group_and_given_back(client: TestClient, db: Session, shops: Group) -> None:
    for name in ("acme.com", "acme.net", "other.com"):
        add(db, name)
    asked = html(client.post("/domains/group", data={"all": "1", "back": "/domains?q=acme"})).one("main form")
    assert "2 rows: all that match" in asked.text
    sent = {"all": "1", "back": "/domains?q=acme", "confirmed": "2"}
    assert client.post("/domains/group", data={**sent, "group_id": shops.id}).headers["location"] == "/domains?q=acme"
    assert html(client.get("/domains?group=Shops")).one("#domains [role=status]").text == "2 of 3"
    done = client.post("/domains/rules", data={"all": "1", "back": "/domains", "confirmed": "3"})
    assert "Left to the rules: 2; were already: 1" in unquote(" ".join(done.cookies.values()))
    assert html(client.get("/domains?group=Shops")).one("#domains [role=status]").text == "0 of 3"


def test_of_many_domains_only_the_unlisted_are_removed(client: TestClient, db: Session) -> None:
    db.add(source := Source(name="Main", kind="namecom"))
    db.flush()
    add(db, "acme.com", source_id=source.id)
    add(db, "sold.com", source_id=source.id, missing_since=now())
    done = client.post("/domains/remove", data={"all": "1", "back": "/domains", "confirmed": "2"})
    assert "Removed: 1; still in their account: 1" in unquote(" ".join(done.cookies.values()))
    assert [name for (name,) in db.execute(select(Domain.name))] == ["acme.com"]


def test_the_portfolio_can_be_had_as_a_file(client: TestClient, db: Session, shops: Group) -> None:
    add(db, "acme.com", expires_at=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), group_id=shops.id)
    assert client.get("/domains?cols=expires_at,group&format=csv").text.splitlines() == [
        "Name,Expires,Group",
        "acme.com,2027-01-02 03:04:05,Shops",
    ]


def test_a_viewer_may_not_remove(client_as: Callable[[Role], TestClient], db: Session) -> None:
    add(db, "sold.com", missing_since=now())
    viewer = client_as("viewer")
    assert "/remove" not in viewer.get("/domains/sold.com").text
    assert viewer.post("/domains/sold.com/remove").status_code == 403


def test_a_retired_name_is_in_no_number_and_on_a_page_of_its_own(client: TestClient, db: Session) -> None:
    add(db, "acme.com")
    add(db, "sold.com", missing_since=in_days(-9), retired_at=in_days(-2), renewal_price="4.50", currency="EUR")
    page = html(client.get("/domains"))
    assert page.one("#domains [role=status]").text == "1"
    assert page.all("a.rounded-box")[0].text == "Domains 1"
    assert page.one("a[href='/retired']").text == "Retired: 1"
    assert html(client.get("/retired")).one("#domains tbody tr th").text == "sold.com"
    assert "missing" not in html(client.get("/costs")).one("main").text.lower()


def test_a_retired_name_says_so(client: TestClient, db: Session) -> None:
    add(db, "sold.com", missing_since=in_days(-9), retired_at=in_days(-2))
    assert f"Retired on {in_days(-2):%Y-%m-%d}" in html(client.get("/domains/sold.com")).one("main").text


def test_a_name_in_two_accounts_is_shown_as_such(client: TestClient, db: Session) -> None:
    db.add_all([mine := Source(name="Mine", kind="namecom"), theirs := Source(name="Theirs", kind="namecom")])
    db.flush()
    add(db, "acme.com", source_id=mine.id, accounts=2)
    domain = db.exec(select(Domain)).one()
    for source in (mine, theirs):
        db.add(Listed(domain_id=domain.id or 0, source_id=source.id or 0, seen_at=now()))
    db.commit()
    assert html(client.get("/domains?twice=yes")).one("#domains [role=status]").text.startswith("1")
    assert "It is listed by Theirs too." in html(client.get("/domains/acme.com")).one("main").text


def test_the_home_page_shows_what_is_coming(client: TestClient, db: Session) -> None:
    add(db, "soon.com", expires_at=now())
    add(db, "sold.com", expires_at=now(), missing_since=now())
    add(db, "acme.net", expires_at=in_days(3 * 365))
    months = html(client.get("/")).all("figure[data-chart=bar] tbody tr")
    assert months[0].text == f"{now():%Y-%m} 1"
    assert len(months) == 12


def test_the_home_page_counts_the_sources_in_trouble(client: TestClient, db: Session) -> None:
    db.add(Source(name="Well", kind="namecom", state="complete", complete_at=now()))
    db.commit()
    assert html(client.get("/")).one("main a[href='/sources']").text.endswith("0 every source in use is up to date")
    db.add(Source(name="Main", kind="namecom", state="failed", notes="the key is wrong"))
    db.commit()
    assert html(client.get("/")).one("main a[href='/sources']").text == "Sources in trouble 1 Main"


def test_a_source_that_was_never_read_is_not_called_up_to_date(client: TestClient, db: Session) -> None:
    db.add(Source(name="Main", kind="namecom"))
    db.commit()
    assert html(client.get("/")).one("main a[href='/sources']").text.endswith("1 never read to the end")


def test_before_an_alert_has_looked_nothing_is_called_well(client: TestClient, db: Session) -> None:
    add(db, "late.com", expires_at=in_days(-2))
    assert (
        html(client.get("/")).one("main a[href='/-/alerts']").text == "Open findings — the alerts have not looked yet"
    )


def test_the_home_page_says_when_no_source_is_in_use(client: TestClient, db: Session) -> None:
    db.add(Source(name="Main", kind="namecom", is_enabled=False))
    db.commit()
    stat = html(client.get("/")).one("main a[href='/sources']").text
    assert stat == "Sources in trouble none in use no source is enabled, so nobody reads what changes"


def test_the_home_page_counts_what_expires_soon(client: TestClient, db: Session) -> None:
    add(db, "late.com", expires_at=in_days(-2))
    add(db, "soon.com", expires_at=in_days(20))
    add(db, "later.com", expires_at=in_days(40))
    stat = html(client.get("/")).one("main a[href^='/domains?expires_at.to=']").text
    assert stat == "Expire in under 30 days 2 1 expired already"


def test_the_home_page_counts_the_open_findings(client: TestClient, db: Session) -> None:
    add(db, "acme.com")
    seen: dict[str, Any] = {"alert": "a", "text": "ends", "opened_at": now(), "told_at": now()}
    db.add_all([Found(key="a", critical=True, **seen), Found(key="b", **seen)])
    db.add(Found(key="c", acknowledged_by="ann", **seen))
    db.commit()
    assert html(client.get("/")).one("main a[href='/-/alerts']").text == "Open findings 2 1 critical"


def test_a_typed_price_beats_the_account_until_it_is_forgotten(client: TestClient, db: Session) -> None:
    add(db, "acme.com", renewal_price="10.50", currency="EUR")
    client.post("/domains/acme.com/price", data={"price": "24", "currency": "usd", "years": "2"})
    rows = [row.text.replace("\xa0", " ") for row in html(client.get("/domains/acme.com")).all("#price tbody tr")]
    assert rows == [
        "Typed in typed in by admin 24.00 USD for 2 years 12.00 USD this one",
        "Account 10.50 EUR 10.50 EUR",
    ]
    client.post("/domains/acme.com/price/forget")
    row = html(client.get("/domains/acme.com")).one("#price tbody tr").text.replace("\xa0", " ")
    assert row == "Account 10.50 EUR 10.50 EUR this one"


def test_a_price_is_typed_in_for_picked_rows(client: TestClient, db: Session) -> None:
    add(db, "acme.com", renewal_price="10.50", currency="EUR")
    add(db, "acme.de")
    asked = {"all": "1", "back": "/domains?suffix=de", "confirmed": "1"}
    client.post("/domains/price", data={**asked, "price": "7", "currency": "EUR", "years": "1"})
    page = html(client.get("/domains?cols=renewal_price,price_from&sort=shown_name"))
    assert [row.text for row in page.all("#domains tbody tr")] == ["acme.com 10.50 account", "acme.de 7.00 typed in"]


def test_a_price_that_is_none_is_refused_on_the_page(client: TestClient, db: Session) -> None:
    add(db, "acme.com")
    answer = client.post("/domains/acme.com/price", data={"price": "7", "currency": "E1R", "years": "1"})
    assert answer.status_code == 422
    assert html(answer).one("#f-currency-error").text == "'E1R' is no currency; write its code, like EUR."


def test_the_home_page_of_an_empty_tool_says_what_to_do_and_not_that_all_is_well(client: TestClient) -> None:
    text = html(client.get("/")).one("main").text
    assert "none yet add a registrar account, or import a file" in text
    assert "worked out as soon as there are domains" in text
    assert "the alerts look as soon as there are domains" in text
    assert "up to date" not in text and "nothing is left to do by hand" not in text
