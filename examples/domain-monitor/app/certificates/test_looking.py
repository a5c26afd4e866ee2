"""What is seen of a host: the certificate, and whether a browser would accept it."""

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from core import in_days, now

from .conftest import LOOPBACK, Authority
from .looking import Looker, Shown, described

Serve = Callable[[Path | None], int]
NAMES = ["shop.test", "www.shop.test"]
VALID: dict[str, Any] = {"begins": in_days(-10), "ends": in_days(80)}


def look(looker: Looker, host: str, port: int) -> Shown:
    [shown] = looker.look_at([f"{host}:{port}"])
    return shown


def test_a_good_certificate_is_accepted_and_described(authority: Authority, looker: Looker, serve: Serve) -> None:
    begins = now().replace(microsecond=0) - timedelta(days=10)
    ends = begins + timedelta(days=90, seconds=-1)
    shown = look(looker, "shop.test", serve(authority.issue(NAMES, begins=begins, ends=ends)))
    assert (shown.state, shown.problem) == ("accepted", "")
    assert (shown.not_before, shown.not_after, shown.lifetime_days) == (begins, ends, 90)
    assert (shown.issuer, shown.names) == ("Acme Trust (Acme CA 1)", tuple(NAMES))


@pytest.mark.parametrize(
    ("names", "given", "problem"),
    [
        pytest.param(NAMES, {"begins": in_days(-90), "ends": in_days(-1)}, "it expired on", id="expired"),
        pytest.param(NAMES, {"begins": in_days(1), "ends": in_days(90)}, "it is not valid yet", id="not yet"),
        pytest.param(NAMES, {**VALID, "self_signed": True}, "it is self-signed", id="self-signed"),
        pytest.param(["a.test", "b.test"], VALID, "it is for a.test, b.test, not for shop.test", id="wrong name"),
        pytest.param([], VALID, "it is for no name, not for shop.test", id="only a common name"),
    ],
)
def test_what_a_browser_would_not_accept_is_said_in_words(
    authority: Authority, looker: Looker, serve: Serve, names: list[str], given: dict[str, Any], problem: str
) -> None:
    shown = look(looker, "shop.test", serve(authority.issue(names, **given)))
    assert (shown.state, shown.names) == ("not accepted", tuple(names))
    assert shown.problem.startswith(problem)
    assert shown.not_after == given["ends"].replace(microsecond=0)


def test_an_authority_that_is_not_trusted_is_not_accepted(authority: Authority, looker: Looker, serve: Serve) -> None:
    other = Authority(authority.folder)
    shown = look(looker, "shop.test", serve(other.issue(NAMES, **VALID)))
    assert shown.state == "not accepted"
    assert shown.issuer == "Acme Trust (Acme CA 1)"


def test_what_speaks_no_tls_is_not_accepted(looker: Looker, serve: Serve) -> None:
    shown = look(looker, "shop.test", serve(None))
    assert (shown.state, shown.not_after) == ("not accepted", None)
    assert "not with TLS" in shown.problem


def test_where_nobody_listens_nothing_is_wrong(looker: Looker, closed_port: int) -> None:
    shown = look(looker, "shop.test", closed_port)
    assert (shown.state, shown.problem) == ("no listener", "nothing listens there")


def test_a_host_that_says_nothing_is_not_waited_for(looker: Looker) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        shown = look(replace(looker, timeout_s=0.2), "shop.test", silent.getsockname()[1])
    assert (shown.state, shown.problem) == ("no listener", "it did not answer in time")


def test_a_host_without_an_address_is_no_listener(looker: Looker) -> None:
    def nowhere(name: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    assert look(replace(looker, resolve=nowhere), "shop.test", 1).problem == "it has no address"


def test_a_host_of_which_the_dns_cannot_say_anything_now_is_left_out(looker: Looker) -> None:
    def broken(name: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    assert replace(looker, resolve=broken).look_at(["shop.test"]) == []


@pytest.mark.parametrize("address", [LOOPBACK, "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.7"])
def test_our_own_network_is_not_looked_into(looker: Looker, address: str) -> None:
    guarded = replace(looker, allow_internal=False, resolve=lambda name, port: ["1.1.1.1", address])
    shown = look(guarded, "shop.test", 9)
    assert shown.state == "not looked at"
    assert shown.problem.startswith("shop.test is ") and "CERTIFICATES_INTERNAL" in shown.problem


def test_many_hosts_are_looked_at_together(authority: Authority, looker: Looker, serve: Serve) -> None:
    port = serve(authority.issue(["*.shop.test"], **VALID))
    shown = looker.look_at([f"h{n}.shop.test:{port}" for n in range(60)])
    assert {each.state for each in shown} == {"accepted"}
    assert [each.host for each in shown[:2]] == [f"h0.shop.test:{port}", f"h1.shop.test:{port}"]


def der(authority: Authority, names: list[str]) -> bytes:
    """A certificate as a host sends it."""
    issued = authority.issue(names, **VALID).read_bytes()
    return x509.load_pem_x509_certificate(issued).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        pytest.param(bytes.fromhex("0603551d13"), bytes.fromhex("0603551d11"), id="an extension twice"),
        pytest.param(b"\x82\x09shop.test", b"\xa3\x09shop.test", id="a kind of name that nobody uses"),
        pytest.param(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), id="a version to come"),
        pytest.param(b"\x17\r", b"\x17\x0c", id="a date that breaks off"),
    ],
)
def test_a_malformed_certificate_is_a_finding_and_stops_no_other(authority: Authority, good: bytes, bad: bytes) -> None:
    shown = described("shop.test", der(authority, ["shop.test"]).replace(good, bad), code=18)
    assert (shown.state, shown.problem.partition(":")[0]) == ("not accepted", "the certificate is malformed")


def test_what_a_certificate_says_holds_nothing_that_a_database_refuses(authority: Authority) -> None:
    shown = described("shop.test", der(authority, ["sh\x00p.test", "a" * 1000]), code=62)
    assert shown.names == ("sh?p.test", "a" * 260)
    assert shown.problem.startswith("it is for sh?p.test, ")
