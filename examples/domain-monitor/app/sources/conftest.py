"""A registrar on the loopback address, for the tests of this feature."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core import Session

from .models import Source


@dataclass
class Registrar:
    """What it answers: a list in Name.com's form, or a failure."""

    url: str = ""
    status: int = 200
    total: int | None = None
    domains: list[dict[str, Any]] = field(default_factory=list)

    @property
    def body(self) -> dict[str, Any]:
        """The answer, which announces as many domains as there are unless it is told otherwise."""
        return {"domains": self.domains, "totalCount": len(self.domains) if self.total is None else self.total}


@pytest.fixture
def registrar() -> Iterator[Registrar]:
    """A server that answers with two domains."""
    found = Registrar(domains=[entry("acme.com"), entry("acme.de")])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(json.dumps(found.body).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture
def account(db: Session, registrar: Registrar) -> Source:
    """A source whose registrar is that server."""
    source = Source(
        name="Main", kind="namecom", credentials={"username": "ada", "token": "t0p"}, base_url=registrar.url
    )
    db.add(source)
    db.commit()
    return source


def entry(name: str, **more: Any) -> dict[str, Any]:
    """One domain as Name.com lists it."""
    return {"domainName": name, "expireDate": "2027-05-01T10:00:00Z", "autorenewEnabled": True, "locked": True, **more}
