"""Asking the registries: whom, when, how many, and what is left alone."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from app.domains import Domain
from app.sources import Source
from core import Session, in_days, now
from core.testing import Ran

from ..settings import Settings
from .alerts import last_chance, registry_disagrees
from .conftest import Registry, entry
from .jobs import ask_registries, fetch
from .models import RegistryRecord, RegistryServer

RunJob = Callable[[Callable[..., Any]], Ran]


def add(db: Session, name: str, **values: Any) -> Domain:
    db.add(domain := Domain(name=name, shown_name=name, **values))
    db.commit()
    return domain


def answered(db: Session, domain: Domain, asked_at: datetime, **values: Any) -> None:
    db.add(
        RegistryRecord(domain_id=domain.id or 0, state="answered", asked_at=asked_at, answered_at=asked_at, **values)
    )
    db.commit()


def records(db: Session) -> dict[str, RegistryRecord]:
    db.expire_all()
    found = db.execute(select(Domain.name, RegistryRecord).join(RegistryRecord).order_by(col(Domain.name)))
    return {name: record for name, record in found}


def iso(at: datetime) -> str:
    return at.isoformat()


def test_what_the_registry_says_is_kept_beside_what_the_registrar_says(
    db: Session, registry: Registry, run_job: RunJob
) -> None:
    domain = add(db, "acme.test", expires_at=in_days(40))
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(50)), status=["active"])
    assert run_job(ask_registries).failures == 0
    record = records(db)["acme.test"]
    assert record.expires_at is not None and record.expires_at.date() == in_days(50).date()
    assert (record.state, record.status, record.deadline_on) == ("answered", ["active"], in_days(40).date())
    assert domain.expires_at is not None and domain.expires_at.date() == in_days(40).date()


def test_a_fresh_answer_is_not_asked_for_again(db: Session, registry: Registry, run_job: RunJob) -> None:
    add(db, "acme.test")
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(400)))
    run_job(ask_registries)
    run_job(ask_registries)
    assert registry.asked == ["acme.test"]


@pytest.mark.parametrize(
    ("days_left", "asked_days_ago", "is_asked"),
    [
        pytest.param(400, 5, False, id="far away, within the week"),
        pytest.param(400, 7, True, id="far away, a week"),
        pytest.param(60, 3, True, id="coming near, three days"),
        pytest.param(60, 2, False, id="coming near, two days"),
        pytest.param(10, 1, True, id="near, a day"),
        pytest.param(-3, 1, True, id="late, a day"),
    ],
)
def test_the_nearer_the_deadline_the_more_often(
    db: Session, registry: Registry, run_job: RunJob, days_left: int, asked_days_ago: int, is_asked: bool
) -> None:
    answered(db, add(db, "acme.test"), in_days(-asked_days_ago), expires_at=in_days(days_left))
    run_job(ask_registries)
    assert bool(registry.asked) is is_asked


def test_a_new_date_of_the_registrar_is_checked_at_once(db: Session, registry: Registry, run_job: RunJob) -> None:
    domain = add(db, "acme.test", expires_at=in_days(400))
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(400)))
    run_job(ask_registries)
    domain.expires_at = in_days(765)
    db.commit()
    run_job(ask_registries)
    assert registry.asked == ["acme.test", "acme.test"]


def test_the_most_urgent_are_asked_first_and_never_too_many(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob
) -> None:
    settings.rdap_names_an_hour = 2
    add(db, "later.test", expires_at=in_days(90))
    add(db, "soon.test", expires_at=in_days(3))
    add(db, "next.test", expires_at=in_days(30))
    log = run_job(ask_registries).log
    assert registry.asked == ["soon.test", "next.test"]
    assert "info: 3 were due, 0 answered; 1 are left for the next run" in log


def test_a_suffix_without_rdap_is_no_failure(db: Session, registry: Registry, run_job: RunJob) -> None:
    add(db, "acme.de")
    ran = run_job(ask_registries)
    assert (ran.failures, registry.asked, records(db)["acme.de"].state) == (0, [], "no rdap")


def test_a_name_below_a_registered_one_is_not_asked_about(db: Session, registry: Registry, run_job: RunJob) -> None:
    add(db, "www.acme.test")
    run_job(ask_registries)
    assert registry.asked == []


def test_nobody_is_asked_about_an_account_that_is_switched_off(
    db: Session, registry: Registry, run_job: RunJob
) -> None:
    db.add(source := Source(name="Made up", kind="namecom", is_enabled=False))
    db.flush()
    add(db, "acme.test", source_id=source.id)
    run_job(ask_registries)
    assert registry.asked == []


def test_one_host_is_asked_at_one_pace_for_all_its_suffixes(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rdap.jobs.LOOPBACK", frozenset())  # as if a registry itself answered
    settings.rdap_servers, settings.rdap_pace_s = {"test": registry.url, "shop": f"{registry.url}/shop"}, 0.2
    for name in ("a.test", "b.shop", "c.test"):
        add(db, name)
    began = time.monotonic()
    run_job(ask_registries)
    assert (len(registry.asked), time.monotonic() - began > 0.4) == (3, True)


def test_a_date_of_the_registry_that_is_near_is_critical(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob
) -> None:
    add(db, "acme.test", expires_at=in_days(370))
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(5)))
    run_job(ask_registries)
    assert [finding.critical for finding in registry_disagrees(db, settings)] == [True]


def test_a_busy_registry_is_left_alone(db: Session, registry: Registry, run_job: RunJob) -> None:
    registry.status, registry.headers = 429, {"Retry-After": "7200"}
    add(db, "acme.test")
    add(db, "beta.test")
    ran = run_job(ask_registries)
    run_job(ask_registries)
    assert (ran.failures, registry.asked) == (0, ["acme.test"])
    paused = db.exec(select(RegistryServer)).one()
    assert now() + timedelta(hours=1.9) < paused.paused_until < now() + timedelta(hours=2.1)
    assert any("is busy or broken (429)" in line for line in ran.log)


def test_a_registry_that_answers_again_is_forgotten_to_have_been_busy(
    db: Session, registry: Registry, run_job: RunJob
) -> None:
    host = registry.url.split("/")[2]
    db.add(RegistryServer(host=host, failures=3, paused_until=in_days(-1)))
    add(db, "acme.test")
    registry.names["acme.test"] = entry("acme.test")
    run_job(ask_registries)
    assert db.exec(select(RegistryServer)).all() == []


def test_what_was_known_stays_when_the_registry_refuses(db: Session, registry: Registry, run_job: RunJob) -> None:
    answered(db, add(db, "acme.test"), in_days(-9), expires_at=in_days(400))
    registry.status = 400
    run_job(ask_registries)
    record = records(db)["acme.test"]
    assert (record.state, record.deadline_on) == ("refused", in_days(400).date())
    assert "refused the question (400)" in record.problem


def test_dates_that_are_apart_are_a_finding(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob
) -> None:
    add(db, "acme.test", expires_at=in_days(400))
    add(db, "beta.test", expires_at=in_days(400))
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(35)))
    registry.names["beta.test"] = entry("beta.test", expires=iso(in_days(400)))
    run_job(ask_registries)
    findings = list(registry_disagrees(db, settings))
    assert [finding.key for finding in findings] == ["acme.test"]
    assert f"the registry {in_days(35):%Y-%m-%d}" in findings[0].text


def test_a_name_that_the_registry_does_not_know_is_a_finding(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob
) -> None:
    add(db, "acme.test", expires_at=in_days(400))
    run_job(ask_registries)
    assert ["does not know the name" in finding.text for finding in registry_disagrees(db, settings)] == [True]


def test_an_unpaid_year_is_the_last_chance_not_a_disagreement(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob
) -> None:
    add(db, "acme.test", expires_at=in_days(-10))
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(355)), status=["auto renew period"])
    run_job(ask_registries)
    [finding] = last_chance(db, settings)
    assert finding.critical and finding.on == in_days(35).date()
    assert list(registry_disagrees(db, settings)) == []


def test_a_date_that_only_the_registry_tells_is_not_overlooked(
    db: Session, registry: Registry, settings: Settings, run_job: RunJob
) -> None:
    add(db, "acme.test")
    registry.names["acme.test"] = entry("acme.test", expires=iso(in_days(20)))
    run_job(ask_registries)
    assert [(finding.key, finding.critical) for finding in last_chance(db, settings)] == [("acme.test", False)]


def test_a_list_of_servers_that_is_too_short_is_refused(registry: Registry) -> None:
    registry.names["dns.json"] = {"publication": "2027-01-01", "services": []}
    with pytest.raises(Exception, match="only 0 suffixes; the list from before stays"):
        fetch("", address=registry.url.removesuffix("/rdap"))
