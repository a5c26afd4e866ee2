"""What can be entered for an account, and what cannot."""

import pytest

from app.sources.failures import SourceError
from app.sources.kinds import KINDS, kind_of
from tests.sources.stand_in import CREDENTIALS, SECRETS


def test_every_kind_says_what_it_needs() -> None:
    assert {kind.name: [field.name for field in kind.fields] for kind in KINDS.values()} == {
        "godaddy": ["key", "secret"],
        "cloudflare": ["account_id", "token"],
        "namecheap": ["api_user", "api_key", "username", "client_ip"],
        "gandi": ["token"],
        "porkbun": ["api_key", "secret_api_key"],
        "route53": ["access_key_id", "secret_access_key", "session_token"],
        "namecom": ["username", "token"],
        "ovh": ["application_key", "application_secret", "consumer_key"],
        "dynadot": ["key"],
        "spaceship": ["api_key", "api_secret"],
        "inwx": ["username", "password"],
        "ionos": ["prefix", "secret"],
        "namesilo": ["key"],
        "dnsimple": ["account_id", "token"],
        "json": ["url", "headers", "items", "fields", "paging", "total"],
    }
    assert all(field.label and field.help for kind in KINDS.values() for field in kind.fields)


def test_what_opens_an_account_is_secret() -> None:
    shown = {field.name for kind in KINDS.values() for field in kind.fields if not field.secret}
    assert shown == {"account_id", "api_user", "username", "client_ip", "access_key_id", "prefix"} | {
        *("url", "items", "fields", "paging", "total"),  # of a JSON list; its headers are secret
    }


@pytest.mark.parametrize(
    ("base_url", "used"),
    [
        ("", "https://api.godaddy.com"),
        ("https://api.ote-godaddy.com", "https://api.ote-godaddy.com"),
        ("https://proxy.example:8443/a/path?x=1", "https://proxy.example:8443"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_base_url_replaces_scheme_host_and_port(base_url: str, used: str) -> None:
    assert KINDS["godaddy"].account(CREDENTIALS["godaddy"], base_url=base_url).base_url == used


@pytest.mark.parametrize(
    "base_url",
    [
        "api.godaddy.com",
        "ftp://x",
        "https://",
        "https://x:99999",
        "http://[::1",
        "https://a b",
        "https://300.1.1.1",
        f"https://{'a' * 64}.com",
    ],
)
def test_a_base_url_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(SourceError, match="base URL like"):
        KINDS["godaddy"].account(CREDENTIALS["godaddy"], base_url=base_url)


def test_credentials_do_not_travel_in_clear_text() -> None:
    with pytest.raises(SourceError, match="use https"):
        KINDS["godaddy"].account(CREDENTIALS["godaddy"], base_url="http://api.godaddy.com")


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        pytest.param({"key": "k"}, "needs secret", id="missing"),
        pytest.param({"key": "k", "secret": "  "}, "needs secret", id="blank"),
        pytest.param({"key": "k", "secret": "s", "token": "t"}, "has no field token; it has key, secret", id="unknown"),
        pytest.param({"key": "k", "secret": "s\nx"}, "cannot use the secret as entered", id="line break"),
        pytest.param({"key": "k", "secret": "“s”"}, "cannot use the secret as entered", id="curly quotes"),
    ],
)
def test_credentials_are_checked_before_anything_is_sent(credentials: dict[str, str], words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        KINDS["godaddy"].account(credentials)
    assert caught.value.reason == "settings"


def test_spaces_around_a_pasted_key_are_dropped() -> None:
    assert KINDS["godaddy"].account({"key": " k\n", "secret": "s"})["key"] == "k"


def test_an_account_never_shows_its_secrets() -> None:
    shown = [repr(KINDS[kind].account(CREDENTIALS[kind])) for kind in KINDS]
    assert not [secret for secret in SECRETS if secret in str(shown)]


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"'godady' is no kind of source; there are godaddy, cloudflare, .*, json"):
        kind_of("godady")
