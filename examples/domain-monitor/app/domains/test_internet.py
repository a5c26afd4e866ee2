"""Requests to addresses of other people reach the open internet alone."""

import socket

import pytest

from core.http import Client, HttpError

from .internet import only_public, public_address


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
