"""One registry's RDAP server, asked politely: at its own pace, at most once for a name, and left alone when busy."""

import time
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal
from urllib.parse import urljoin, urlsplit

from core.errors import UserError
from core.http import Client, HttpError, Reply

from .record import Record, read

LARGEST_ANSWER = 1_000_000
MOST_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
BUSY = {429, 500, 502, 503, 504}
HEADERS = {"Accept": "application/rdap+json, application/json;q=0.8"}

# "not there" and "refused" are about the name; the other two about the server, which is not asked again soon
Reason = Literal["not there", "refused", "busy", "unreachable"]


class RdapError(UserError):
    """A name that a registry told nothing of: why in one line, and how long it wants to be left alone."""

    def __init__(self, message: str, *, reason: Reason, wait_s: float = 0.0) -> None:
        """Keep the sentence for people, the rest for code."""
        super().__init__(message)
        self.reason, self.wait_s = reason, wait_s


@dataclass
class Pace:
    """So many seconds between two questions to one host, whatever base addresses it has for its suffixes."""

    seconds: float = 0.0
    _free_at: float = 0.0

    def wait(self) -> None:
        """Come back when the next question may be asked."""
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        self._free_at = time.monotonic() + self.seconds


@dataclass(eq=False)
class Server:
    """A server by its base address; `is_trusted` when a person of ours named it, so it may be on our own network."""

    base_url: str
    _: KW_ONLY
    is_trusted: bool = False
    pace: Pace = field(default_factory=Pace)
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Prepare the connection."""
        try:
            self._client = self._connect(self.base_url, is_trusted=self.is_trusted)
        except HttpError as error:
            raise RdapError(str(error), reason="unreachable") from None

    def __enter__(self) -> "Server":
        """Use the server as a block that closes its connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.__exit__()

    @property
    def host(self) -> str:
        """Its name, by which its limits are kept."""
        return urlsplit(self.base_url).netloc

    def ask(self, name: str) -> Record:
        """What the registry says of a name that is registered there; RdapError when it says nothing of use."""
        self.pace.wait()
        try:
            reply = self._followed(self._client.get(f"/domain/{name}"), name)
            self._refuse(reply, name)
            return read(reply.json(), name)
        except HttpError as error:
            reason: Reason = "unreachable" if error.reason != "unreadable" else "refused"
            raise RdapError(f"{name}: {error}", reason=reason) from None
        except ValueError as error:
            raise RdapError(f"{name}: {self.host} is not understood: {error}", reason="refused") from None

    def _refuse(self, reply: Reply, name: str) -> None:
        if reply.status == 200:
            return
        if reply.status == 404:
            raise RdapError(f"{name}: {self.host} does not know this name (404)", reason="not there")
        after = reply.headers.get("Retry-After", "")
        if reply.status in BUSY:
            message = f"{name}: {self.host} is busy or broken ({reply.status}); ask again later"
            raise RdapError(message, reason="busy", wait_s=float(after) if after.isdecimal() else 0.0)
        raise RdapError(f"{name}: {self.host} refused the question ({reply.status})", reason="refused")

    def _followed(self, reply: Reply, name: str) -> Reply:
        """The answer at the end of the redirects, which lead over TLS to the open internet or back to this server."""
        url = urljoin(self.base_url, f"domain/{name}")
        for _ in range(MOST_REDIRECTS):
            if reply.status not in REDIRECTS:
                return reply
            url = urljoin(url, reply.headers.get("Location", ""))
            to, here = urlsplit(url), urlsplit(self.base_url)
            is_here = (to.scheme, to.netloc) == (here.scheme, here.netloc)
            if not (is_here or to.scheme == "https"):
                raise RdapError(f"{name}: {self.host} redirects to {url[:200]}, without TLS", reason="refused")
            with self._connect(f"{to.scheme}://{to.netloc}", is_trusted=is_here and self.is_trusted) as client:
                reply = client.get(f"/{to.path.lstrip('/')}{f'?{to.query}' if to.query else ''}")
        raise RdapError(f"{name}: {self.host} redirects more than {MOST_REDIRECTS} times", reason="refused")

    def _connect(self, base_url: str, *, is_trusted: bool) -> Client:
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
            raise RdapError(f"{base_url!r} is no base URL; write it like https://rdap.example/", reason="unreachable")
        return Client(
            base_url,
            headers=HEADERS,
            timeout_s=self.timeout_s,
            attempts=1,  # whoever is busy is left alone; the next run asks again
            max_bytes=LARGEST_ANSWER,
            public_only=not is_trusted,
        )
