"""The forms of a source: what they ask, what they keep, what they never show."""

import socket
from urllib.parse import unquote

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.domains import Domain
from core import Session, now
from core.testing import html

from ..settings import Settings
from .conftest import Registrar
from .models import Listed, Source

FORM = {"name": "Main", "username": "ada", "token": "t0p-secret", "base_url": "", "is_enabled": "true"}


def test_each_kind_asks_for_its_own_fields(client: TestClient) -> None:
    page = html(client.get("/sources/new/namecheap"))
    names = [field.attribute("name") for field in page.all("#edited input:not([type=hidden])")]
    assert names == ["name", "api_user", "api_key", "username", "client_ip", "base_url", "is_enabled"]


def test_a_secret_is_stored_and_never_shown(client: TestClient, db: Session, registrar: Registrar) -> None:
    assert client.post("/sources/new/namecom", data=FORM | {"base_url": registrar.url}).status_code == 303
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


def test_a_name_of_a_deleted_source_is_no_longer_in_two_accounts(
    client: TestClient, account: Source, db: Session
) -> None:
    db.add_all([other := Source(name="Other", kind="namecom"), domain := Domain(name="a.com", shown_name="a.com")])
    db.flush()
    domain.accounts = 2
    db.add_all(Listed(domain_id=domain.id or 0, source_id=each.id or 0, seen_at=now()) for each in (account, other))
    db.commit()
    client.post(f"/sources/{account.id}/delete")
    db.refresh(domain)
    assert domain.accounts == 1


def test_credentials_are_tried_before_they_are_stored(client: TestClient, db: Session, registrar: Registrar) -> None:
    registrar.status = 401
    answer = client.post("/sources/new/namecom", data=FORM | {"base_url": registrar.url})
    assert answer.status_code == 422
    assert "Name.com: wrong key" in html(answer).one("[role=alert]").text
    assert db.exec(select(Source)).all() == []


def test_a_registrar_that_cannot_be_asked_now_does_not_keep_an_account_out(client: TestClient, db: Session) -> None:
    answer = client.post("/sources/new/namecom", data=FORM | {"base_url": "http://127.0.0.1:9"})
    assert "Main is added; it could not be tried: Name.com: unreachable" in unquote(answer.headers["set-cookie"])
    assert db.get_one(Source, 1).base_url == "http://127.0.0.1:9"


def test_an_account_that_is_not_read_is_not_tried(client: TestClient, registrar: Registrar) -> None:
    registrar.status = 401
    data = {name: value for name, value in FORM.items() if name != "is_enabled"} | {"base_url": registrar.url}
    assert client.post("/sources/new/namecom", data=data).status_code == 303


def test_a_change_that_is_not_of_the_credentials_tries_nothing(
    client: TestClient, account: Source, registrar: Registrar
) -> None:
    registrar.status = 401
    data = FORM | {"name": "Renamed", "token": "", "base_url": account.base_url}
    assert client.post(f"/sources/{account.id}", data=data).status_code == 303


def test_the_headers_of_a_json_list_are_not_sent_to_another_server(
    client: TestClient, db: Session, registrar: Registrar
) -> None:
    given = {"url": "https://assets.example/all", "headers": "X-Key: s3cret"}
    db.add(Source(name="Assets", kind="json", credentials=given, is_enabled=False))
    db.commit()
    answer = client.post("/sources/1", data={"name": "Assets", "url": "https://elsewhere.example/all", "headers": ""})
    assert "another server" in html(answer).one("#f-headers-error").text


@pytest.fixture
def internal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name leads to our own network, where nobody answers; the addresses that were connected to."""
    connected: list[str] = []

    def refuse(to: tuple[str, int], *_: object, **__: object) -> None:
        connected.append(to[0])
        raise ConnectionRefusedError("nobody listens there")

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", refuse)
    return connected


LIST = {"name": "Assets", "url": "https://assets.example/all", "is_enabled": "true"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("json", LIST, id="a list's address"),
        pytest.param("namecom", FORM | {"base_url": "https://elsewhere.example"}, id="a base URL"),
    ],
)
def test_a_server_on_our_own_network_is_not_asked(
    client: TestClient, db: Session, internal: list[str], kind: str, data: dict[str, str]
) -> None:
    answer = client.post(f"/sources/new/{kind}", data=data)
    assert answer.status_code == 422
    said = html(answer).one("[role=alert]").text
    assert "is 10.0.0.7, which is not on the open internet" in said and "SOURCES_INTERNAL=true" in said
    assert (db.exec(select(Source)).all(), internal) == ([], [])


def test_a_server_on_our_own_network_is_asked_where_that_is_wanted(
    client: TestClient, settings: Settings, internal: list[str]
) -> None:
    settings.sources_internal = True
    answer = client.post("/sources/new/json", data=LIST)
    assert "could not be tried" in unquote(answer.headers["set-cookie"])
    assert internal == ["assets.example"]  # as any name is: it may be looked up again


def test_a_registrar_is_asked_by_its_own_address_whatever_leads_there(client: TestClient, internal: list[str]) -> None:
    assert client.post("/sources/new/namecom", data=FORM).status_code == 303
    assert internal == ["api.name.com"]


def test_what_may_be_left_out_may_be_left_out(client: TestClient, db: Session) -> None:
    data = {"name": "Assets", "url": "https://assets.example/all"}
    assert client.post("/sources/new/json", data=data).status_code == 303
    assert db.get_one(Source, 1).credentials["headers"] == ""


def test_one_source_is_read_from_its_page(client: TestClient, account: Source) -> None:
    form = html(client.get(f"/sources/{account.id}")).one('form[action$="/run"]')
    sent = {one.attribute("name"): one.attribute("value") for one in form.all("input")}
    run = client.post(form.attribute("action"), data=sent).headers["location"]
    assert html(client.get(run)).one("#run-params").text == f"source {account.id}"
