"""A server on this machine that stands in for a registrar."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from app.sources.kinds import KINDS
from app.sources.listing import Listing

CREDENTIALS = {
    "godaddy": {"key": "gd-key-5f1c", "secret": "gd-secret-77ab"},
    "namecheap": {"api_user": "acme", "api_key": "nc-key-90de", "username": "acme", "client_ip": "192.0.2.7"},
    "namecom": {"username": "acme", "token": "ncom-token-31c8"},
}
SECRETS = ("gd-key-5f1c", "gd-secret-77ab", "nc-key-90de", "ncom-token-31c8")


@dataclass(frozen=True)
class Asked:
    """A request: its path, the fields of its address and body together, its headers."""

    path: str
    fields: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Given:
    """An answer."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def given_json(body: Any, status: int = 200) -> Given:
    return Given(json.dumps(body).encode(), status, {"Content-Type": "application/json"})


def given_xml(inside: str, status: str = "OK") -> Given:
    head = f'<ApiResponse Status="{status}" xmlns="http://api.namecheap.com/xml.response">'
    return Given(f"{head}{inside}</ApiResponse>".encode(), 200, {"Content-Type": "text/xml"})


@dataclass
class StandIn:
    """What it answers, which a test sets, and what it was asked."""

    url: str = ""
    answer: Callable[[Asked], Given] = lambda asked: Given(b"", 404)
    asked: list[Asked] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def read(self, kind: str) -> Listing:
        """Read an account of this registrar from here, only noting the waits."""
        account = KINDS[kind].account(CREDENTIALS[kind], base_url=self.url, sleep=self.waits.append)
        return KINDS[kind].read(account)


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Stand in while the block runs."""
    here = StandIn()

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = Asked(url.path, dict(parse_qsl(url.query) + parse_qsl(body)), dict(self.headers))
            here.asked.append(asked)
            given = here.answer(asked)
            self.send_response(given.status)
            for name, value in {"Content-Length": str(len(given.body)), **given.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    here.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
