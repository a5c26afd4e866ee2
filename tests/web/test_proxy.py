"""A proxy in front of the tool: what it says about the caller counts, and only what it says."""

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from core import App, auth
from core.auth import User
from core.db import Database
from core.settings import Settings
from core.testing import TESTER, html
from tests.web.asking import ELSEWHERE

ANN = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "staff, sre"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The proxy is the test's client, and tells names and groups."""
    roles = {"sre": "operator", "boss": "admin"}
    told = {"proxy_user_header": "X-Forwarded-User", "proxy_groups_header": "X-Forwarded-Groups"}
    return settings.model_copy(update={"trusted_proxies": "testclient", "proxy_roles": roles, **told})


@pytest.fixture
def stranger(served: TestClient) -> TestClient:
    """Somebody who calls directly, past the proxy."""
    return TestClient(served.app, client=("10.9.9.9", 1), headers=served.headers, follow_redirects=False)


def users(database: Database) -> list[tuple[str, str, str | None]]:
    with database.read() as db:
        return [(user.name, user.role, user.issuer) for user in db.execute(select(User)).scalars()]


def test_whom_the_proxy_names_is_signed_in_with_the_role_of_the_groups(served: TestClient, database: Database) -> None:
    page = html(served.get("/-/account", headers=ANN))
    assert "ann" in page.one("dl").text and "operator" in page.one("dl").text
    assert users(database) == [("ann", "operator", "the proxy")]


def test_the_role_follows_the_groups(served: TestClient, database: Database) -> None:
    served.get("/services", headers=ANN)
    assert served.get("/-/people", headers={**ANN, "X-Forwarded-Groups": "boss"}).status_code == 200
    assert served.get("/-/people", headers=ANN).status_code == 403
    assert users(database) == [("ann", "operator", "the proxy")]


def test_who_calls_past_the_proxy_is_nobody(stranger: TestClient, database: Database) -> None:
    assert stranger.get("/services", headers=ANN).headers["location"].startswith("/-/sign-in")
    more = {**ANN, "X-Forwarded-For": "testclient", "X-Forwarded-Proto": "https"}
    assert stranger.get("/services", headers=more).status_code == 303
    assert users(database) == []


def test_the_header_means_nothing_unless_it_is_set(served: TestClient, app: App, settings: Settings) -> None:
    app.runtime.settings = settings.model_copy(update={"proxy_user_header": ""})  # type: ignore[union-attr]
    assert served.get("/services", headers=ANN).status_code == 303


@pytest.mark.parametrize("groups", ["", "staff", "SRE", "sre2"])
def test_nobody_gets_in_without_a_group_that_has_a_role(groups: str, served: TestClient, database: Database) -> None:
    response = served.get("/services", headers={**ANN, "X-Forwarded-Groups": groups})
    assert (response.status_code, users(database)) == (403, [])
    assert "None of your groups may use this tool." in html(response).one("main").text


def test_a_star_lets_everybody_in(served: TestClient, app: App, settings: Settings, database: Database) -> None:
    app.runtime.settings = settings.model_copy(update={"proxy_roles": {"*": "viewer"}})  # type: ignore[union-attr]
    assert served.get("/services", headers=ANN).status_code == 200
    assert users(database) == [("ann", "viewer", "the proxy")]


@pytest.mark.parametrize("twice", [("X-Forwarded-User", "root"), ("X-Forwarded-Groups", "boss")], ids=str)
def test_what_the_proxy_did_not_replace_is_refused(twice: tuple[str, str], served: TestClient) -> None:
    headers = [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "sre"), twice]
    assert served.get("/services", headers=headers).status_code == 400


def test_a_local_user_of_the_same_name_is_somebody_else(served: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        auth.add_user(db, "ann", "admin")
    assert served.get("/-/people", headers=ANN).status_code == 403
    assert [(name[:4], role) for name, role, _ in users(database)] == [("ann", "admin"), ("ann ", "operator")]


def test_a_disabled_user_stays_out(served: TestClient, database: Database) -> None:
    served.get("/services", headers=ANN)
    with database.write(TESTER) as db:
        auth.disable(db, db.get_one(User, 1))
    response = served.get("/services", headers=ANN)
    assert (response.status_code, "ann is disabled in this tool." in response.text) == (403, True)


def test_whom_the_proxy_knows_has_no_password_and_no_other_role_here(served: TestClient, client: TestClient) -> None:
    served.get("/services", headers=ANN)
    typed = {"password": "correct horse battery"}
    assert served.post("/-/account/password", headers=ANN, data=typed).status_code == 409
    response = client.post("/-/people/1/role", data={"role": "admin"})
    assert (response.status_code, "change the groups there" in response.text) == (409, True)


def test_another_site_cannot_write_through_the_proxy(served: TestClient) -> None:
    assert served.post("/shop/sell/go", headers={**ANN, **ELSEWHERE}).status_code == 403
    assert served.post("/shop/sell/go", headers=ANN).status_code == 303


def test_a_token_goes_before_the_proxys_name(served: TestClient) -> None:
    assert served.get("/services", headers={**ANN, "Authorization": "Bearer wrong"}).status_code == 401


def test_a_socket_knows_whom_the_proxy_names(served: TestClient) -> None:
    with served.websocket_connect("/shop/api/live", headers=ANN) as socket:
        assert socket.receive_text() == "hello"


def test_address_and_scheme_are_the_proxys_word(served: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        link = auth.make_link(db, auth.add_user(db, "Bob", "viewer"))
    told = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    cookie = served.post(link, headers={**told, "Sec-Fetch-Site": "same-origin"}).headers["set-cookie"]
    with database.read() as db:
        assert db.execute(select(auth.SignedIn.address)).scalar_one() == "203.0.113.7"
    assert "Secure" in cookie.split("; ")


def test_address_and_scheme_of_a_stranger_are_not_believed(stranger: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        link = auth.make_link(db, auth.add_user(db, "Bob", "viewer"))
    stranger.post(link, headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"})
    with database.read() as db:
        assert db.execute(select(auth.SignedIn.address)).scalar_one() == "10.9.9.9"
