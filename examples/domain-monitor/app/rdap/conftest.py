"""A registry on the loopback address, for the tests of this feature."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ..settings import Settings


@dataclass
class Registry:
    """What it knows by name, or a failure for every question."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Any]:
        """The status and the body for a path."""
        name = path.rpartition("/")[2]
        self.asked.append(name)
        if self.status != 200:
            return self.status, {}
        return (200, self.names[name]) if name in self.names else (404, {"errorCode": 404})


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A server that knows no name yet."""
    found = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.answer(self.path)
            self.send_response(status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/rdap"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture
def settings(settings: Settings, registry: Registry) -> Settings:
    """Settings in which that server is the registry of .test."""
    settings.rdap_servers = {"test": registry.url}
    return settings


def entry(name: str, **more: Any) -> dict[str, Any]:
    """One domain as a registry describes it; `expires` is its expiry."""
    expires = more.pop("expires", "2027-05-01T10:00:00Z")
    events = [{"eventAction": "expiration", "eventDate": expires}] if expires else []
    return {"objectClassName": "domain", "ldhName": name, "events": events, **more}
