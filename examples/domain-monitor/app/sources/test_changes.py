"""The page of changes."""

from starlette.testclient import TestClient

from core import Session, now
from core.testing import html

from .models import Change


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
