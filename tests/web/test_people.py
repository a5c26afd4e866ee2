"""The pages for people: who may use the tool, one's own account, and API tokens."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from core import auth, in_days
from core.audit import AuditEntry
from core.auth import SignedIn, Token, User
from core.db import Database
from core.testing import TESTER, html
from tests.web.asking import ClientAs, column

PASSWORD = "correct horse battery"


@pytest.fixture
def ann(database: Database) -> User:
    """An operator called Ann."""
    with database.write(TESTER) as db:
        return auth.add_user(db, "Ann", "operator")


@pytest.fixture
def stored(database: Database) -> Callable[[type[Any]], list[Any]]:
    """The rows of a table by now."""

    def read(model: type[Any]) -> list[Any]:
        with database.read() as db:
            return list(db.execute(select(model)).scalars())

    return read


Stored = Callable[[type[Any]], list[Any]]


def secret_on(response: Any) -> str:
    return html(response).one("[data-secret]").text


def token_of(browser: TestClient, **typed: str) -> TestClient:
    """A program with a token that this browser's person makes."""
    secret = secret_on(browser.post("/-/tokens", data={"name": "ci", "role": "viewer", **typed}))
    headers = {"Accept": "text/html", "Authorization": f"Bearer {secret}"}
    return TestClient(browser.app, headers=headers, follow_redirects=False)


def test_only_an_admin_sees_the_people(client_as: ClientAs) -> None:
    assert client_as("operator").get("/-/people").status_code == 403
    assert column(html(client_as("admin").get("/-/people"))) == []


def test_a_person_is_added_and_comes_in_by_the_link_that_is_shown_once(
    client: TestClient, served: TestClient, stored: Stored
) -> None:
    link = secret_on(client.post("/-/people", data={"name": "Bob", "role": "operator"}))
    assert re.fullmatch(r"http://testserver/-/sign-in/\S{40,}", link)
    assert served.post(link).headers["location"] == "/"
    assert [(user.name, user.role) for user in stored(User)] == [("Bob", "operator")]
    assert column(html(client.get("/-/people"))) == ["Bob"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "Ann", "role": "viewer"}, "Ann is taken."),
        ({"name": "", "role": "viewer"}, "This is needed."),
        ({"name": "Bob", "role": "king"}, "'king' is not one of the choices."),
    ],
    ids=["taken", "no name", "no role"],
)
def test_a_person_who_cannot_be_is_refused_in_the_form(
    typed: dict[str, str], said: str, client: TestClient, ann: User
) -> None:
    response = client.post("/-/people", data=typed)
    assert response.status_code == 422
    assert said in html(response).one("form [role=alert]").text


def test_an_admin_changes_a_role_disables_and_enables(client: TestClient, ann: User, stored: Stored) -> None:
    assert client.post("/-/people/1/role", data={"role": "admin"}).headers["location"] == "/-/people/1"
    client.post("/-/people", data={"name": "Bob", "role": "admin"})
    assert client.post("/-/people/1/disable").status_code == 303
    assert sorted((user.role, user.is_active) for user in stored(User)) == [("admin", False), ("admin", True)]
    assert "Disabled" in html(client.get("/-/people/1")).one("dl").text
    assert client.post("/-/people/1/enable").status_code == 303
    assert all(user.is_active for user in stored(User))


def test_an_unknown_person_deed_or_role_is_refused(client: TestClient, ann: User) -> None:
    assert client.get("/-/people/9").status_code == client.post("/-/people/1/praise").status_code == 404
    assert client.post("/-/people/1/role", data={"role": "king"}).status_code == 422


@pytest.mark.parametrize(("deed", "typed"), [("disable", {}), ("role", {"role": "viewer"})])
def test_the_last_active_admin_stays(
    deed: str, typed: dict[str, str], client: TestClient, browser_as: ClientAs, stored: Stored
) -> None:
    browser_as("admin")
    response = client.post(f"/-/people/1/{deed}", data=typed)
    assert response.status_code == 409
    assert "is the last active admin; make somebody else admin first." in html(response).one("main").text
    assert [(user.role, user.is_active) for user in stored(User)] == [("admin", True)]


def test_signing_somebody_out_everywhere_is_in_the_audit(
    client: TestClient, browser_as: ClientAs, stored: Stored
) -> None:
    browser = browser_as("viewer")
    client.post("/-/people/1/sign-out")
    assert browser.get("/services").status_code == 303
    assert ("sign out", "core_user", "admin") in {(e.op, e.table, e.actor) for e in stored(AuditEntry)}


def test_ones_sessions_are_listed_and_another_is_ended(
    browser_as: ClientAs, database: Database, stored: Stored
) -> None:
    browser = browser_as("viewer")
    with database.write(TESTER) as db:
        agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        auth.sign_in(db, db.get_one(User, 1), days=1, address="10.0.0.7", agent=agent)
    lines = {line.text: line for line in html(browser.get("/-/account")).all("#sessions li")}
    other = next(line for text, line in lines.items() if "Firefox on Linux" in text and "10.0.0.7" in text)
    assert ["this one" in text for text in lines].count(True) == 1
    assert browser.post(other.one("form").attribute("action")).headers["location"] == "/-/account"
    assert len(stored(SignedIn)) == 1 and browser.get("/-/account").status_code == 200


def test_nobody_ends_a_session_of_somebody_else(browser_as: ClientAs, stored: Stored) -> None:
    browser_as("admin")
    (theirs,) = stored(SignedIn)
    browser_as("viewer").post(f"/-/account/sessions/{theirs.fingerprint}/end")
    assert theirs.fingerprint in {row.fingerprint for row in stored(SignedIn)}


def test_a_first_password_needs_no_other_and_keeps_this_browser_in(browser_as: ClientAs, stored: Stored) -> None:
    browser = browser_as("viewer")
    assert html(browser.get("/-/account")).all("#f-current") == []
    assert browser.post("/-/account/password", data={"password": PASSWORD}).headers["location"] == "/-/account"
    assert browser.get("/-/account").status_code == 200
    assert len(stored(SignedIn)) == 1 and stored(User)[0].password_hash.startswith("$argon2")


@pytest.mark.parametrize(
    ("current", "new", "status"),
    [
        (PASSWORD, PASSWORD + "!", 303),
        ("wrong", PASSWORD + "!", 422),
        ("", PASSWORD + "!", 422),
        (PASSWORD, "short", 422),
    ],
    ids=["right", "wrong", "none", "too short"],
)
def test_a_new_password_needs_the_current_one(
    current: str, new: str, status: int, browser_as: ClientAs, database: Database
) -> None:
    browser = browser_as("viewer")
    browser.post("/-/account/password", data={"password": PASSWORD})
    assert browser.post("/-/account/password", data={"current": current, "password": new}).status_code == status
    assert bool(auth.prove(database, TESTER, "viewer-in-a-browser", new)) is (status == 303)


def test_a_token_of_ones_own_is_shown_once_used_and_revoked(browser_as: ClientAs, stored: Stored) -> None:
    browser = browser_as("operator")
    program = token_of(browser)
    assert program.get("/services").status_code == 200
    assert stored(Token)[0].last_used_at and stored(Token)[0].user_id == 1
    page = browser.get("/-/account")
    assert "ci viewer, for everything its role may" in html(page).one("#tokens").text
    assert program.headers["authorization"][7:] not in page.text
    assert browser.post("/-/tokens/1/revoke").headers["location"] == "/-/account"
    assert (stored(Token), program.get("/services").status_code) == ([], 401)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"role": "admin"}, "'admin' is not one of the choices."),
        ({"name": ""}, "This is needed."),
    ],
    ids=["above one's role", "name"],
)
def test_a_token_that_cannot_be_is_refused_in_the_form(
    typed: dict[str, str], said: str, browser_as: ClientAs, stored: Stored
) -> None:
    response = browser_as("operator").post("/-/tokens", data={"name": "ci", "role": "viewer", **typed})
    assert response.status_code == 422
    assert said in html(response).one("form [role=alert]").text
    assert stored(Token) == []


def test_a_scope_that_is_none_is_refused(browser_as: ClientAs, stored: Stored) -> None:
    response = browser_as("operator").post("/-/tokens", data={"name": "ci", "role": "viewer", "scopes": "write"})
    assert (response.status_code, stored(Token)) == (422, [])
    assert "'write' is no scope; write read, or a path as in /domains" in html(response).one("main").text


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ("", "POST", "/shop/sell/go", 303),
        ("read", "GET", "/shop", 200),
        ("read", "HEAD", "/shop", 200),
        ("read", "POST", "/shop/sell/go", 403),
        ("/shop", "POST", "/shop/sell/go", 303),
        ("/shop/", "GET", "/shop", 200),
        ("/shop", "GET", "/services", 403),
        ("/sho", "GET", "/shop", 403),
        ("/services /shop", "GET", "/shop", 200),
        ("read /shop", "POST", "/shop/sell/go", 403),
        ("read /shop", "GET", "/services", 403),
    ],
)
def test_a_token_reaches_what_its_scopes_say(
    scopes: str, method: str, path: str, status: int, browser_as: ClientAs
) -> None:
    program = token_of(browser_as("operator"), scopes=scopes, role="operator")
    response = program.request(method, path)
    assert response.status_code == status
    assert (f"This token is only for: {', '.join(scopes.split())}." in response.text) is (status == 403)


def test_a_token_never_may_more_than_its_owner(client: TestClient, browser_as: ClientAs, database: Database) -> None:
    program = token_of(browser_as("operator"), role="operator")
    client.post("/-/people/1/role", data={"role": "viewer"})
    assert (program.get("/shop").status_code, program.post("/shop/sell/go").status_code) == (200, 403)
    client.post("/-/people/1/disable")
    assert program.get("/shop").status_code == 401


def test_what_a_token_writes_names_its_owner_whatever_it_is_called(browser_as: ClientAs, stored: Stored) -> None:
    token_of(browser_as("operator"), name="ann", role="operator").post(
        "/shop/sell/go", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert [e.actor for e in stored(AuditEntry) if e.table == "shop_item"] == ["ann of operator-in-a-browser"]


def test_a_disabled_person_gets_no_link(client: TestClient, ann: User) -> None:
    client.post("/-/people/1/disable")
    response = client.post("/-/people/1/link")
    assert (response.status_code, "Ann is disabled" in html(response).one("main").text) == (409, True)


def test_a_token_makes_no_tokens_and_has_no_account(client: TestClient) -> None:
    assert client.post("/-/tokens", data={"name": "more", "role": "viewer"}).status_code == 403
    assert client.post("/-/account/password", data={"password": PASSWORD}).status_code == 409
    assert "a token" in html(client.get("/-/account")).one("dl").text


def test_an_admin_sees_and_revokes_every_token_others_only_their_own(
    browser_as: ClientAs, client_as: ClientAs, database: Database
) -> None:
    with database.write(TESTER) as db:
        auth.make_token(db, "robot", "viewer", scopes="read", expires_at=in_days(3))
    viewer, admin = browser_as("viewer"), browser_as("admin")
    assert "robot" not in viewer.get("/-/account").text
    assert viewer.post("/-/tokens/1/revoke").status_code == 404
    assert "robot viewer, only for read of the tool" in html(admin.get("/-/account")).one("#tokens").text
    assert admin.post("/-/tokens/1/revoke").headers["location"] == "/-/account"


def test_the_menu_leads_to_ones_account(browser_as: ClientAs) -> None:
    assert len(html(browser_as("viewer").get("/services")).all('a[href="/-/account"]')) == 2


def test_what_is_made_in_the_browser_is_audited_without_its_secret(browser_as: ClientAs, database: Database) -> None:
    secret = token_of(browser_as("operator")).headers["authorization"][7:]
    with database.read() as db:
        entry = db.execute(select(AuditEntry).where(col(AuditEntry.table) == "core_token")).scalar_one()
    assert (entry.actor, entry.did, entry.op) == ("operator-in-a-browser", "Make an API token.", "create")
    assert secret not in str(entry.after)
