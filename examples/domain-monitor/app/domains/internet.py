"""The open internet: a guard for requests to addresses that somebody typed in, or that another server named (SSRF)."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore2
import httpx2

from core.http import HttpError

GIVEN_OUT = ip_network("2000::/3")  # all of IPv6 that is given out; what lies beside it leads who knows where
NAT64 = ip_network("64:ff9b::/96")  # an IPv4 address in its last four bytes (RFC 6052)
# What Python 3.11 takes for global: 6to4, which carries any IPv4 address, documentation, protocol assignments.
NOBODYS = tuple(map(ip_network, ("2002::/16", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")))


def public_address(host: str, port: int) -> str:
    """An IP address of a host on the open internet; HttpError (private) when any of its addresses is not there."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not is_public(address):
            raise HttpError(f"{host} is {address}, which is not on the open internet", reason="private")
    return found[0]


def is_public(text: str) -> bool:
    """Whether an IP address is on the open internet; what stands for an IPv4 address is where that one is."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        last_bytes = IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else None
        address = address.ipv4_mapped or last_bytes or address
    is_unknown = isinstance(address, IPv6Address) and address not in GIVEN_OUT
    is_nobodys = is_unknown or any(address in network for network in NOBODYS)
    return address.is_global and not address.is_multicast and not is_nobodys


def only_public() -> httpx2.HTTPTransport:
    """A transport for core's Client that reaches the open internet alone, whatever the proxies say."""
    trust = httpx2.create_ssl_context()
    transport = httpx2.HTTPTransport(verify=trust)
    transport._pool = httpcore2.ConnectionPool(ssl_context=trust, network_backend=_OpenInternet())
    return transport


class _OpenInternet(httpcore2.SyncBackend):
    """Connects to the very address that was looked at, so that a second look-up cannot lead elsewhere."""

    def connect_tcp(self, host: str, port: int, *options: Any, **more: Any) -> httpcore2.NetworkStream:
        """Open a connection to a public address."""
        try:
            address = public_address(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        return super().connect_tcp(address, port, *options, **more)
