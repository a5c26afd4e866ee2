"""Requests that are signed one by one: each registrar's signature covers the address, the body and the time."""

from collections.abc import Callable, Mapping

import httpx2

Sign = Callable[[str, str, bytes], Mapping[str, str]]  # method, address, body: the headers to send with them


def signed(sign: Sign) -> Callable[[httpx2.Request], httpx2.Request]:
    """Signs at the last moment, for core's client: a second attempt needs a signature with a new time."""

    def add(request: httpx2.Request) -> httpx2.Request:
        request.headers.update(sign(request.method, str(request.url), request.content))
        return request

    return add
