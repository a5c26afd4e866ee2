"""Which hosts are looked at and when, what is told of them, and their pages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.domains import Domain
from app.sources import Source
from core import DB, Run, Session, in_days, now
from core.marks import Role
from core.testing import Ran, html

from .alerts import certificate_ends, certificate_not_accepted
from .conftest import Authority
from .jobs import check, hosts
from .looking import Looker
from .models import Certificate, ExtraHost
from .pages import host_below

RunJob = Callable[[Callable[..., Any]], Ran]


def add(db: Session, name: str = "shop.test", **values: Any) -> int:
    db.add(domain := Domain(name=name, shown_name=name, **values))
    db.commit()
    return domain.id or 0


def seen(db: Session, id: int, host: str, state: Any = "accepted", **values: Any) -> None:
    db.add(Certificate(domain_id=id, host=host, state=state, **{"checked_at": now(), **values}))
    db.commit()


def states(db: Session) -> dict[str, str]:
    db.expire_all()
    return {row.host: row.state for row in db.exec(select(Certificate).order_by(col(Certificate.host)))}


@pytest.fixture
def look(run_job: RunJob, looker: Looker) -> Callable[[], Ran]:
    """Run the look on the machine of the tests."""

    def job(db: DB, run: Run) -> None:
        check(db, run, looker)

    return lambda: run_job(job)


def test_a_domain_has_its_own_name_www_and_what_people_add(db: Session) -> None:
    id = add(db)
    add(db, "gone.test", retired_at=now())
    db.add(ExtraHost(domain_id=id, name="mail.shop.test:8443"))
    db.commit()
    assert [host.name for host in hosts(db)] == ["shop.test", "www.shop.test", "mail.shop.test:8443"]


def test_what_hosts_show_is_kept(
    db: Session, authority: Authority, serve: Callable[[Path], int], look: Callable[[], Ran]
) -> None:
    port = serve(authority.issue(["mail.shop.test"], begins=in_days(-10), ends=in_days(80)))
    db.add(ExtraHost(domain_id=add(db), name=f"mail.shop.test:{port}"))
    db.commit()
    assert look().failures == 0
    assert states(db)[f"mail.shop.test:{port}"] == "accepted"


@pytest.mark.parametrize(
    ("known", "is_due"),
    [
        pytest.param({"not_after": in_days(60)}, False, id="fine and fresh"),
        pytest.param({"not_after": in_days(60), "checked_at": in_days(-1)}, True, id="fine, a day ago"),
        pytest.param({"not_after": in_days(10)}, True, id="ends soon"),
        pytest.param({"state": "not accepted"}, True, id="not accepted"),
        pytest.param({"state": "no listener"}, False, id="nobody there"),
    ],
)
def test_when_a_host_is_looked_at_again(db: Session, known: dict[str, Any], is_due: bool) -> None:
    seen(db, add(db), "shop.test", **known)
    assert [host.is_due(now()) for host in hosts(db)] == [is_due, True]


def test_the_hosts_of_an_account_that_is_switched_off_are_left_alone(db: Session) -> None:
    db.add(source := Source(name="Made up", kind="namecom", is_enabled=False))
    db.flush()
    add(db, source_id=source.id)
    assert [host.is_due(now()) for host in hosts(db)] == [False, False]


def test_a_host_that_is_no_longer_ours_is_forgotten(db: Session, look: Callable[[], Ran]) -> None:
    seen(db, add(db, retired_at=now()), "shop.test")
    look()
    assert states(db) == {}


def test_when_every_host_is_gone_our_own_network_is_in_doubt(db: Session, look: Callable[[], Ran]) -> None:
    id = add(db)
    for n in range(6):
        db.add(ExtraHost(domain_id=id, name=f"h{n}.shop.test:1"))
        seen(db, id, f"h{n}.shop.test:1", checked_at=in_days(-1))
    ran = look()
    assert ran.failures == 1
    assert "look at the network of this machine" in ran.log[-1]
    assert set(states(db).values()) == {"accepted"}


@pytest.mark.parametrize(
    ("days", "expected"),
    [(20, []), (13, [False]), (4, [False]), (2, [True])],
)
def test_a_certificate_that_ends_soon_is_a_finding(db: Session, days: int, expected: list[bool]) -> None:
    seen(db, add(db), "shop.test", not_after=in_days(days))
    assert [finding.critical for finding in certificate_ends(db)] == expected


def test_a_certificate_that_is_not_accepted_is_a_finding(db: Session) -> None:
    seen(db, id := add(db), "shop.test", "not accepted", problem="it is self-signed", not_after=in_days(5))
    seen(db, id, "www.shop.test", "no listener", problem="nothing listens there")
    [finding] = certificate_not_accepted(db)
    assert (finding.key, finding.text, finding.critical) == ("shop.test", "it is self-signed", False)
    assert list(certificate_ends(db)) == []


def test_a_missing_domains_certificates_are_nobodys_worry(db: Session) -> None:
    seen(db, add(db, missing_since=now()), "shop.test", not_after=in_days(1))
    assert list(certificate_ends(db)) == []


def test_the_certificates_stand_in_one_table(client: TestClient, db: Session) -> None:
    id = add(db)
    seen(db, id, "shop.test", not_after=in_days(10), issuer="Acme Trust", lifetime_days=90)
    seen(db, id, "www.shop.test", "not accepted", problem="it is self-signed", not_after=in_days(50))
    seen(db, id, "mail.shop.test", "no listener", problem="nothing listens there")
    page = html(client.get("/certificates"))
    assert [row.text.split()[0] for row in page.all("#certificates tbody tr")] == [
        "shop.test",
        "www.shop.test",
        "mail.shop.test",
    ]
    assert "in 10 days" in page.all("#certificates tbody tr")[0].text
    stats = [stat.text for stat in page.all("a.rounded-box")]
    assert stats[:2] == ["Accepted 1", "End within 14 days 1 accepted so far"]
    links = [stat.attribute("href") for stat in page.all("a.rounded-box")]
    assert [len(html(client.get(link)).all("#certificates tbody tr")) for link in links] == [1, 1, 1, 1]


def test_a_host_can_be_added_and_removed(client: TestClient, db: Session) -> None:
    seen(db, add(db), "shop.test", "not accepted", problem="it is self-signed", issuer="x", lifetime_days=9, names=[])
    client.post("/domains/shop.test/hosts", data={"name": "https://Mail.Shop.test:8443/"})
    card = html(client.get("/domains/shop.test")).one("#hosts").text
    assert "mail.shop.test:8443 not looked at yet" in card
    assert "It is self-signed." in card
    client.post("/domains/shop.test/hosts/remove", data={"host": "mail.shop.test:8443"})
    assert "mail.shop.test" not in html(client.get("/domains/shop.test")).one("#hosts").text
    assert client.post("/domains/shop.test/hosts/remove", data={"host": "shop.test"}).status_code == 409


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        pytest.param("", "This is needed.", id="nothing"),
        pytest.param("other.test", "other.test is none", id="somebody else's"),
        pytest.param("eshop.test", "eshop.test is none", id="no dot before"),
        pytest.param("mail.shop.test:no", "'no' is no port", id="no port"),
        pytest.param("mail.shop.test:0", "'0' is no port", id="port 0"),
        pytest.param("a b", "is no domain name", id="no name"),
        pytest.param("www.shop.test:443", "is looked at already", id="there already"),
    ],
)
def test_what_is_no_host_of_the_domain_is_not_taken(client: TestClient, db: Session, typed: str, why: str) -> None:
    add(db)
    answer = client.post("/domains/shop.test/hosts", data={"name": typed})
    assert answer.status_code == 422
    assert why in html(answer).one("#hosts").text
    assert db.exec(select(ExtraHost)).all() == []


def test_a_viewer_adds_no_host(client_as: Callable[[Role], TestClient], db: Session) -> None:
    add(db)
    assert client_as("viewer").post("/domains/shop.test/hosts", data={"name": "a.shop.test"}).status_code == 403


def test_an_international_host_is_kept_as_the_dns_has_it() -> None:
    assert host_below("xn--bcher-kva.test", "lädchen.bücher.test") == "xn--ldchen-bua.xn--bcher-kva.test"
