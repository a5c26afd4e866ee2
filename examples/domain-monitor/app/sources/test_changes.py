"""The page of changes."""

from collections.abc import Callable
from datetime import timedelta

from pydantic import SecretStr
from sqlmodel import select
from starlette.testclient import TestClient

from core import Session, now
from core.alerts import Message
from core.settings import Channel
from core.testing import Ran, html

from ..settings import Settings
from .changes_notice import tell
from .conftest import Registrar, entry
from .jobs import read_sources
from .models import Change, Source

RunJob = Callable[..., Ran]


def test_the_newest_change_stands_first_and_leads_to_its_name(client: TestClient, db: Session) -> None:
    db.add(Change(at=now(), source="Main", name="acme.com", what="new"))
    db.add(Change(at=now(), source="Main", name="acme.de", what="renewed", before="2027-01-31", after="2028-01-31"))
    db.commit()
    page = html(client.get("/changes"))
    assert [row.text.split()[0] for row in page.all("#changes tbody tr")] == ["acme.de", "acme.com"]
    assert page.all("#changes tbody tr a")[0].attribute("href") == "/domains/acme.de"


def test_what_one_account_lost_can_be_asked_for(client: TestClient, db: Session) -> None:
    db.add(Change(at=now(), source="Main", name="acme.com", what="missing"))
    db.add(Change(at=now(), source="Other", name="acme.de", what="missing"))
    db.commit()
    rows = html(client.get("/changes?what=missing&source=Main")).all("#changes tbody tr")
    assert [row.text.split()[0] for row in rows] == ["acme.com"]


def test_what_a_read_changed_is_one_message(
    db: Session, registrar: Registrar, account: Source, run_job: RunJob, sent: Callable[[], list[Message]]
) -> None:
    run_job(read_sources)
    registrar.domains = [entry("acme.com", expireDate="2028-05-01T10:00:00Z"), entry("acme.de", locked=False)]
    run_job(read_sources)
    run_job(read_sources)
    first, second = sent()
    assert first.title.endswith("The read found 2 new")
    assert second.title.endswith("The read found 1 unlocked, 1 renewed")
    assert second.body.splitlines()[:2] == [
        "unlocked: acme.de (Main)",
        "renewed: acme.com, 2027-05-01 → 2028-05-01 (Main)",
    ]
    assert "/changes?at.from=" in second.body


def test_a_long_message_says_how_much_more_there_is(db: Session, settings: Settings) -> None:
    settings.notify = [Channel(name="Mail", url=SecretStr("json://127.0.0.1"))]
    at = now()
    db.add_all(Change(at=at, source="Main", name=f"d{number}.com", what="new") for number in range(40))
    db.flush()
    tell(db, at, settings)
    assert "… and 10 more" in db.exec(select(Message)).one().body


def test_an_alarming_change_reaches_channels_for_critical_messages_only(db: Session, settings: Settings) -> None:
    settings.notify = [Channel(name="Pager", url=SecretStr("json://127.0.0.1"), only_critical=True)]
    before, after = now() - timedelta(hours=1), now()
    db.add(Change(at=before, source="Main", name="a.com", what="unlocked"))
    db.add(Change(at=after, source="Main", name="b.com", what="renewed"))
    db.flush()
    tell(db, after, settings)
    assert db.exec(select(Message)).all() == []
    tell(db, before, settings)
    assert "unlocked" in db.exec(select(Message)).one().title
