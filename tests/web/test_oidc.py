"""Signing in at an OpenID Connect server: a real one on loopback, and every way in which its answer can be wrong."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from joserfc import jwk, jwt
from sqlalchemy import select
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.testclient import TestClient

from core import auth
from core.audit import AuditEntry
from core.auth import User
from core.db import Database
from core.settings import Provider, Settings
from core.testing import TESTER, html

SECRET = "s3cret with spaces+signs"


@dataclass
class Keycloak:
    """A small OpenID Connect server: what it will say next, and what it was asked."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    key: Any = None
    published: list[Any] = field(default_factory=list)
    algorithm: str = "RS256"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def token(self, nonce: str) -> str:
        claims = {"iss": self.url, "aud": "tool", "sub": "42", "exp": int(time.time()) + 60, "nonce": nonce}
        claims |= {"preferred_username": "ann", "groups": ["/sre"], **self.claims}
        return jwt.encode({"alg": self.algorithm, "kid": self.key.kid}, claims, self.key, [self.algorithm])

    def may(self, request: Request, form: dict[str, str]) -> bool:
        """Whether client, secret, code and PKCE verifier are right."""
        asked = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        basic = base64.b64encode(b"tool:s3cret+with+spaces%2Bsigns").decode()
        is_known = {
            "client_secret_basic": request.headers.get("authorization") == f"Basic {basic}",
            "client_secret_post": form.get("client_secret") == SECRET and "authorization" not in request.headers,
        }[self.methods[0]]
        return (
            is_known
            and base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked.get("code_challenge")
            and form.get("redirect_uri") == asked.get("redirect_uri")
            and form.get("grant_type") == "authorization_code"
        )


def application(here: Keycloak) -> FastAPI:
    api = FastAPI()

    @api.get("/.well-known/openid-configuration")
    def discovery() -> dict[str, Any]:
        paths = {"authorization_endpoint": "authorize?realm=one", "token_endpoint": "token", "jwks_uri": "keys"}
        known = {name: f"{here.url}/{path}" for name, path in paths.items()}
        more = {"userinfo_endpoint": f"{here.url}/userinfo"} if here.userinfo else {}
        return {"issuer": here.url, "token_endpoint_auth_methods_supported": here.methods, **known, **more}

    @api.get("/authorize")
    def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        here.codes["c0de"] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': 'c0de', 'state': asked['state']})}", 303)

    @api.post("/token")
    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        asked = here.codes.get(form.get("code", ""), {})
        if not here.may(request, form):
            return JSONResponse({"error": "invalid_grant", "error_description": "code is not valid"}, 400)
        return JSONResponse({"id_token": here.token(asked["nonce"]), "access_token": "acc3ss", "token_type": "Bearer"})

    @api.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": here.published}

    @api.get("/userinfo")
    def userinfo(request: Request) -> dict[str, Any]:
        here.asked.append(request.headers.get("authorization", ""))
        return here.userinfo

    return api


@pytest.fixture(scope="module")
def listening() -> Iterator[Keycloak]:
    """The server itself, started once."""
    here = Keycloak()
    server = uvicorn.Server(uvicorn.Config(application(here), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    here.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield here
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def pair() -> tuple[Any, list[Any]]:
    """The key that the server signs with, and what it publishes: one for encryption, too."""
    signing = jwk.RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
    other = jwk.RSAKey.generate_key(2048, {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"})
    unknown = {"kty": "AKP", "kid": "later", "alg": "ML-DSA-44"}
    return signing, [unknown, signing.as_dict(private=False), other.as_dict(private=False)]


@pytest.fixture
def keycloak(listening: Keycloak, pair: tuple[Any, list[Any]]) -> Keycloak:
    """The server, saying what it should."""
    listening.key, listening.published = pair
    listening.claims, listening.userinfo, listening.asked = {}, {}, []
    listening.methods, listening.algorithm = ["client_secret_basic"], "RS256"
    return listening


@pytest.fixture
def settings(settings: Settings, keycloak: Keycloak) -> Settings:
    """The tool knows that server, and another one that is not there."""
    known = {"issuer": keycloak.url, "client_id": "tool", "client_secret": SECRET}
    given = {"name": "keycloak", "roles": {"/sre": "operator", "/boss": "admin"}, **known}
    away = {"name": "away", "issuer": "http://127.0.0.1:9", "client_id": "tool"}
    return settings.model_copy(update={"oidc": [Provider(**given), Provider(**away)]})


def leave(browser: TestClient, target: str = "/services?q=a") -> str:
    """Press the button; where the browser is sent."""
    link = html(browser.get("/-/sign-in", params={"next": target})).one('a[href^="/-/sign-in/with/keycloak"]')
    return browser.get(link.attribute("href")).headers["location"]


def there(url: str) -> str:
    """Be at the server; the path and query with which it sends the browser back."""
    back = urlsplit(httpx2.get(url, trust_env=False).headers["location"])
    return f"{back.path}?{back.query}"


def sign_in(browser: TestClient) -> Any:
    return browser.get(there(leave(browser)))


def users(database: Database) -> list[tuple[str, str, str | None]]:
    with database.read() as db:
        return [(user.name, user.role, user.subject) for user in db.execute(select(User)).scalars()]


def said(response: Any) -> str:
    return html(response).one("main").text


def test_who_signs_in_there_is_signed_in_here(served: TestClient, database: Database) -> None:
    response = sign_in(served)
    assert (response.status_code, response.headers["location"]) == (303, "/services?q=a")
    assert served.get("/services").status_code == 200
    assert users(database) == [("ann", "operator", "42")]
    with database.read() as db:
        made = db.execute(select(AuditEntry).order_by(AuditEntry.id)).scalars().first()  # type: ignore[arg-type]
    assert made and (made.actor, made.did) == ("ann", "Sign in at keycloak")


def test_the_browser_takes_along_what_the_standard_asks_for(served: TestClient, keycloak: Keycloak) -> None:
    url = leave(served)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{keycloak.url}/authorize?realm=one&")
    assert asked["redirect_uri"] == "http://testserver/-/sign-in/with/keycloak/back"
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", "tool", "openid profile email")
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43 and asked["state"] != asked["nonce"]


def test_what_the_browser_keeps_cannot_be_read_or_outlive_the_sign_in(served: TestClient) -> None:
    response = served.get("/-/sign-in/with/keycloak")
    cookie = response.headers["set-cookie"]
    asked = parse_qs(urlsplit(response.headers["location"]).query)
    assert {"HttpOnly", "SameSite=lax", "Path=/-/sign-in/with", "Max-Age=600"} <= set(cookie.split("; "))
    assert cookie.startswith("test-tool-oidc=") and asked["nonce"][0] not in cookie
    assert 'test-tool-oidc="";' in served.get(there(response.headers["location"])).headers.get_list("set-cookie")[1]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_secret_is_told_as_the_server_wants_it(method: str, served: TestClient, keycloak: Keycloak) -> None:
    keycloak.methods = [method]
    assert sign_in(served).headers["location"] == "/services?q=a"


def test_the_role_follows_the_groups_at_each_sign_in(
    served: TestClient, keycloak: Keycloak, database: Database
) -> None:
    sign_in(served)
    keycloak.claims = {"groups": ["/sre", "/boss"], "preferred_username": "anna"}
    sign_in(served)
    assert users(database) == [("ann", "admin", "42")]


def test_a_local_user_of_the_same_name_is_somebody_else(served: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        auth.add_user(db, "ann", "admin")
    sign_in(served)
    assert [(name[:4], role, sub) for name, role, sub in users(database)] == [
        ("ann", "admin", None),
        ("ann ", "operator", "42"),
    ]


@pytest.mark.parametrize("groups", [["/dev"], [], None, "/SRE"], ids=str)
def test_nobody_gets_in_without_a_group_that_has_a_role(
    groups: Any, served: TestClient, keycloak: Keycloak, database: Database
) -> None:
    keycloak.claims = {"groups": groups}
    response = sign_in(served)
    assert (response.status_code, users(database)) == (403, [])
    assert "None of your groups may use this tool." in said(response)


@pytest.mark.parametrize(
    ("claim", "claims", "roles"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["ops"]}}, {"ops": "operator"}),
        ("https://example.com/groups", {"https://example.com/groups": ["ops"]}, {"ops": "operator"}),
        ("hd", {"hd": "example.com"}, {"example.com": "operator"}),
        ("nothing", {}, {"*": "operator"}),
    ],
)
def test_groups_come_from_any_claim(
    claim: str,
    claims: dict[str, Any],
    roles: dict[str, Any],
    served: TestClient,
    keycloak: Keycloak,
    settings: Settings,
) -> None:
    keycloak.claims, settings.oidc[0].groups, settings.oidc[0].roles = claims, claim, roles
    assert sign_in(served).headers["location"] == "/services?q=a"


def test_an_address_that_nobody_verified_gives_no_role(
    served: TestClient, keycloak: Keycloak, settings: Settings
) -> None:
    settings.oidc[0].groups, settings.oidc[0].roles = "email", {"ann@example.com": "admin"}
    keycloak.claims = {"email": "ann@example.com", "email_verified": False}
    assert sign_in(served).status_code == 403
    keycloak.claims["email_verified"] = True
    assert sign_in(served).status_code == 303


@pytest.mark.parametrize(("subject", "status"), [("42", 303), ("43", 403)])
def test_groups_may_come_from_userinfo_about_the_same_person(
    subject: str, status: int, served: TestClient, keycloak: Keycloak, settings: Settings
) -> None:
    settings.oidc[0].groups = "teams"
    keycloak.userinfo = {"sub": subject, "teams": ["/sre"]}
    assert sign_in(served).status_code == status
    assert keycloak.asked == ["Bearer acc3ss"]


def test_a_new_key_is_trusted_at_once_and_the_old_one_no_more(served: TestClient, keycloak: Keycloak) -> None:
    sign_in(served)
    old, keycloak.key = keycloak.key, jwk.RSAKey.generate_key(2048, {"kid": "second"})
    keycloak.published = [keycloak.key.as_dict(private=False)]
    assert sign_in(served).status_code == 303
    keycloak.key = old
    assert sign_in(served).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"nonce": "another"}, id="nonce"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"aud": "another"}, id="audience"),
        pytest.param({"aud": ["tool", "another"], "azp": "another"}, id="authorized party"),
        pytest.param({"iss": "https://evil.example"}, id="issuer"),
        pytest.param({"exp": int(time.time()) - 3600}, id="expired"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"sub": ""}, id="nobody"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    claims: dict[str, Any], served: TestClient, keycloak: Keycloak, database: Database
) -> None:
    keycloak.claims = claims
    response = sign_in(served)
    assert (response.status_code, users(database)) == (403, [])
    assert "What keycloak says about you cannot be trusted" in said(response)


def test_a_key_that_was_not_published_is_not_trusted(served: TestClient, keycloak: Keycloak) -> None:
    keycloak.key = jwk.RSAKey.generate_key(2048, {"kid": "first"})
    assert sign_in(served).status_code == 403


def test_the_clients_secret_signs_nobody_in(served: TestClient, keycloak: Keycloak) -> None:
    keycloak.key, keycloak.algorithm = jwk.OctKey.import_key(SECRET * 2, {"kid": "first"}), "HS256"
    assert sign_in(served).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda back, served: back.replace("state=", "state=x"), id="another state"),
        pytest.param(lambda back, served: back.partition("&state")[0], id="no state"),
        pytest.param(lambda back, served: back + "&iss=https://evil.example", id="another issuer"),
        pytest.param(lambda back, served: served.cookies.clear() or back, id="another browser"),
        pytest.param(lambda back, served: served.cookies.set("test-tool-oidc", "made up") or back, id="made up"),
        pytest.param(lambda back, served: back.replace("/keycloak/", "/away/"), id="another provider"),
    ],
)
def test_an_answer_to_something_else_is_refused(
    change: Callable[[str, TestClient], str], served: TestClient, database: Database
) -> None:
    back = there(leave(served))
    served.cookies.set("test-tool-oidc", served.cookies.get("test-tool-oidc"), domain="", path="/")
    response = served.get(change(back, served))
    assert (response.status_code, users(database)) == (400, [])
    assert "Start again from the sign-in page." in said(response)


def test_a_code_works_once(served: TestClient) -> None:
    back = there(leave(served))
    kept = served.cookies.get("test-tool-oidc")
    served.get(back)
    response = served.get(back, headers={"Cookie": f"test-tool-oidc={kept}"})
    assert response.status_code == 502
    assert "keycloak answered 400 at" in said(response) and "code is not valid" in said(response)
    assert SECRET not in response.text


def test_who_is_turned_away_there_reads_why(served: TestClient) -> None:
    state = parse_qs(urlsplit(leave(served)).query)["state"][0]
    told = {"state": state, "error": "access_denied", "error_description": "<b>Not today</b>"}
    response = served.get("/-/sign-in/with/keycloak/back", params=told)
    assert response.status_code == 403
    assert "keycloak did not sign you in: <b>Not today</b>" in said(response)


def test_a_sign_in_that_takes_too_long_starts_again(served: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.oidc.FLOW_LIFETIME_S", -1)
    url = leave(served)
    monkeypatch.undo()
    assert served.get(there(url)).status_code == 400


def test_a_server_that_is_away_is_told_and_other_ways_stay_open(served: TestClient) -> None:
    response = served.get("/-/sign-in/with/away")
    assert response.status_code == 502
    assert "away cannot be asked" in said(response) and "use a sign-in link" in said(response)
    assert served.get("/-/sign-in/with/nobody").status_code == 404
    assert len(html(served.get("/-/sign-in")).all("input[name=password]")) == 1


def test_a_server_that_calls_itself_otherwise_is_refused(
    served: TestClient, settings: Settings, keycloak: Keycloak
) -> None:
    settings.oidc[0].issuer = keycloak.url.replace("127.0.0.1", "localhost")
    response = served.get("/-/sign-in/with/keycloak")
    assert (response.status_code, "write its issuer into OIDC" in said(response)) == (502, True)


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(target: str, served: TestClient) -> None:
    location = served.get("/-/sign-in/with/keycloak", params={"next": target}).headers["location"]
    assert served.get(there(location)).headers["location"] == "/"


def test_a_disabled_user_stays_out(served: TestClient, database: Database) -> None:
    sign_in(served)
    with database.write(TESTER) as db:
        auth.disable(db, db.get_one(User, 1))
    response = sign_in(served)
    assert (response.status_code, "ann is disabled in this tool." in said(response)) == (403, True)


def test_whom_the_server_knows_has_no_password_and_no_other_role_here(
    served: TestClient, client: TestClient, settings: Settings
) -> None:
    sign_in(served)
    assert served.post("/-/account/password", data={"password": "correct horse battery"}).status_code == 409
    response = client.post("/-/people/1/role", data={"role": "admin"})
    assert (response.status_code, "change the groups there" in response.text) == (409, True)


def test_providers_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"name": "google", "issuer": "https://accounts.google.com", "client_id": "x", "roles": {"*": "viewer"}}
    monkeypatch.setenv("OIDC", json.dumps([given]))
    (provider,) = Settings(_env_file=None).oidc
    assert (provider.name, provider.roles, provider.groups) == ("google", {"*": "viewer"}, "groups")
