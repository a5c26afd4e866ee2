"""The forms of a source: what they ask, what they keep, what they never show."""

from starlette.testclient import TestClient

from app.domains import Domain
from core import Session
from core.testing import html

from .models import Source

FORM = {"name": "Main", "username": "ada", "token": "t0p-secret", "base_url": "", "is_enabled": "true"}


def test_each_kind_asks_for_its_own_fields(client: TestClient) -> None:
    page = html(client.get("/sources/new/namecheap"))
    names = [field.attribute("name") for field in page.all("#edited input:not([type=hidden])")]
    assert names == ["name", "api_user", "api_key", "username", "client_ip", "base_url", "is_enabled"]


def test_a_secret_is_stored_and_never_shown(client: TestClient, db: Session) -> None:
    assert client.post("/sources/new/namecom", data=FORM).status_code == 303
    source = db.get_one(Source, 1)
    assert source.credentials == {"username": "ada", "token": "t0p-secret"}
    assert "t0p-secret" not in client.get("/sources/1").text


def test_a_secret_left_empty_is_kept(client: TestClient, account: Source, db: Session) -> None:
    client.post(f"/sources/{account.id}", data=FORM | {"name": "Renamed", "token": "", "base_url": account.base_url})
    db.refresh(account)
    assert (account.name, account.credentials["token"]) == ("Renamed", "t0p")


def test_a_stored_secret_is_not_sent_to_another_server(client: TestClient, account: Source, db: Session) -> None:
    data = FORM | {"token": "", "base_url": "https://elsewhere.example"}
    answer = client.post(f"/sources/{account.id}", data=data)
    assert answer.status_code == 422
    assert "another server" in html(answer).one("#f-token-error").text


def test_what_is_needed_is_said_beside_its_field(client: TestClient) -> None:
    answer = client.post("/sources/new/namecom", data=FORM | {"username": ""})
    assert answer.status_code == 422
    assert html(answer).one("#f-username-error").text == "This is needed."


def test_an_unencrypted_base_url_is_refused(client: TestClient) -> None:
    answer = client.post("/sources/new/namecom", data=FORM | {"base_url": "http://elsewhere.example"})
    assert "use https" in html(answer).one("[role=alert]").text


def test_deleting_a_source_keeps_its_domains(client: TestClient, account: Source, db: Session) -> None:
    db.add(domain := Domain(name="acme.com", shown_name="acme.com", source_id=account.id))
    db.commit()
    client.post(f"/sources/{account.id}/delete")
    db.refresh(domain)
    assert domain.source_id is None
