"""The open internet: a guard for requests to addresses that somebody typed in, or that another server named (SSRF)."""

import ipaddress
import socket
from typing import Any

import httpcore2
import httpx2

from core.http import HttpError


def public_address(host: str, port: int) -> str:
    """An IP address of a host on the open internet; HttpError (private) when any of its addresses is not there."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in map(ipaddress.ip_address, found):
        if not (getattr(address, "ipv4_mapped", None) or address).is_global or address.is_multicast:
            raise HttpError(f"{host} is {address}, which is not on the open internet", reason="private")
    return found[0]


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
