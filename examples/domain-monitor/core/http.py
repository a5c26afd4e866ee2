"""The way out to other people's servers: polite, bounded, and silent about secrets."""

import base64
import contextlib
import functools
import json as jsonlib
import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Literal
from urllib.parse import quote, quote_plus, unquote

import httpx2

from .errors import CoreError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
BUSY = {"GET": {429, 502, 503, 504}, "POST": {429, 503}}  # what a gateway lost may have been done
BACKOFF_S = 0.5  # before the second attempt, three times as long before each later one
LONGEST_WAIT_S = 90.0  # a server that asks for more is not asked again now
LEAST_SECRET = 4  # characters: masking a shorter one would only garble the text
NAT64 = ip_network("64:ff9b::/96")  # an IPv4 address in its last four bytes (RFC 6052)
# Python 3.11 may take for global: IPv6 not given out, 6to4 (of any IPv4 address), documentation, protocol assignments.
NOBODYS = [*map(ip_network, "::/3 4000::/2 8000::/1 2002::/16 3fff::/20 192.0.0.0/24 192.88.99.0/24".split())]

Params = Mapping[str, str | int] | None
Reason = Literal["unreachable", "timeout", "tls", "broken", "too large", "unreadable", "private"]

_log = logging.getLogger(__name__)
_reasons = ContextVar[list[str] | None]("reasons", default=None)  # of one call: its thread goes on to the next one
_tls = functools.cache(httpx2.create_ssl_context)  # shared: building one takes 40 ms of processor time


class HttpError(CoreError):
    """A request without a usable reply: why, in words and as `reason`; `again` says that a retry is safe."""

    def __init__(self, message: str, *, reason: Reason, again: bool = False) -> None:
        super().__init__(message)
        self.reason, self.again = reason, again


def forbid(reason: str) -> Callable[[], None]:
    """Refuse requests made from here, as "a write is open", until the returned function is called, from any thread."""
    _reasons.set(reasons := [reason])
    return reasons.clear


def forbidden() -> str | None:
    """Why nobody must wait on the network here and now; None when one may."""
    return next(iter(_reasons.get() or ()), None)


def is_public(text: str) -> bool:
    """Whether an IP address is on the open internet; what stands for an IPv4 address is where that one is."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else address)
    return address.is_global and not address.is_multicast and not any(address in network for network in NOBODYS)


class _OpenInternet(httpx2.HTTPTransport):
    """Connects to the very address that was looked at, so that a second look-up cannot lead elsewhere."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask the host's best address, if all are public; the certificate must be for the name."""
        host = request.extensions.setdefault("sni_hostname", request.url.raw_host.decode())
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        if inside := [address for address in found if not is_public(address)]:
            raise HttpError(f"{host} is {inside[0]}, which is not on the open internet", reason="private")
        known: dict[str, Any] = {"headers": request.headers, "stream": request.stream, "extensions": request.extensions}
        return super().handle_request(httpx2.Request(request.method, request.url.copy_with(host=found[0]), **known))


@dataclass(frozen=True)
class Reply:
    """A complete answer, whatever its status; `url_safe` is its address without query and secrets."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    url_safe: str

    @property
    def text(self) -> str:
        """The body; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8-sig", errors="replace")

    def json(self) -> Any:
        """Read the body as JSON, whatever content type it claims; an HttpError when it is not."""
        try:
            return jsonlib.loads(self.content)
        except (ValueError, RecursionError):
            found = "an HTML page" if "<html" in self.text[:1000].lower() else "something that is not JSON"
            raise HttpError(f"{self.url_safe} answered {self.status} with {found}", reason="unreadable") from None


outside: Callable[[str, str], Reply] | None = None  # a test's answer to a method and URL, in the network's place


@dataclass(repr=False, eq=False)
class Client(contextlib.AbstractContextManager["Client"]):
    """A connection to one server: paced, retried where that is safe, limited in time and size.

    Connect errors, 429 and 503 are tried again; 502, 504 and a reply that broke off only for GET. `busy` finds "come
    back later" in a reply of another form: the seconds asked for, 0 to leave them to us, None for other replies.
    `auth` is a user and a password, or signs each request at the last moment. With `public_only`, for addresses that
    somebody typed in or another server named, it reaches the open internet alone, and asks no proxy, which could not.
    """

    base_url: str
    _: KW_ONLY
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | Callable[[httpx2.Request], httpx2.Request] | None = None
    public_only: bool = False
    timeout_s: float = 30.0
    min_interval_s: float = 0.0
    attempts: int = 4
    max_bytes: int = 20_000_000
    secrets: tuple[str, ...] = ()
    busy: Callable[[Reply], float | None] = lambda reply: None
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        for name in ("httpx2", "httpcore2"):  # their own lines would carry whole URLs and headers
            logging.getLogger(name).setLevel(logging.WARNING)
        self._free_at = 0.0
        try:
            url = httpx2.URL(self.base_url)
        except httpx2.InvalidURL as error:
            raise HttpError(self.mask(f"{self.base_url!r} is no address: {error}"), reason="unreachable") from None
        direct = _OpenInternet(verify=_tls()) if self.public_only else None
        may_proxy = url.host not in LOOPBACK  # no proxy reaches this machine
        self._http = httpx2.Client(base_url=url, trust_env=may_proxy, auth=self.auth, verify=_tls(), transport=direct)
        self._http.headers.update({"User-Agent": "pyops", **self.headers})
        self._http.timeout = httpx2.Timeout(self.timeout_s, connect=min(self.timeout_s, 10.0))

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, *, params: Params = None) -> Reply:
        """Ask for a path of the server."""
        return self._request("GET", path, params=params)

    def post(self, path: str, *, params: Params = None, data: Params = None, json: Any = None) -> Reply:
        """Send a form or JSON to a path of the server."""
        return self._request("POST", path, params=params, data=data, json=json)

    def mask(self, text: str) -> str:
        """Replace every secret of this client in a text by ***."""
        pair = self.auth if isinstance(self.auth, tuple) else ()
        basic = base64.b64encode(":".join(pair).encode()).decode()
        for secret in sorted({*self.secrets, *pair[1:], basic}, key=len, reverse=True):
            for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(spelling, "***") if len(secret) >= LEAST_SECRET else text
        return text

    def _request(self, method: str, path: str, **content: Any) -> Reply:
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("a path begins with one slash; the server is the client's base_url")
        request = self._http.build_request(method, path, **content)
        safe = self.mask(unquote(str(request.url.copy_with(query=None))))
        for wait_s in [BACKOFF_S * 3**n for n in range(self.attempts - 1)]:
            try:
                reply = self._send(request, safe)
                asked_s, after = self.busy(reply), reply.headers.get("Retry-After", "")
                if not asked_s and reply.status in BUSY[method]:
                    asked_s = float(after) if after.isdecimal() else 0.0
                if asked_s is None or not 0 <= asked_s <= LONGEST_WAIT_S:
                    return reply
            except HttpError as error:
                if not error.again:
                    raise
                asked_s = None
            _log.info("%s is busy or out of reach; asking again in %.1f s", safe, asked_s or wait_s)
            if outside is None:
                self.sleep(asked_s or wait_s)
        return self._send(request, safe)

    def _send(self, request: httpx2.Request, safe: str) -> Reply:
        if reason := forbidden():
            raise CoreError(f"{reason} while {request.method} {safe} would wait on the network; ask first, then write")
        if outside is not None:
            return outside(request.method, str(request.url))
        if (early_s := self._free_at - time.monotonic()) > 0:
            self.sleep(early_s)
        self._free_at = time.monotonic() + self.min_interval_s
        give_up_at, body = time.monotonic() + self.timeout_s, bytearray()
        try:
            with contextlib.closing(self._http.send(request, stream=True)) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > self.max_bytes:
                        raise HttpError(f"{safe} sent more than {self.max_bytes:,} bytes", reason="too large")
                    if time.monotonic() > give_up_at:
                        raise httpx2.ReadTimeout("")
        except (httpx2.RequestError, OSError, UnicodeError) as error:  # UnicodeError: a host name longer than any
            raise self._failure(error, request.method, safe) from None  # the cause may quote a header
        return Reply(response.status_code, response.headers, bytes(body), safe)

    def _failure(self, error: Exception, method: str, safe: str) -> HttpError:
        why = self.mask(str(error))
        if "[SSL" in why:
            return HttpError(f"{safe} shows no certificate to trust: {why}", reason="tls")
        if isinstance(error, httpx2.ConnectTimeout | httpx2.ConnectError | httpx2.ProxyError | OSError | UnicodeError):
            return HttpError(f"{safe} cannot be reached: {why}", reason="unreachable", again=True)
        if isinstance(error, httpx2.TimeoutException):
            return HttpError(f"{safe} did not answer within {self.timeout_s:g} s", reason="timeout")
        return HttpError(f"{safe} broke off in mid-reply", reason="broken", again=method == "GET")
