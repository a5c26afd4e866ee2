"""Asking one server, and the command line that does."""

import json

import pytest

from . import bootstrap
from .__main__ import main
from .conftest import Registry, entry
from .names import registered_name
from .server import RdapError, Server


def ask(registry: Registry, name: str, *, is_trusted: bool = True) -> str:
    with Server(registry.url, is_trusted=is_trusted) as server:
        return server.ask(name).name


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "not there"), (400, "refused"), (429, "busy"), (501, "refused"), (503, "busy")],
)
def test_failures_are_told_apart(registry: Registry, status: int, reason: str) -> None:
    registry.status = status
    with pytest.raises(RdapError) as caught:
        ask(registry, "acme.test")
    assert (caught.value.reason, caught.value.wait_s) == (reason, 0)


def test_a_server_that_another_one_named_is_not_looked_for_on_our_network(registry: Registry) -> None:
    with pytest.raises(RdapError, match="not on the open internet"):
        ask(registry, "acme.test", is_trusted=False)
    assert registry.asked == []


@pytest.mark.parametrize(
    ("location", "why"),
    [
        pytest.param("http://other.test/domain/acme.test", "without TLS", id="no TLS"),
        pytest.param("https://127.0.0.1:9/domain/acme.test", "not on the open internet", id="our network"),
        pytest.param("/rdap/domain/acme.test", "more than 5 times", id="in a circle"),
    ],
)
def test_a_redirect_is_not_followed_everywhere(registry: Registry, location: str, why: str) -> None:
    registry.status, registry.headers = 302, {"Location": location}
    with pytest.raises(RdapError, match=why):
        ask(registry, "acme.test")


def test_the_command_prints_one_object(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.names["acme.test"] = entry("acme.test", status=["active"])
    assert main(["www.ACME.test", "--base-url", registry.url]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["name"], found["expires_at"], err) == ("acme.test", "2027-05-01T10:00:00Z", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["acme.test", "--base-url", "URL"], "does not know this name (404)", id="unknown name"),
        pytest.param(["co.uk", "--base-url", "URL"], "co.uk is a public suffix", id="a suffix"),
        pytest.param(["shop.github.io"], "no registry knows it", id="private"),
        pytest.param(["acme.de"], "IANA lists no RDAP server", id="no server"),
        pytest.param(["not a name"], "is no domain name", id="no name"),
        pytest.param(["acme.test", "--base-url", "nonsense"], "is no base URL", id="no address"),
        pytest.param(["acme.test", "--base-url", "http://127.0.0.1:1"], "cannot be reached", id="unreachable"),
        pytest.param([], "required: name", id="nothing"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    registry: Registry, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([registry.url if each == "URL" else each for each in arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert words in err


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.b.com.br", "b.com.br"), ("www.acme.co.uk", "acme.co.uk"), ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de")],
)
def test_the_registered_name_is_asked_about(name: str, expected: str) -> None:
    assert registered_name(name) == expected


def test_below_a_private_suffix_a_registry_can_be_named() -> None:
    assert registered_name("www.shop.uk.com", with_private=True) == "shop.uk.com"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme.com", "https://rdap.verisign.com/com/v1/"),
        ("acme.com.br", "https://rdap.registro.br/"),
        ("acme.de", None),
    ],
)
def test_the_shipped_list_knows_the_servers(name: str, expected: str | None) -> None:
    assert bootstrap.shipped().server_of(name) == expected


def test_the_longest_suffix_wins() -> None:
    both = bootstrap.Bootstrap("", {}).and_also({"uk": "https://a.test", "co.uk": "https://b.test"})
    assert both.server_of("acme.co.uk") == "https://b.test/"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"services": 1}', '{"services": [["com"]], "publication": ""}'])
def test_a_broken_list_of_servers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no list of RDAP servers"):
        bootstrap.read(text)
