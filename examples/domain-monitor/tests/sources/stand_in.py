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
    "cloudflare": {"account_id": "acc0", "token": "cf-token-12fe"},
    "namecheap": {"api_user": "acme", "api_key": "nc-key-90de", "username": "acme", "client_ip": "192.0.2.7"},
    "gandi": {"token": "gandi-token-55aa"},
    "porkbun": {"api_key": "pk1-60c1", "secret_api_key": "sk1-9a9a"},
    "route53": {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "aws-secret-4d4d"},
    "namecom": {"username": "acme", "token": "ncom-token-31c8"},
    "ovh": {"application_key": "ovh-ak-1111", "application_secret": "ovh-as-2222", "consumer_key": "ovh-ck-3333"},
    "dynadot": {"key": "dyna-key-8e8e"},
    "spaceship": {"api_key": "ship-key-7777", "api_secret": "ship-secret-6666"},
    "inwx": {"username": "acme", "password": "inwx-päss-word"},
    "ionos": {"prefix": "ionos-prefix", "secret": "ionos-secret-2323"},
    "namesilo": {"key": "silo-key-abab"},
    "dnsimple": {"account_id": "731", "token": "simple-token-4545"},
    "json": {"url": "https://assets.example/domains", "headers": "Authorization: Bearer json-token-9d9d"},
}
SECRETS = tuple(
    CREDENTIALS[kind.name][field.name]
    for kind in KINDS.values()
    for field in kind.fields
    if field.secret and field.name in CREDENTIALS[kind.name]
)


@dataclass(frozen=True)
class Asked:
    """A request: its path, the fields of its address and body together, its headers, a body of JSON."""

    path: str
    fields: dict[str, str]
    headers: dict[str, str]
    json: Any = None
    query: str = ""


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

    def read(self, kind: str, **more: str) -> Listing:
        """Read an account of this registrar from here, only noting the waits."""
        account = KINDS[kind].account(CREDENTIALS[kind] | more, base_url=self.url, sleep=self.waits.append)
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
            sent = json.loads(body) if body.startswith("{") else None
            fields = dict(parse_qsl(url.query) + ([] if sent is not None else parse_qsl(body)))
            asked = Asked(url.path, fields, dict(self.headers), sent, url.query)
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
