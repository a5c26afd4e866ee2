"""Requests that are signed one by one: each registrar's signature covers the address, the body and the time."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from core.http import LOOPBACK

Sign = Callable[[str, str, bytes], Mapping[str, str]]  # method, address, body: the headers to send with them


class _Signed(httpx2.BaseTransport):
    def __init__(self, sign: Sign, inner: httpx2.BaseTransport) -> None:
        self._sign, self._inner = sign, inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sign at the last moment: a second attempt needs a signature with a new time."""
        request.headers.update(self._sign(request.method, str(request.url), request.read()))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def signed(sign: Sign, base_url: str) -> httpx2.BaseTransport:
    """A way out to a server on which every request is signed; it takes the proxy that others would take."""
    url = urlsplit(base_url)
    host = url.hostname or ""
    proxy = None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(url.scheme)
    return _Signed(sign, httpx2.HTTPTransport(verify=httpx2.create_ssl_context(), proxy=proxy))
