"""What is found urgent, and what is told of it."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.domains import Domain
from app.groups import Group
from app.sources import Change, Source
from core import Session, now, today
from core.alerts import Found, Message, compare
from core.testing import Ran, html

from ..settings import Settings
from .alerts import expires_soon, lapses, renewal_fails
from .alerts_risks import one_account, one_dns_provider, providers_of, unlocked
from .digest import weekly_digest

RunJob = Callable[..., Ran]
NEVER = timedelta(days=1000)


def add(db: Session, name: str, *, days: int | None = None, **values: Any) -> Domain:
    expires_at = None if days is None else datetime.combine(today() + timedelta(days=days), time(12), UTC)
    db.add(made := Domain(name=name, shown_name=name, expires_at=expires_at, **values))
    db.flush()
    return made


# The thresholds are 60, 30, 14, 7 and 1: day 61 is beyond them, 60 to 31 are within 60, 30 to 15 within 30, and so on.
@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (61, []),
        (60, ["acme.com@60"]),
        (31, ["acme.com@60"]),
        (30, ["acme.com@30"]),
        (15, ["acme.com@30"]),
        (14, ["acme.com@14"]),
        (8, ["acme.com@14"]),
        (7, ["acme.com@7"]),
        (2, ["acme.com@7"]),
        (1, ["acme.com@1"]),
        (0, ["acme.com@1"]),
        (-1, ["acme.com@expired"]),
    ],
)
def test_each_day_is_within_one_threshold(db: Session, days: int, expected: list[str]) -> None:
    add(db, "acme.com", days=days)
    assert [finding.key for finding in expires_soon(db)] == expected


def told(db: Session) -> list[str]:
    """What the alert's next look would tell."""
    found = {finding.key: finding for finding in expires_soon(db)}
    said = [f"{kind} {row.key}" for kind, row in compare(db, "expires_soon", found, remind=NEVER)]
    db.flush()
    return said


def test_each_threshold_is_told_once_even_when_runs_were_missed(db: Session) -> None:
    domain = add(db, "acme.com", days=45)
    assert told(db) == ["new acme.com@60"]
    assert told(db) == []
    domain.expires_at = now() + timedelta(days=10)  # nobody looked between 45 and 10 days
    db.flush()
    assert told(db) == ["new acme.com@14", "resolved acme.com@60"]
    assert told(db) == []


def test_a_renewed_name_is_resolved(db: Session) -> None:
    domain = add(db, "acme.com", days=5)
    told(db)
    domain.expires_at = now() + timedelta(days=370)
    db.flush()
    assert told(db) == ["resolved acme.com@7"]


def test_the_words_hold_for_the_whole_range_so_the_finding_is_not_rewritten_every_night(db: Session) -> None:
    day = today() + timedelta(days=14)
    add(db, "acme.com", days=14)
    finding = next(iter(expires_soon(db)))
    assert (finding.text, finding.on, finding.critical) == (f"expires on {day}, in 8 to 14 days", day, False)


def test_a_missing_name_is_not_urgent(db: Session) -> None:
    add(db, "sold.com", days=5, missing_since=now(), auto_renew=False, locked=False)
    assert not [*expires_soon(db), *lapses(db), *renewal_fails(db), *unlocked(db)]


@pytest.mark.parametrize(
    ("days", "auto_renew", "expected"),
    [
        (29, False, ["lapses"]),
        (30, False, []),
        (13, True, ["renewal_fails"]),
        (14, True, []),
        (13, None, []),
    ],
)
def test_near_the_end_auto_renew_is_wanted_and_expected_to_work(
    db: Session, days: int, auto_renew: bool | None, expected: list[str]
) -> None:
    add(db, "acme.com", days=days, auto_renew=auto_renew)
    assert [alert.__name__ for alert in (lapses, renewal_fails) for _ in alert(db)] == expected


def test_a_failing_renewal_names_the_account_to_look_at(db: Session) -> None:
    db.add(source := Source(name="Main", kind="namecom"))
    db.flush()
    add(db, "acme.com", days=3, auto_renew=True, source_id=source.id)
    finding = next(iter(renewal_fails(db)))
    assert finding.text.endswith("look at the payment and the messages of Main")
    assert finding.critical


def test_names_without_a_lock_are_one_finding_for_each_account(db: Session) -> None:
    db.add(source := Source(name="Main", kind="namecom"))
    db.flush()
    for name, locked in (("b.com", False), ("a.com", False), ("c.com", True), ("d.com", None)):
        add(db, name, locked=locked, source_id=source.id)
    assert [(each.key, each.text.partition(" can ")[0]) for each in unlocked(db)] == [("Main", "2")]


def test_the_finding_of_an_account_leads_to_its_unlocked_names(client: TestClient, db: Session) -> None:
    db.add(source := Source(name="Main account", kind="namecom"))
    db.flush()
    add(db, "a.com", locked=False, source_id=source.id)
    add(db, "b.com", locked=True, source_id=source.id)
    db.commit()
    href = next(iter(unlocked(db))).href
    db.rollback()
    assert html(client.get(href)).one("#domains tbody tr th").text == "a.com"


def test_an_account_that_holds_too_much_is_a_finding(db: Session, settings: Settings) -> None:
    db.add_all([mine := Source(name="Mine", kind="namecom"), other := Source(name="Other", kind="namecom")])
    db.flush()
    for number in range(10):  # 7 of 10 are 70 %, more than the 60 % that are allowed
        add(db, f"d{number}.com", source_id=(mine if number < 7 else other).id)
    assert [(each.key, each.text) for each in one_account(db, settings)] == [
        ("Mine", "holds 70 % of all names, more than 60 %")
    ]


@pytest.mark.parametrize(
    ("nameservers", "expected"),
    [
        (["ada.ns.cloudflare.com", "bob.ns.cloudflare.com."], {"cloudflare"}),
        (["ns-7.awsdns-12.co.uk", "ns-9.awsdns-40.org", "NS-1.AWSDNS-00.com"], {"awsdns"}),
        (["ns1.dnsimple.com", "ns.hosting.de"], {"dnsimple", "hosting"}),
        (["ns1.123.com"], {"123"}),
        (["localhost"], {"localhost"}),
    ],
)
def test_a_provider_is_known_through_its_many_suffixes(nameservers: list[str], expected: set[str]) -> None:
    assert providers_of(nameservers) == expected


def test_a_group_with_one_dns_provider_is_a_finding(db: Session) -> None:
    db.add_all([shops := Group(name="Shops"), press := Group(name="Press")])
    db.flush()
    for number in range(5):
        add(db, f"shop{number}.com", group_id=shops.id, nameservers=["a.ns.one.com", "b.ns.one.com"])
        add(db, f"press{number}.com", group_id=press.id, nameservers=["a.ns.one.com", "b.ns.two.com"])
    add(db, "unknown.com", group_id=shops.id)
    assert [each.key for each in one_dns_provider(db)] == ["Shops"]


def test_the_week_is_told_in_one_message(db: Session, run_job: RunJob, sent: Callable[[], list[Message]]) -> None:
    add(db, "gone.com", days=-1)
    add(db, "soon.com", days=3)  # under 7, 30 and 90 days
    add(db, "later.com", days=60, auto_renew=False)  # under 90 days only
    add(db, "sold.com", days=3, missing_since=now())
    db.add(Change(at=now(), source="Main", name="new.com", what="new"))
    db.commit()
    assert run_job(weekly_digest).log == ["info: put for 1 channels"]
    lines = sent()[0].body.splitlines()
    assert lines[0] == "3 domains: 1 expired, 1 end within 7 days, 1 within 30, 2 within 90."
    assert lines[1] == f"{today() + timedelta(days=3)} soon.com (no account), nobody says whether it renews by itself"
    assert lines[2].endswith(" later.com (no account), does not renew by itself")
    assert "Changed in 7 days: 1 new." in lines
    assert "No source is enabled." in lines


def metric(client: TestClient, name: str) -> str:
    answer = client.get("/metrics")
    return next((line.split()[-1] for line in answer.text.splitlines() if line.startswith(f"{name} ")), "")


def test_prometheus_reads_domains_by_state(client: TestClient, db: Session) -> None:
    for name, days in (("a.com", -1), ("b.com", 29), ("c.com", 30), ("d.com", 90), ("e.com", None)):
        add(db, name, days=days)
    add(db, "f.com", days=3, missing_since=now())
    add(db, "g.com", days=3, missing_since=now(), retired_at=now())
    db.commit()
    states = ["expired", "under_30_days", "under_90_days", "later", "expiry_unknown", "missing", "retired"]
    assert [metric(client, f'domains{{state="{state}"}}') for state in states] == ["1.0"] * 7


def test_prometheus_reads_the_next_expiry_and_the_age_of_each_source(client: TestClient, db: Session) -> None:
    add(db, "gone.com", days=-1)
    add(db, "soon.com", days=10)
    db.add(Source(name="Main", kind="namecom", state="complete", complete_at=now() - timedelta(hours=40)))
    db.commit()
    assert 9 < float(metric(client, "domains_next_expiry_seconds")) / 86_400 < 11
    assert round(float(metric(client, 'domains_source_age_seconds{source="Main"}')) / 3600) == 40
    assert metric(client, 'domains_source_up{source="Main"}') == "0.0"  # older than 36 hours


def test_the_metrics_are_closed_to_strangers(served: TestClient) -> None:
    assert served.get("/metrics", headers={"Accept": "text/plain"}).status_code in (303, 401)


def test_a_program_reads_one_name_and_the_list_without_those_that_are_gone(client: TestClient, db: Session) -> None:
    add(db, "acme.com", days=5)
    add(db, "sold.com", missing_since=now(), retired_at=now())
    db.commit()
    assert client.get("/api/domains/acme.com").json()["auto_renew"] is None
    assert client.get("/api/domains/nowhere.com").status_code == 404
    assert [row["shown_name"] for row in client.get("/api/domains?missing=no").json()["rows"]] == ["acme.com"]


def test_the_calendar_has_one_day_for_each_name(db: Session) -> None:
    add(db, "acme.com", days=5)
    told(db)
    assert [(row.key, row.on) for row in db.exec(select(Found))] == [("acme.com@7", today() + timedelta(days=5))]
