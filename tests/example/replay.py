"""A loopback server in the place of the registrars: it answers with recordings, or with trouble."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

NAMESPACE = "http://api.namecheap.com/xml.response"


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `form` holds the fields of its body."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer as it leaves."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Replay:
    """What the server does, to be changed while it runs.

    `copies` multiplies the recorded rows under numbered names, so that a list of two has pages. The answers
    in `trouble` come first, one each. `instead` may answer a request before the recording does. `files` names
    the recording of each call. `has_core` is Name.com's newer API; what was recorded is the older one.
    """

    recordings: Path
    url: str = ""
    copies: int = 1
    has_core: bool = False
    trouble: list[Answer] = field(default_factory=list)
    instead: Callable[[Request], Answer | None] = lambda request: None
    requests: list[Request] = field(default_factory=list)
    files: dict[str, str] = field(
        default_factory=lambda: {
            "godaddy": "registrar/godaddy_v1_list_2019a.json",
            "namecom": "registrar/namecom_v4_list_2020.json",
            "namecheap.domains.getList": "registrar/namecheap_sdk_domains_getList.xml",
            "namecheap.users.getPricing": "registrar/namecheap_sdk_users_getPricing.xml",
        }
    )

    def answer(self, request: Request) -> Answer:
        """The answer to a request, which is remembered."""
        self.requests.append(request)
        if self.trouble:
            return self.trouble.pop(0)
        if given := self.instead(request):
            return given
        if request.path == "/v1/domains":
            return self._godaddy(request)
        if request.path == "/xml.response":
            return self._namecheap(request)
        if request.path == ("/core/v1/domains" if self.has_core else "/v4/domains"):
            return self._namecom(request)
        return Answer(404, b'{"message":"Not Found"}', {"Content-Type": "application/json"})

    def recording(self, call: str) -> bytes:
        """The recorded body of a call."""
        return (self.recordings / self.files[call]).read_bytes()

    def _godaddy(self, request: Request) -> Answer:
        recorded = json.loads(self.recording("godaddy"))
        if isinstance(recorded, dict):
            return Answer(404, self.recording("godaddy"), {"Content-Type": "application/json"})
        rows = self._copied(recorded, "domain")
        after = [row["domain"] for row in rows].index(request.query["marker"]) + 1 if "marker" in request.query else 0
        return _json(rows[after : after + int(request.query["limit"])])

    def _namecom(self, request: Request) -> Answer:
        rows = self._copied(json.loads(self.recording("namecom"))["domains"], "domainName")
        page, size = int(request.query["page"]), int(request.query["perPage"])
        body: dict[str, Any] = {"domains": rows[(page - 1) * size : page * size]}
        if page * size < len(rows):
            body |= {"nextPage": page + 1, "lastPage": -(-len(rows) // size)}
        if self.has_core:
            body |= {"totalCount": len(rows)}
        return _json(body, "text/html; charset=UTF-8")

    def _namecheap(self, request: Request) -> Answer:
        command = request.form["Command"]
        tree = ElementTree.fromstring(self.recording(command))
        result = tree.find(f".//{{{NAMESPACE}}}DomainGetListResult")
        if result is not None:
            rows = self._copied([dict(row.attrib) for row in result], "Name")
            page, size = int(request.form["Page"]), int(request.form["PageSize"])
            result[:] = [
                ElementTree.Element(f"{{{NAMESPACE}}}Domain", row) for row in rows[(page - 1) * size : page * size]
            ]
            for name, number in (("TotalItems", len(rows)), ("CurrentPage", page), ("PageSize", size)):
                found = tree.find(f".//{{{NAMESPACE}}}{name}")
                assert found is not None
                found.text = str(number)
        return Answer(200, ElementTree.tostring(tree), {"Content-Type": "text/xml; charset=utf-8"})

    def _copied(self, rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        return rows + [row | {key: f"{n:05d}-{row[key]}"} for n in range(1, self.copies) for row in rows]


def _json(body: Any, content_type: str = "application/json") -> Answer:
    return Answer(200, json.dumps(body).encode(), {"Content-Type": content_type})


@contextmanager
def serving(recordings: Path) -> Iterator[Replay]:
    """Serve on a free port of the loopback address while the block runs."""
    replay = Replay(recordings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement of its head

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            query, form = dict(parse_qsl(url.query)), dict(parse_qsl(body))
            answer = replay.answer(Request(self.command, url.path, query, form, dict(self.headers)))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    replay.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
