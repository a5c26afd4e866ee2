"""Signing in and out: links, passwords, cookies, and sessions that end."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete
from sqlmodel import select
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from core import Session, auth, now, security
from core.auth import SignedIn, SignInLink
from core.db import Database
from core.settings import Settings
from core.testing import TESTER, html
from tests.core.samples import full_disk
from tests.web.asking import ELSEWHERE, ClientAs

PASSWORD = "correct horse battery"


@pytest.fixture
def link(database: Database) -> str:
    """A sign-in link of an operator called Ann, who has a password too."""
    with database.write(TESTER) as db:
        user = auth.add_user(db, "Ann", "operator")
        auth.set_password(db, user, PASSWORD)
        return auth.make_link(db, user)


def test_opening_a_link_burns_nothing(link: str, served: TestClient) -> None:
    pages = [html(served.get(link)) for _ in range(2)]
    assert [page.one("h1").text for page in pages] == ["Sign in as Ann"] * 2
    assert pages[1].one("form[method=post]").attribute("action") == link
    assert not served.cookies


def test_the_button_behind_a_link_signs_in(link: str, served: TestClient) -> None:
    assert served.post(link).headers["location"] == "/"
    assert served.get("/services").status_code == 200


def test_a_link_works_once(link: str, served: TestClient) -> None:
    served.post(link)
    served.cookies.clear()
    assert served.post(link).status_code == served.get(link).status_code == 410
    assert not served.cookies
    assert "python -m core users link" in served.get(link).text


def test_a_link_grows_old(link: str, served: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        db.get(SignInLink, auth.fingerprint(link.rpartition("/")[2])).expires_at = now() - timedelta(seconds=1)
    assert served.get(link).status_code == served.post(link).status_code == 410


def test_a_password_signs_in_and_leads_back(link: str, served: TestClient) -> None:
    typed = {"name": "Ann", "password": PASSWORD, "next": "/services?q=a"}
    assert served.post("/-/sign-in", data=typed).headers["location"] == "/services?q=a"
    assert html(served.get("/services")).one("aside, header").text.count("Ann") == 2


@pytest.mark.parametrize("typed", [{"name": "Ann", "password": "wrong"}, {"name": "Nobody", "password": PASSWORD}, {}])
def test_a_wrong_name_and_a_wrong_password_read_the_same(typed: dict[str, str], link: str, served: TestClient) -> None:
    response = served.post("/-/sign-in", data=typed)
    assert response.status_code == 422
    assert "That name and password do not fit." in html(response).one("[role=alert]").text
    assert html(response).one("#f-name").attribute("value") == typed.get("name", "")
    assert typed.get("password", "nothing") not in response.text
    assert not served.cookies


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"])
def test_signing_in_leads_nowhere_else(target: str, link: str, served: TestClient) -> None:
    typed = {"name": "Ann", "password": PASSWORD, "next": target}
    assert served.post("/-/sign-in", data=typed).headers["location"] == "/"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(link: str, served: TestClient) -> None:
    cookie = served.post(link).headers["set-cookie"]
    assert cookie.startswith("test-tool-session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={14 * 86400}"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "Domain" not in cookie


def test_the_session_cookie_is_secure_under_https(link: str, served: TestClient) -> None:
    served.base_url = "https://testserver"
    assert "Secure" in served.post(link).headers["set-cookie"].split("; ")


def test_the_database_does_not_hold_what_the_cookie_says(link: str, served: TestClient, database: Database) -> None:
    served.post(link)
    secret = served.cookies["test-tool-session"]
    with database.read() as db:
        assert [row.fingerprint for row in db.exec(select(SignedIn)).all()] == [auth.fingerprint(secret)]
    assert auth.fingerprint(secret) != secret


def test_signing_out_ends_the_session_for_good(link: str, served: TestClient) -> None:
    served.post(link)
    secret = served.cookies["test-tool-session"]
    assert served.post("/-/sign-out").headers["location"] == "/-/sign-in"
    served.cookies.set("test-tool-session", secret)
    assert served.get("/services").status_code == 303


def test_an_expired_session_is_signed_out(browser_as: ClientAs, database: Database) -> None:
    browser = browser_as("viewer")
    with database.write(TESTER) as db:
        db.get(SignedIn, auth.fingerprint(browser.cookies["test-tool-session"])).expires_at = now()
    assert browser.get("/services").headers["location"] == "/-/sign-in?next=/services"


def test_a_disabled_person_is_signed_out(browser_as: ClientAs, database: Database) -> None:
    browser = browser_as("viewer")
    with database.write(TESTER) as db:
        auth.disable(db, auth.find_user(db, "viewer-in-a-browser"))
    assert browser.get("/services").status_code == 303


def test_a_new_role_counts_at_once(browser_as: ClientAs, database: Database) -> None:
    browser = browser_as("viewer")
    with database.write(TESTER) as db:
        auth.change_role(db, auth.find_user(db, "viewer-in-a-browser"), "admin")
    assert browser.get("/shop/office").status_code == 200


@pytest.mark.parametrize("cookie", ["", "wrong", '"', "x" * 5000, "a;b"])
def test_a_made_up_cookie_is_nobody(cookie: str, served: TestClient) -> None:
    assert served.get("/services", headers={"Cookie": f"test-tool-session={cookie}"}).status_code == 303


def test_a_session_that_is_used_lasts_longer(browser_as: ClientAs, database: Database, settings: Settings) -> None:
    browser = browser_as("viewer")
    key = auth.fingerprint(browser.cookies[security.cookie_name(settings)])
    with database.write(TESTER) as db:
        db.get(SignedIn, key).seen_at = now() - timedelta(minutes=6)
    browser.get("/services")
    with database.read() as db:
        assert db.get(SignedIn, key).expires_at > now() + timedelta(days=13)


@pytest.mark.parametrize(("chosen", "kept"), [("dark", "dark"), ("light", "light"), ("auto", ""), ("\x01<b>", "")])
def test_a_theme_is_chosen_without_a_script(chosen: str, kept: str, client: TestClient) -> None:
    response = client.post("/-/theme", data={"theme": chosen, "next": "/services"})
    assert response.headers["location"] == "/services"
    client.cookies.update(response.cookies)
    assert html(client.get("/services")).one("html").attribute("data-theme") == kept


def test_a_stranger_may_choose_a_theme_for_the_sign_in_page(served: TestClient) -> None:
    served.post("/-/theme", data={"theme": "dark", "next": "//evil.example"})
    assert html(served.get("/-/sign-in")).one("html").attribute("data-theme") == "dark"


@pytest.mark.usefixtures("hasty")
def test_a_password_that_cannot_be_counted_is_not_checked(link: str, served: TestClient, db: Session) -> None:
    db.bulk(delete(SignInLink), why="to hold the seat")
    response = served.post("/-/sign-in", data={"name": "Ann", "password": PASSWORD})
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")


@pytest.mark.usefixtures("hasty")
def test_a_busy_database_signs_nobody_out(browser_as: ClientAs, db: Session) -> None:
    browser = browser_as("viewer")
    db.get(SignedIn, auth.fingerprint(browser.cookies["test-tool-session"])).seen_at = now() - timedelta(minutes=6)
    db.commit()
    db.bulk(delete(SignInLink), why="to hold the seat")
    assert browser.get("/services").status_code == 200


@pytest.mark.sqlite("its file")
def test_a_full_disk_refuses_writes_and_keeps_nobody_from_reading(
    browser_as: ClientAs, db: Session, names: Callable[[], set[str]]
) -> None:
    browser = browser_as("operator")
    db.get(SignedIn, auth.fingerprint(browser.cookies["test-tool-session"])).seen_at = now() - timedelta(minutes=6)
    db.commit()
    with full_disk():
        assert (browser.get("/services").status_code, browser.post("/shop/sell/go").status_code) == (200, 500)
    assert names() == set()
    assert browser.post("/shop/sell/go").status_code == 303


def test_no_log_holds_the_secret_of_an_address(link: str, served: TestClient) -> None:
    with capture_logs() as logs:
        served.post(link, headers=ELSEWHERE)
        served.get(f"{link}/")
        served.get(link)
    assert [line["path"] for line in logs] == ["/-/sign-in/…", "/-/sign-in/…/", "/-/sign-in/…"]


def test_other_ways_in_are_on_the_sign_in_page_and_in_nobodys_menu(served: TestClient, client: TestClient) -> None:
    ways = html(served.get("/-/sign-in?next=/services?q=a")).all("main a[role=button], main a.btn")
    assert [(way.text, way.attribute("href")) for way in ways] == [("Just look", "/shop/open?next=/services%3Fq%3Da")]
    assert "Just look" not in html(client.get("/services")).one("aside, header").text


@pytest.mark.parametrize(("cookie", "path"), [("toast", "/shop/sell/go"), ("theme", "/-/theme")])
def test_every_cookie_is_named_after_the_tool(cookie: str, path: str, browser_as: ClientAs) -> None:
    name, _, _ = browser_as("operator").post(path).headers["set-cookie"].partition("=")
    assert name == f"test-tool-{cookie}"


@pytest.mark.parametrize(
    ("url", "is_exposed"),
    [("http://tool.internal", True), ("https://tool.internal", False), ("http://localhost:8000", False),
     ("http://127.0.0.1", False), ("http://[::1]:8000", False)],
)  # fmt: skip
def test_plain_http_to_another_machine_is_warned_of(url: str, is_exposed: bool, link: str, served: TestClient) -> None:
    served.base_url = url
    assert ("This address is plain HTTP" in html(served.get("/-/sign-in")).one("main").text) is is_exposed
    with capture_logs() as logs:
        served.post(link)
    assert [line["user"] for line in logs if "over plain HTTP" in line["event"]] == ["Ann"] * is_exposed
