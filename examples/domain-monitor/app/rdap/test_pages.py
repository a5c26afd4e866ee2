"""The registry's part of a domain's page."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.domains import Domain
from core import Session, in_days
from core.audit import AuditEntry
from core.marks import Role
from core.testing import html

from .conftest import Registry, entry
from .models import RegistryRecord, TypedDate

DATE = {"expires_on": f"{in_days(20):%Y-%m-%d}", "reason": "invoice 4711", "owner": "Ann"}


def add(db: Session, name: str, **values: Any) -> None:
    db.add(Domain(name=name, shown_name=name, **values))
    db.commit()


def card(client: TestClient, name: str) -> str:
    return html(client.get(f"/domains/{name}")).one("#registry").text


def test_asking_now_shows_what_the_registry_says(client: TestClient, db: Session, registry: Registry) -> None:
    add(db, "acme.test", expires_at=in_days(400))
    registry.names["acme.test"] = entry("acme.test", expires=in_days(300).isoformat(), status=["client hold"])
    assert client.post("/domains/acme.test/registry").status_code == 303
    text = card(client, "acme.test")
    assert f"Act by {in_days(300):%Y-%m-%d} in 300 days" in text
    assert "Registrar and registry do not agree" in text
    assert "client hold" in text


def test_asking_now_says_what_went_wrong(client: TestClient, db: Session, registry: Registry) -> None:
    add(db, "acme.test")
    registry.status = 503
    client.post("/domains/acme.test/registry")
    assert "is busy or broken (503)" in client.get("/domains/acme.test").text


def test_a_date_can_be_typed_in_where_nobody_tells_one(client: TestClient, db: Session) -> None:
    add(db, "acme.de")
    assert "Type in the date" in card(client, "acme.de")
    client.post("/domains/acme.de/typed-date", data=DATE)
    text = card(client, "acme.de")
    assert f"Act by {DATE['expires_on']} in 20 days" in text
    assert "invoice 4711 (kept up to date by Ann)" in text
    assert "typed_date" in [row.table for row in db.exec(select(AuditEntry))]


def test_a_typed_in_date_can_be_forgotten(client: TestClient, db: Session) -> None:
    add(db, "acme.de")
    client.post("/domains/acme.de/typed-date", data=DATE)
    client.post("/domains/acme.de/typed-date/remove")
    assert db.exec(select(TypedDate)).all() == []


def test_no_date_is_asked_of_people_where_the_registrar_tells_it(client: TestClient, db: Session) -> None:
    add(db, "acme.de", expires_at=in_days(400))
    assert "Type in the date" not in card(client, "acme.de")


def test_a_date_without_its_reason_is_not_taken(client: TestClient, db: Session) -> None:
    add(db, "acme.de")
    answer = client.post("/domains/acme.de/typed-date", data={**DATE, "reason": ""})
    assert answer.status_code == 422
    assert "This is needed." in html(answer).one("#registry").text


@pytest.mark.parametrize("path", ["typed-date", "typed-date/remove", "registry"])
def test_a_viewer_changes_nothing(client_as: Callable[[Role], TestClient], db: Session, path: str) -> None:
    add(db, "acme.de")
    assert client_as("viewer").post(f"/domains/acme.de/{path}", data=DATE).status_code == 403


def test_the_deadline_is_a_column_to_pick(client: TestClient, db: Session) -> None:
    add(db, "acme.test")
    domain = db.exec(select(Domain)).one()
    late: dict[str, Any] = {"phase": "redemption", "deadline_on": in_days(12).date()}
    db.add(RegistryRecord(domain_id=domain.id or 0, state="answered", **late))
    db.commit()
    row = html(client.get("/domains?cols=shown_name,deadline")).one("#domains tbody tr").text
    assert "redemption, in 12 days" in row
    assert "redemption" not in html(client.get("/domains")).one("#domains tbody").text
