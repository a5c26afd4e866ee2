"""The work to come, with examples worked out by hand."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.certificates import Certificate
from app.domains import Domain
from app.groups import Group, Rule
from core import Session, now
from core.audit import AuditEntry
from core.marks import Role
from core.testing import html

from .models import Assumptions, AutomatedRule, AutomatedShare
from .phases import LAST, PHASES, RenewAt, phase_on
from .work import Workload, of_one_domain, per_group, together


@pytest.fixture
def shops(db: Session) -> Group:
    group = Group(name="Shops")
    db.add(group)
    db.flush()
    return group


def add(db: Session, count: int, **values: Any) -> None:
    start = len(db.exec(select(Domain)).all())
    db.add_all(Domain(name=f"d{start + n}.com", shown_name=f"d{start + n}.com", **values) for n in range(count))
    db.commit()


def first(db: Session) -> Workload:
    """The first group as it is now, with nothing held open."""
    db.rollback()
    found = per_group(db)[0]
    db.rollback()
    return found


# Two thirds of 398, 200, 100 and 47 days: 265⅓, 133⅓, 66⅔ and 31⅓ days; 365 days hold
#   365/(796/3) = 1095/796 = 1.3756,  1095/400 = 2.7375,  1095/200 = 5.475,  1095/94 = 11.6489 renewals.
# 30 days before the end: every 368, 170, 70 and 17 days: 0.9918, 2.1471, 5.2143, 21.4706 renewals.
@pytest.mark.parametrize(
    ("renew_at", "expected"),
    [
        ("at two thirds of the lifetime", [1.3756, 2.7375, 5.475, 11.6489]),
        ("30 days before the end", [0.9918, 2.1471, 5.2143, 21.4706]),
    ],
)
def test_a_certificate_is_renewed_more_and_more_often(renew_at: RenewAt, expected: list[float]) -> None:
    assert [round(float(phase.renewals(renew_at)), 4) for phase in PHASES] == expected


# One certificate, two thirds: it comes every 133⅓ days, and 133⅓ <= 200 < 266⅔, so each validation serves two
# certificates: 2.7375 / 2 = 1.36875. In 2029 it comes every 31⅓ days, later than 10, so each one is validated.
# Four certificates a domain come every 31⅓ / 4 = 7.83 days; 7.83 <= 10 < 15.67, so two share one: 4 x 11.6489 / 2.
@pytest.mark.parametrize(
    ("phase", "certificates", "expected"),
    [
        pytest.param(PHASES[1], 1, 1.369, id="200 days: every other one"),
        pytest.param(LAST, 1, 11.649, id="2029: each one"),
        pytest.param(LAST, 4, 23.298, id="2029: two certificates share one"),
        pytest.param(LAST, 0, 0, id="nothing issued, nothing to prove"),
    ],
)
def test_a_validation_serves_what_is_issued_while_it_holds(phase: Any, certificates: int, expected: float) -> None:
    issued = certificates * phase.renewals("at two thirds of the lifetime")
    assert round(float(phase.validations(issued)), 3) == expected


def test_a_validation_that_is_used_on_its_last_day_still_counts() -> None:
    # Three certificates at 100 days, two thirds: one every 22 2/9 days. 100 / 22 2/9 = 4.5, so five share one.
    # With exactly 100 days between two of them, the second still counts: 365/100 a year makes pairs, 3.65 / 2.
    assert PHASES[2].validations(Fraction(365, 100)) == Fraction(365, 200)


@pytest.mark.parametrize(
    ("day", "lifetime"),
    [
        (date(2019, 1, 1), 398),
        (date(2026, 3, 14), 398),
        (date(2026, 3, 15), 200),
        (date(2027, 3, 15), 100),
        (date(2029, 3, 14), 100),
        (date(2029, 3, 15), 47),
    ],
)
def test_the_limits_change_on_their_day(day: date, lifetime: int) -> None:
    assert phase_on(day).lifetime_days == lifetime


def test_a_year_of_handwork_is_minutes_times_renewals() -> None:
    # 2029: 11.6489 certificates x 30 min + 11.6489 validations x 10 min = 465.957 min = 7.76596 h, at 60: 465.957.
    one = of_one_domain(LAST, Assumptions())
    assert (round(float(one.hours), 3), round(float(one.cost), 2)) == (7.766, 465.96)


def test_half_a_certificate_per_domain_is_half_the_work() -> None:
    half = of_one_domain(LAST, Assumptions(certificates_per_domain=Decimal("0.5")))
    assert 2 * half.hours == of_one_domain(LAST, Assumptions()).hours


def test_the_estimate_fills_in_where_nobody_said_more() -> None:
    # 4 said to be automated, 2 said to be by hand, 10 not spoken of with 70 % automated: 2 + 3 by hand of 16.
    group = Workload(1, "Shops", automated=Fraction(4), manual=Fraction(2), unsaid=10, percent=Fraction(70))
    assert (group.by_hand, group.percent_automated) == (Fraction(5), Fraction(1100, 16))


def test_all_groups_together_have_the_sum_of_the_work() -> None:
    groups = [Workload(1, "A", manual=Fraction(3)), Workload(2, "B", unsaid=10, percent=Fraction(50))]
    each = [group.in_phase(LAST, Assumptions()) for group in groups]
    assert together(groups).in_phase(LAST, Assumptions()).cost == each[0].cost + each[1].cost


def test_an_estimate_of_several_groups_leaves_the_same_handwork() -> None:
    # 2 said to be by hand, of 10 half and of 30 a third: 2 + 5 + 20 by hand; of the 40 not spoken of 25, so 37.5 %.
    groups = [
        Workload(1, "A", manual=Fraction(2), unsaid=10, percent=Fraction(50)),
        Workload(2, "B", unsaid=30, percent=Fraction(100, 3)),
    ]
    whole = together(groups)
    assert [whole.by_hand, whole.manual, whole.unsaid, whole.percent] == [27, 2, 40, Fraction(75, 2)]


def test_a_word_about_a_domain_beats_its_rule_and_that_the_estimate(db: Session, shops: Group) -> None:
    db.add(rule := Rule(position=1, kind="suffix", value="com", group_id=shops.id or 0))
    db.flush()
    db.add_all(
        [AutomatedRule(rule_id=rule.id or 0, automated=True), AutomatedShare(group_id=shops.id or 0, percent=50)]
    )
    add(db, 3, group_id=shops.id, rule_id=rule.id)
    add(db, 1, group_id=shops.id, rule_id=rule.id, certificates_automated=False)
    add(db, 2, group_id=shops.id)
    add(db, 5, group_id=shops.id, missing_since=now())
    group = per_group(db)[0]
    assert [group.automated, group.manual, group.unsaid, group.by_hand] == [3, 1, 2, 2]


def test_the_page_says_what_each_group_costs_in_2029(client: TestClient, db: Session, shops: Group) -> None:
    add(db, 10, group_id=shops.id)  # by hand: 10 x 7.76596 h = 77.7 h; at 60 an hour: 4,660
    row = html(client.get("/automation")).one("main tbody tr:has(a[href^='/domains?group=Shops'])")
    assert "77.7 4,660 0 0 10 0" in row.text


@pytest.fixture
def unit(db: Session, shops: Group) -> Group:
    """Retail, in which the shops are one of two purposes."""
    db.add(unit := Group(name="Retail"))
    db.flush()
    db.add(press := Group(name="Press", parent_id=unit.id))
    shops.parent_id = unit.id
    db.flush()
    db.add(AutomatedShare(group_id=press.id or 0, percent=50))
    add(db, 10, group_id=shops.id)
    add(db, 4, group_id=press.id)
    add(db, 1, group_id=unit.id)
    return unit


def test_a_unit_has_the_work_of_its_purposes(client: TestClient, unit: Group) -> None:
    # 10 + 4 / 2 + 1 = 13 by hand: 13 x 7.76596 h = 101.0 h, at 60 an hour 6,057; Press 15.5 h, Shops 77.7 h.
    rows = [row.text for row in html(client.get("/automation")).all("[aria-label='Work per group'] tbody tr")]
    assert [row.split(" ")[0] for row in rows] == ["Retail", "Retail", "Retail"]
    assert rows[0].endswith("101.0 6,057 0 0 15 0")
    assert rows[1].startswith("Retail / Press 4") and rows[1].endswith("15.5 932 0 0 4 50")
    assert rows[2].startswith("Retail / Shops 10") and rows[2].endswith("77.7 4,660 0 0 10 0")


def test_a_unit_leads_to_the_domains_of_its_purposes(client: TestClient, unit: Group) -> None:
    link = html(client.get("/automation")).all("[aria-label='Work per group'] tbody td a")[0]
    assert link.text == "15"
    assert html(client.get(link.attribute("href"))).one("#domains").text.count(".com") == 15


def test_the_handwork_is_drawn_once_by_unit(client: TestClient, unit: Group) -> None:
    heads = html(client.get("/automation")).all("figure[data-chart=stacked] thead th")
    assert [head.text for head in heads] == ["Retail"]


def test_the_report_tells_units_with_what_is_inside_them(client: TestClient, unit: Group) -> None:
    rows = [row.text for row in html(client.get("/automation/report")).all("[aria-label='By group'] tbody tr")]
    assert rows == ["Retail 15 13 101 6,057"]


def test_the_page_says_that_registrations_do_not_shrink(client: TestClient, db: Session, shops: Group) -> None:
    add(db, 1, group_id=shops.id)
    assert "Registrations do not shrink" in html(client.get("/automation")).one("main").text


def test_without_domains_the_page_says_what_would_be_there(client: TestClient) -> None:
    assert "No domains yet" in html(client.get("/automation")).one("main").text
    assert "No domains yet" in html(client.get("/automation/report")).one("main").text


def test_the_report_says_it_in_three_sentences(client: TestClient, db: Session, shops: Group) -> None:
    # 10 domains, 5 of them by hand. 2029: 10 x 11.6489 = 116 certificates; 5 x 7.76596 = 39 h; x 60 = 2,330.
    db.add(AutomatedShare(group_id=shops.id or 0, percent=50))
    add(db, 10, group_id=shops.id)
    sentences = [sentence.text for sentence in html(client.get("/automation/report")).all("#words p")]
    assert "our 10 domains need" in sentences[0] and "116 under the 47 days" in sentences[0]
    assert sentences[1].startswith("The certificates of 5 domains are renewed by hand")
    assert sentences[1].endswith("a year today and 39 hours (2,330 EUR) then, if nothing is done.")
    assert sentences[2] == "The largest part is Shops with 39 hours (2,330 EUR) a year, so automation pays there first."


def test_the_report_of_an_automated_portfolio_asks_for_nothing(client: TestClient, db: Session, shops: Group) -> None:
    add(db, 2, group_id=shops.id, certificates_automated=True)
    sentences = [sentence.text for sentence in html(client.get("/automation/report")).all("#words p")]
    assert sentences[1:] == [
        "All domains renew theirs by themselves, so the shorter lifetimes cost no handwork.",
        "What remains is to keep the automation watched.",
    ]


def test_changed_assumptions_are_kept_and_audited(client: TestClient, db: Session, shops: Group) -> None:
    add(db, 10, group_id=shops.id)
    sent = {
        "certificates_per_domain": "1", "renew_at": "at two thirds of the lifetime", "minutes_per_certificate": "60",
        "minutes_per_validation": "0", "hourly_rate": "100", "currency": "CHF",
    }  # fmt: skip
    assert client.post("/automation/assumptions", data=sent).status_code == 303
    # 10 x 11.6489 certificates x 1 h = 116.5 h, at 100: 11,649.
    row = html(client.get("/automation")).one("main tbody tr:has(a[href^='/domains?group=Shops'])")
    assert "116.5 11,649 0 0 10 0" in row.text
    entry = db.exec(select(AuditEntry).where(AuditEntry.table == "assumptions")).one()
    assert (entry.actor, entry.after["currency"]) == ("admin", "CHF")


def test_what_the_hosts_show_stands_beside_what_is_assumed(client: TestClient, db: Session) -> None:
    add(db, 2)
    seen = {"state": "accepted", "checked_at": now(), "not_after": now(), "issuer": "Acme CA"}
    for host, id in [("d0.com", 1), ("www.d0.com", 1), ("d1.com", 2)]:
        db.add(Certificate.model_validate({"host": host, "domain_id": id, **seen}))
    db.add(Certificate(host="www.d1.com", domain_id=2, state="no listener", checked_at=now()))
    db.commit()
    for path in ("/automation", "/automation/assumptions"):
        assert "show 2 certificates on 2 domains, 1.00 a domain." in html(client.get(path)).one("main").text


def test_before_any_host_is_looked_at_nothing_is_said_to_be_seen(client: TestClient, db: Session) -> None:
    add(db, 1)
    text = html(client.get("/automation")).one("main").text
    assert "1 a domain is assumed" in text
    assert "No host was looked at yet" in text and "seen" not in text


def test_impossible_assumptions_are_refused_in_words(client: TestClient) -> None:
    answer = client.post("/automation/assumptions", data={"hourly_rate": "-1", "currency": "euros"})
    assert answer.status_code == 422
    assert len(html(answer).all("[role=alert] li")) == 2


def test_the_estimate_of_a_group_is_typed_in(client: TestClient, db: Session, shops: Group) -> None:
    add(db, 10, group_id=shops.id)
    client.post(f"/automation/groups/{shops.id}", data={"percent": "80"})
    assert client.post(f"/automation/groups/{shops.id}", data={"percent": "101"}).status_code == 422
    assert first(db).by_hand == 2


def test_a_rule_says_it_for_all_it_places(client: TestClient, db: Session, shops: Group) -> None:
    db.add(Rule(id=7, position=1, kind="suffix", value="com", group_id=shops.id or 0))
    db.flush()
    add(db, 4, group_id=shops.id, rule_id=7)
    client.post("/automation/rules/7", data={"said": "automated"})
    assert first(db).automated == 4
    client.post("/automation/rules/7", data={"said": "by hand"})
    assert first(db).manual == 4
    client.post("/automation/rules/7", data={"said": ""})
    assert first(db).unsaid == 4
    assert client.post("/automation/rules/7", data={"said": "perhaps"}).status_code == 404


def test_picked_domains_are_said_to_be_automated(client: TestClient, db: Session, shops: Group) -> None:
    add(db, 3, group_id=shops.id)
    sent = {"all": "1", "back": "/domains", "confirmed": "3", "certificates_automated": "True"}
    assert client.post("/domains/automation", data=sent).status_code == 303
    assert first(db).automated == 3
    client.post("/domains/automation", data={**sent, "certificates_automated": ""})
    assert first(db).unsaid == 3


def test_a_viewer_reads_the_numbers_and_changes_none(client_as: Callable[[Role], TestClient], db: Session) -> None:
    viewer = client_as("viewer")
    assert viewer.get("/automation/report").status_code == 200
    assert viewer.post("/automation/assumptions", data={}).status_code == 403
