"""Requests to addresses of other people reach the open internet alone."""

import socket

import pytest

from core.http import Client, HttpError

from .internet import is_public, only_public, public_address


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0", "224.0.0.1"],
)
def test_an_address_of_our_own_network_is_refused_where_only_public_ones_are_wanted(host: str) -> None:
    with Client(f"http://{host}:9", transport=only_public()) as client, pytest.raises(HttpError) as refused:
        client.get("/")
    assert (refused.value.reason, "not on the open internet" in str(refused.value)) == ("private", True)


def test_a_public_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert public_address("example.com", 80) == "93.184.215.14"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("8.8.8.8", True, id="IPv4"),
        pytest.param("2606:4700::1111", True, id="IPv6"),
        pytest.param("64:ff9b::808:808", True, id="NAT64 of a public one"),
        pytest.param("64:ff9b::a9fe:a9fe", False, id="NAT64 of the metadata service"),
        pytest.param("2002:7f00:1::", False, id="6to4 of 127.0.0.1"),
        pytest.param("::127.0.0.1", False, id="IPv4-compatible"),
        pytest.param("::ffff:0:127.0.0.1", False, id="IPv4-translated"),
        pytest.param("::ffff:224.0.0.1", False, id="a mapped multicast"),
        pytest.param("fec0::1", False, id="site-local"),
        pytest.param("3fff::1", False, id="documentation"),
        pytest.param("192.0.0.8", False, id="protocol assignments"),
    ],
)
def test_an_address_that_stands_for_one_of_our_own_network_is_no_public_one(address: str, expected: bool) -> None:
    assert is_public(address) == expected
