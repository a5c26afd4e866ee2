"""The daily read: what it adds, and what it leaves alone when a registrar says less than everything."""

import socket
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import col, select

from app.domains import Domain
from app.groups import Group, Rule, reason
from core import CoreError, Session, in_days, now
from core.testing import Ran

from .conftest import Registrar, entry
from .jobs import read_sources
from .models import Change, Listed, Source

RunJob = Callable[..., Ran]


def domains(db: Session) -> dict[str, Domain]:
    db.expire_all()
    return {domain.name: domain for domain in db.exec(select(Domain).order_by(col(Domain.name)))}


def with_acme_com(db: Session, *, complete_at: datetime | None) -> Source:
    """Another account in use, which had acme.com first and cannot be reached now."""
    credentials = {"key": "k", "secret": "s"}
    other = Source(name="Other", kind="godaddy", credentials=credentials, base_url="http://127.0.0.1:9")
    other.complete_at = complete_at
    db.add(other)
    db.flush()
    db.add(Domain(name="acme.com", shown_name="acme.com", source_id=other.id))
    db.commit()
    return other


def state_of(db: Session, source: Source) -> str:
    db.expire_all()
    state = db.get_one(Source, source.id).state
    db.rollback()
    return state


def test_a_read_adds_what_the_account_lists(db: Session, account: Source, run_job: RunJob) -> None:
    assert run_job(read_sources).failures == 0
    found = domains(db)
    assert list(found) == ["acme.com", "acme.de"]
    assert (found["acme.com"].registrar, found["acme.com"].auto_renew) == ("Name.com", True)
    assert state_of(db, account) == "complete"


def test_reading_again_changes_nothing(db: Session, account: Source, run_job: RunJob) -> None:
    run_job(read_sources)
    assert "info: Main: 0 new, 0 changed, 2 as before" in run_job(read_sources).log


def test_a_failed_read_changes_no_domain_and_says_so(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.status = 401
    ran = run_job(read_sources)
    assert ran.failures == 1
    assert any(line.startswith("error: Main: Name.com: wrong key") for line in ran.log)
    assert [domain.missing_since for domain in domains(db).values()] == [None, None]
    assert state_of(db, account) == "failed"


def test_an_incomplete_list_adds_but_misses_nobody(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.domains, registrar.total = [entry("acme.org")], 3
    run_job(read_sources)
    assert [(name, domain.missing_since) for name, domain in domains(db).items()] == [
        ("acme.com", None),
        ("acme.de", None),
        ("acme.org", None),
    ]
    assert state_of(db, account) == "incomplete"


def test_a_name_gone_from_a_complete_list_is_missing_not_deleted(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.domains.pop()
    run_job(read_sources)
    found = domains(db)
    assert found["acme.de"].missing_since is not None
    assert found["acme.com"].missing_since is None


def test_an_empty_list_of_an_account_that_had_names_is_not_believed(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.domains.clear()
    log = run_job(read_sources).log
    assert any("incomplete, 0 names listed, 2 known: not believed until" in line for line in log)
    assert [domain.missing_since for domain in domains(db).values()] == [None, None]
    assert state_of(db, account) == "incomplete"


def test_an_account_without_names_may_list_none(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    registrar.domains.clear()
    run_job(read_sources)
    assert state_of(db, account) == "complete"


def test_a_missing_name_that_is_listed_again_is_back(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    db.add(Domain(name="acme.de", shown_name="acme.de", source_id=account.id, missing_since=now()))
    db.commit()
    run_job(read_sources)
    assert domains(db)["acme.de"].missing_since is None


def test_what_the_registrar_leaves_out_stays_known(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    registrar.domains = [entry("acme.com", renewalPrice=12.5)]
    run_job(read_sources)
    registrar.domains = [{"domainName": "acme.com"}]
    run_job(read_sources)
    found = domains(db)["acme.com"]
    assert (found.renewal_price, found.currency, found.locked) == (Decimal("12.50"), "USD", True)
    assert found.expires_at is not None


def test_a_name_stays_with_the_account_that_had_it_first(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    other = with_acme_com(db, complete_at=in_days(-2))
    ran = run_job(read_sources)
    assert "warning: Main: 1 stay with the account that had them first: acme.com" in ran.log
    assert domains(db)["acme.com"].source_id == other.id


@pytest.mark.parametrize("complete_at", [in_days(-4), None], ids=["4 days ago", "never"])
def test_a_name_leaves_an_account_that_could_not_be_read_for_long(
    db: Session, account: Source, run_job: RunJob, complete_at: datetime | None
) -> None:
    with_acme_com(db, complete_at=complete_at)
    ran = run_job(read_sources)
    assert "warning: Main: 1 taken over from Other, not read to the end for 3 days: acme.com" in ran.log
    assert domains(db)["acme.com"].source_id == account.id


def test_a_disabled_source_is_left_alone(db: Session, account: Source, run_job: RunJob) -> None:
    account.is_enabled = False
    db.commit()
    run_job(read_sources)
    assert domains(db) == {}


def test_new_domains_get_their_group_at_once(db: Session, account: Source, run_job: RunJob) -> None:
    db.add(group := Group(name="Germany"))
    db.flush()
    db.add(Rule(position=1, kind="suffix", value="de", group_id=group.id or 0))
    db.commit()
    run_job(read_sources)
    found = domains(db)
    assert (reason(db, found["acme.de"]), found["acme.com"].group_id) == ("rule 1: suffix de", None)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param("failed", "Main: never read to the end, because of that", id="failed"),
        pytest.param("incomplete", "Main: never read to the end, because of that", id="incomplete"),
        pytest.param("complete", "", id="complete"),
        pytest.param("never read", "", id="new"),
    ],
)
def test_a_source_says_what_is_wrong_with_it(state: Any, expected: str) -> None:
    assert Source(name="Main", kind="namecom", state=state, notes="of that").trouble(now()) == expected


def changes(db: Session) -> list[tuple[str, str, str, str]]:
    db.expire_all()
    found: list[tuple[str, str, str, str]] = [
        (row.name, row.what, row.before, row.after) for row in db.exec(select(Change).order_by(col(Change.id)))
    ]
    db.rollback()
    return found


def test_what_a_read_finds_new_is_kept(db: Session, account: Source, run_job: RunJob) -> None:
    run_job(read_sources)
    run_job(read_sources)
    assert changes(db) == [("acme.com", "new", "", ""), ("acme.de", "new", "", "")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"expireDate": "2028-05-01T10:00:00Z"}, ("renewed", "2027-05-01", "2028-05-01"), id="renewed"),
        pytest.param(
            {"expireDate": "2026-12-01T10:00:00Z"}, ("expires earlier", "2027-05-01", "2026-12-01"), id="earlier"
        ),
        pytest.param({"autorenewEnabled": False}, ("auto-renew off", "", ""), id="auto-renew"),
        pytest.param({"locked": False}, ("unlocked", "", ""), id="lock"),
    ],
)
def test_what_changed_about_a_name_is_kept(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob, more: Any, expected: Any
) -> None:
    run_job(read_sources)
    registrar.domains[0] = entry("acme.com", **more)
    run_job(read_sources)
    assert changes(db)[2:] == [("acme.com", *expected)]


def test_an_hour_more_or_less_is_no_renewal(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.domains[0] = entry("acme.com", expireDate="2027-05-01T12:00:00Z")
    run_job(read_sources)
    assert len(changes(db)) == 2


def test_a_name_is_missing_then_retired_then_back(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    gone = registrar.domains.pop()
    run_job(read_sources)
    run_job(read_sources)
    assert "retired" not in [what for _, what, _, _ in changes(db)]
    assert "info: Main: 0 new, 0 changed, 1 as before, 1 retired" in run_job(read_sources).log
    registrar.domains.append(gone)
    run_job(read_sources)
    back = domains(db)["acme.de"]
    assert (back.missing_since, back.missing_reads, back.retired_at) == (None, 0, None)
    assert [what for _, what, _, _ in changes(db)] == ["new", "new", "missing", "retired", "back"]


def test_an_incomplete_read_brings_nobody_closer_to_retirement(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.domains.pop()
    run_job(read_sources)
    registrar.total = 9
    run_job(read_sources)
    assert domains(db)["acme.de"].missing_reads == 1


def test_a_name_that_two_accounts_list_is_known_to_be_in_both(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    credentials = {"username": "bob", "token": "t0p"}
    db.add(Source(name="Second", kind="namecom", credentials=credentials, base_url=registrar.url))
    db.commit()
    run_job(read_sources)
    assert [domain.accounts for domain in domains(db).values()] == [2, 2]
    assert {row.source_id for row in db.exec(select(Listed))} == {1, 2}


def test_a_name_that_leaves_an_account_is_in_one_again(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    db.add(other := Source(name="Other", kind="namecom", is_enabled=False))
    db.flush()
    db.add(domain := Domain(name="acme.com", shown_name="acme.com", source_id=account.id, accounts=2))
    db.flush()
    db.add(Listed(domain_id=domain.id or 0, source_id=other.id or 0, seen_at=in_days(-1)))
    db.add(Listed(domain_id=domain.id or 0, source_id=account.id or 0, seen_at=in_days(-1)))
    db.commit()
    registrar.domains.pop(0)
    run_job(read_sources)
    assert domains(db)["acme.com"].accounts == 1


def test_a_name_that_moves_says_from_where(db: Session, account: Source, run_job: RunJob) -> None:
    with_acme_com(db, complete_at=None)
    run_job(read_sources)
    assert ("acme.com", "moved", "Other", "Main") in changes(db)


def test_a_name_that_only_another_account_lists_has_moved_and_is_not_missing(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    other = Source(name="Other", kind="gandi", credentials={"token": "t"}, base_url="http://127.0.0.1:9")
    db.add(other)
    db.flush()
    id = db.exec(select(Domain.id).where(Domain.name == "acme.com")).one()
    db.add(Listed(domain_id=id or 0, source_id=other.id or 0, seen_at=now()))
    db.commit()
    registrar.domains.pop(0)
    run_job(read_sources, source=account.id)
    found = domains(db)["acme.com"]
    assert (found.source_id, found.registrar, found.missing_since) == (other.id, "Gandi", None)
    assert ("acme.com", "moved", "Main", "Other") in changes(db)


def test_a_name_that_moved_to_an_account_that_is_read_later_is_not_told_as_missing(
    db: Session, account: Source, registrar: Registrar, run_job: RunJob
) -> None:
    run_job(read_sources)
    registrar.domains.pop(0)
    run_job(read_sources, source=account.id)
    credentials = {"username": "bob", "token": "t0p"}
    db.add(second := Source(name="Second", kind="namecom", credentials=credentials, base_url=registrar.url))
    db.commit()
    registrar.domains = [entry("acme.com")]
    run_job(read_sources, source=second.id)
    assert [what for name, what, *_ in changes(db) if name == "acme.com"] == ["new", "moved"]


def test_changes_of_long_ago_are_forgotten(db: Session, account: Source, run_job: RunJob) -> None:
    db.add(Change(at=in_days(-500), source="Main", name="old.com", what="new"))
    db.commit()
    run_job(read_sources)
    assert "old.com" not in [name for name, *_ in changes(db)]


def test_one_source_may_be_read_alone(db: Session, account: Source, run_job: RunJob) -> None:
    other = with_acme_com(db, complete_at=now())
    assert run_job(read_sources, source=account.id).failures == 0
    assert (state_of(db, account), state_of(db, other)) == ("complete", "never read")


def test_a_source_that_is_not_there_cannot_be_read(account: Source, run_job: RunJob) -> None:
    with pytest.raises(CoreError, match="There is no source 99 that is enabled; look under Sources"):
        run_job(read_sources, source=99)


def test_a_source_that_leads_to_our_own_network_is_not_asked(
    db: Session, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    db.add(source := Source(name="Assets", kind="json", credentials={"url": "https://assets.example/all"}))
    db.commit()
    assert run_job(read_sources).failures == 1
    assert state_of(db, source) == "failed"
    assert "JSON list: internal (assets.example is 10.0.0.7, which" in db.get_one(Source, source.id).notes
