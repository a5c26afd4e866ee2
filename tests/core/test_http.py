"""The client that goes out to other people's servers, against real servers on the loopback address."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core import http
from core.errors import CoreError
from core.http import Client, HttpError, Reply, forbid, forbidden, is_public

SECRET = "s3cret/with+signs"
Send = Callable[[BaseHTTPRequestHandler], None]


class Quiet(ThreadingHTTPServer):
    """A server that does not report the clients that hung up."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


class Server:
    """Gives one answer after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Send, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        left, requests = list(answers), self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests.append((self.command, self.path, dict(self.headers), body))
                (left.pop(0) if len(left) > 1 else left[0])(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(*answers: Send, tls: ssl.SSLContext | None = None) -> Server:
        running.append(Server(*answers, tls=tls))
        return running[-1]

    yield start
    for server in running:
        server.http.shutdown()
        server.http.server_close()


@pytest.fixture
def slept() -> list[float]:
    """The waits a client made."""
    return []


def answer(status: int = 200, body: bytes = b'{"ok": true}', **headers: str) -> Send:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte at a time, quick enough to never time out between two of them."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 10_000)


def stall(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def test_a_reply_is_read_as_json_whatever_it_claims_to_be(serve: Callable[..., Server]) -> None:
    server = serve(answer(body=b"[1, 2]", Content_Type="text/html"))
    with Client(server.url) as client:
        reply = client.get("/list", params={"page": 2})
    assert (reply.status, reply.json(), reply.text, reply.headers["content-type"]) == (
        200,
        [1, 2],
        "[1, 2]",
        "text/html",
    )
    assert server.requests[0][1] == "/list?page=2"
    assert server.requests[0][2]["User-Agent"] == "pyops"


def test_a_form_and_json_can_be_sent(serve: Callable[..., Server]) -> None:
    server = serve(answer())
    with Client(server.url) as client:
        client.post("/", data={"a": 1})
        client.post("/", json={"a": 1})
    assert [request[3] for request in server.requests] == [b"a=1", b'{"a":1}']


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b"<!doctype html><html>", "an HTML page", id="html"),
        pytest.param(b'{"cut": ', "not JSON", id="cut off"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"[" * 100_000, "not JSON", id="too deep"),
    ],
)
def test_what_is_no_json_says_so(serve: Callable[..., Server], body: bytes, found: str) -> None:
    with Client(serve(answer(body=body)).url) as client, pytest.raises(HttpError, match=found) as caught:
        client.get("/").json()
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 500, 501])
def test_other_statuses_are_replies_and_not_asked_again(serve: Callable[..., Server], status: int) -> None:
    server = serve(answer(status))
    with Client(server.url) as client:
        assert client.get("/").status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "asked"), [(429, 2), (503, 2), (502, 1), (504, 1)])
def test_what_was_sent_is_sent_again_only_when_it_cannot_have_arrived(
    serve: Callable[..., Server], slept: list[float], status: int, asked: int
) -> None:
    server = serve(answer(status), answer())
    with Client(server.url, sleep=slept.append) as client:
        client.post("/orders", json={})
    assert len(server.requests) == asked


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_longer_and_longer_waits(
    serve: Callable[..., Server], slept: list[float], status: int
) -> None:
    server = serve(answer(status), answer(status), answer())
    with Client(server.url, sleep=slept.append) as client:
        assert client.get("/").status == 200
    assert slept == [0.5, 1.5]


def test_the_last_attempt_is_returned(serve: Callable[..., Server], slept: list[float]) -> None:
    server = serve(answer(503))
    with Client(server.url, attempts=3, sleep=slept.append) as client:
        assert client.get("/").status == 503
    assert (len(server.requests), len(slept)) == (3, 2)


def test_retry_after_in_seconds_is_kept_to(serve: Callable[..., Server], slept: list[float]) -> None:
    with Client(serve(answer(429, Retry_After="7"), answer()).url, sleep=slept.append) as client:
        assert client.get("/").status == 200
    assert slept == [7.0]


@pytest.mark.parametrize("after", ["soon", "-3", "", "Mon, 23 Nov 2026 00:00:00 GMT"])
def test_an_unreadable_retry_after_leaves_the_wait_to_us(
    serve: Callable[..., Server], slept: list[float], after: str
) -> None:
    with Client(serve(answer(503, Retry_After=after), answer()).url, sleep=slept.append) as client:
        assert client.get("/").status == 200
    assert slept == [0.5]


@pytest.mark.parametrize("after", ["3600", "9" * 400])
def test_nobody_waits_an_hour(serve: Callable[..., Server], slept: list[float], after: str) -> None:
    with Client(serve(answer(429, Retry_After=after)).url, sleep=slept.append) as client:
        assert client.get("/").status == 429
    assert slept == []


@pytest.mark.parametrize(("asked_s", "waited_s"), [(4.0, 4.0), (0.0, 0.5)])
def test_a_reply_of_another_form_can_ask_us_to_wait(
    serve: Callable[..., Server], slept: list[float], asked_s: float, waited_s: float
) -> None:
    def busy(reply: Reply) -> float | None:
        return asked_s if reply.status == 405 else None

    with Client(serve(answer(405), answer()).url, busy=busy, sleep=slept.append) as client:
        assert client.get("/").status == 200
    assert slept == [waited_s]


@pytest.mark.parametrize("asked_s", [float("nan"), -1.0])
def test_a_senseless_wait_ends_the_attempts(serve: Callable[..., Server], slept: list[float], asked_s: float) -> None:
    with Client(serve(answer(405)).url, busy=lambda reply: asked_s, sleep=slept.append) as client:
        assert client.get("/").status == 405
    assert slept == []


def test_a_server_that_is_not_there_is_named_after_the_last_attempt(slept: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", attempts=2, sleep=slept.append)
    with client, pytest.raises(HttpError, match=r"127\.0\.0\.1:\d+/x cannot be reached: .*refused") as caught:
        client.post("/x")
    assert (caught.value.reason, len(slept)) == ("unreachable", 1)


@pytest.mark.parametrize("base_url", ["http://h:port", "http://a b", f"http://{'a' * 64}.example"])
def test_an_address_that_cannot_be_is_told(base_url: str, slept: list[float]) -> None:
    with pytest.raises(HttpError) as caught:
        Client(base_url, sleep=slept.append).get("/")
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize("send", [stall, drip])
def test_a_slow_server_is_left_in_time(serve: Callable[..., Server], send: Send) -> None:
    server, began = serve(send), time.monotonic()
    with (
        Client(server.url, timeout_s=0.3) as client,
        pytest.raises(HttpError, match=r"within 0\.3 s") as caught,
    ):
        client.get("/")
    assert caught.value.reason == "timeout"
    assert (time.monotonic() - began < 1, len(server.requests)) == (True, 1)


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(endless, id="endless"),
        pytest.param(answer(body=gzip.compress(bytes(5_000_000)), Content_Encoding="gzip"), id="gzip bomb"),
    ],
)
def test_a_reply_beyond_the_cap_is_cut_off(serve: Callable[..., Server], send: Send) -> None:
    client = Client(serve(send).url, max_bytes=1_000_000)
    with client, pytest.raises(HttpError, match="more than 1,000,000 bytes") as caught:
        client.get("/")
    assert caught.value.reason == "too large"


def test_a_reply_that_breaks_off_is_asked_for_again(serve: Callable[..., Server], slept: list[float]) -> None:
    server = serve(answer(Content_Length="100"), answer())
    with Client(server.url, sleep=slept.append) as client:
        assert client.get("/").json() == {"ok": True}


def test_a_post_whose_reply_breaks_off_is_not_sent_again(serve: Callable[..., Server]) -> None:
    server = serve(answer(Content_Length="100"))
    with Client(server.url) as client, pytest.raises(HttpError, match="broke off") as caught:
        client.post("/")
    assert (caught.value.reason, len(server.requests)) == ("broken", 1)


def test_credentials_do_not_follow_a_redirect(serve: Callable[..., Server]) -> None:
    elsewhere = serve(answer())
    server = serve(answer(302, Location=elsewhere.url))
    with Client(server.url, headers={"Authorization": SECRET}) as client:
        assert client.get("/").status == 302
    assert elsewhere.requests == []


def test_a_path_cannot_lead_to_another_server() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match="one slash"):
        client.get("//evil.example/")


def test_a_certificate_nobody_vouches_for_is_refused(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(answer(), tls=self_signed(tmp_path))
    with Client(server.url) as client, pytest.raises(HttpError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        client.get("/")
    assert caught.value.reason == "tls"


def self_signed(folder: Path, name: str = "nobody.example") -> ssl.SSLContext:
    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, now, now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Client(serve(answer()).url) as client:
        assert client.get("/").status == 200


def test_no_secret_is_in_an_error_an_address_or_a_log_line(
    serve: Callable[..., Server], slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answer(503), answer(body=b"no json"))
    client = Client(
        server.url,
        auth=("acme", "basic-pass"),
        headers={"X-Key": SECRET},
        secrets=(SECRET,),
        sleep=slept.append,
    )
    with client, pytest.raises(HttpError) as caught:
        client.get(f"/bot{SECRET.replace('/', '%2F')}/x", params={"key": SECRET}).json()
    told = f"{caught.value!r} {caplog.text} {client!r}"
    assert "/bot***/x" in told
    assert not [word for word in ("s3cret", "basic-pass", "YWNtZTpiYXNpYy1wYXNz") if word in told]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param(f"key={SECRET}!", "key=***!", id="plain"),
        pytest.param("key=s3cret%2Fwith%2Bsigns", "key=***", id="as in an address"),
        pytest.param("Basic YWNtZTpiYXNpYy1wYXNz", "Basic ***", id="basic"),
        pytest.param("abc is too short to hide", "abc is too short to hide", id="short"),
    ],
)
def test_secrets_are_masked_in_every_spelling(text: str, masked: str) -> None:
    with Client("http://127.0.0.1:9", auth=("acme", "basic-pass"), secrets=(SECRET, "abc")) as client:
        assert client.mask(text) == masked


def test_requests_keep_their_distance(serve: Callable[..., Server], slept: list[float]) -> None:
    with Client(serve(answer()).url, min_interval_s=3, sleep=slept.append) as client:
        assert [client.get("/").status for _ in range(3)] == [200] * 3
    assert len(slept) == 2 and 2 < min(slept) <= max(slept) <= 3


@pytest.fixture
def forbidden_here() -> Iterator[None]:
    """This thread has a write open."""
    allow = forbid("a write transaction is open")
    yield
    allow()


@pytest.mark.usefixtures("forbidden_here")
def test_no_request_leaves_while_waiting_is_forbidden(serve: Callable[..., Server]) -> None:
    server = serve(answer())
    with (
        Client(server.url) as client,
        pytest.raises(CoreError, match=r"a write transaction is open while GET http://.*/x would wait"),
    ):
        client.get("/x", params={"key": SECRET})
    assert server.requests == []


@pytest.mark.usefixtures("forbidden_here")
def test_waiting_is_forbidden_to_its_own_thread_only() -> None:
    elsewhere: list[str | None] = []
    thread = threading.Thread(target=lambda: elsewhere.append(forbidden()))
    thread.start()
    thread.join()
    assert elsewhere == [None]


class Internet:
    """The network as a test wants it: names lead to addresses, each address to a server of the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []  # of every name
        self.asked: list[str] = []
        self.connected: list[str] = []
        self.port = 0
        self.connect = socket.create_connection
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)
        monkeypatch.setattr(socket, "create_connection", self.reach)

    def look_up(self, host: str, port: object, *_: object, **__: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]

    def reach(self, to: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        self.connected.append(to[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", self.real_look_up)
            return self.connect(("127.0.0.1", self.port), *rest, **more)

    real_look_up = staticmethod(socket.getaddrinfo)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    return Internet(monkeypatch)


def ask_in_public(url: str = "http://shop.example", **options: Any) -> Reply:
    with Client(url, public_only=True, attempts=1, **options) as client:
        return client.get("/x")


def test_a_public_address_is_asked_by_its_name(serve: Callable[..., Server], internet: Internet) -> None:
    server = serve(answer())
    internet.addresses, internet.port = ["93.184.215.14"], server.http.server_port
    assert ask_in_public("http://shop.example:8080").url_safe == "http://shop.example:8080/x"
    assert server.requests[0][2]["Host"] == "shop.example:8080"


def test_the_connection_goes_to_the_address_that_was_checked(serve: Callable[..., Server], internet: Internet) -> None:
    internet.addresses, internet.port = ["93.184.215.14"], serve(answer()).http.server_port
    ask_in_public()
    assert (internet.asked, internet.connected) == (["shop.example"], ["93.184.215.14"])


@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["8.8.8.8", "10.0.0.7"], ["fd00::7"]])
def test_a_name_that_leads_to_our_own_network_is_not_asked(addresses: list[str], internet: Internet) -> None:
    internet.addresses = addresses
    with pytest.raises(HttpError, match=r"shop\.example is .*, which is not on the open internet") as refused:
        ask_in_public()
    assert (refused.value.reason, refused.value.again, internet.connected) == ("private", False, [])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
    ],
)
def test_an_address_of_our_own_network_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(HttpError, match="not on the open internet"):
        ask_in_public(f"http://{host}:9")


def test_a_name_without_an_address_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(HttpError, match=r"shop\.example/x cannot be reached: .*not known") as caught:
        ask_in_public()
    assert (caught.value.reason, caught.value.again) == ("unreachable", True)


def test_no_proxy_is_asked_to_look_the_name_up_again(
    serve: Callable[..., Server], internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://10.0.0.1:3128")
    internet.addresses, internet.port = ["93.184.215.14"], serve(answer()).http.server_port
    ask_in_public()
    assert internet.connected == ["93.184.215.14"]


def test_each_attempt_signs_the_address_by_its_name(serve: Callable[..., Server], internet: Internet) -> None:
    signed = list[str]()

    def sign(request: httpx2.Request) -> httpx2.Request:
        signed.append(str(request.url))
        return request

    internet.addresses, internet.port = ["93.184.215.14"], serve(answer(503), answer()).http.server_port
    with Client("http://shop.example", public_only=True, auth=sign, sleep=lambda _: None) as client:
        assert client.get("/x").status == 200
    assert signed == ["http://shop.example/x"] * 2


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever certificate a test writes is one of an authority that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    http._tls.cache_clear()
    yield
    http._tls.cache_clear()


@pytest.mark.usefixtures("trusting")
def test_the_certificate_is_asked_for_by_name(serve: Callable[..., Server], internet: Internet, tmp_path: Path) -> None:
    tls, names = self_signed(tmp_path, "shop.example"), list[str]()
    tls.sni_callback = lambda _, name, __: names.append(name)
    internet.addresses, internet.port = ["93.184.215.14"], serve(answer(), tls=tls).http.server_port
    assert ask_in_public("https://shop.example").status == 200
    assert names == ["shop.example"]


@pytest.mark.usefixtures("trusting")
def test_a_certificate_for_another_name_is_refused(
    serve: Callable[..., Server], internet: Internet, tmp_path: Path
) -> None:
    tls = self_signed(tmp_path, "other.example")
    internet.addresses, internet.port = ["93.184.215.14"], serve(answer(), tls=tls).http.server_port
    with pytest.raises(HttpError, match=r"not valid for 'shop\.example'") as caught:
        ask_in_public("https://shop.example")
    assert caught.value.reason == "tls"


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        pytest.param("8.8.8.8", True, id="IPv4"),
        pytest.param("2606:4700::1111", True, id="IPv6"),
        pytest.param("64:ff9b::808:808", True, id="NAT64 of a public one"),
        pytest.param("10.1.2.3", False, id="private"),
        pytest.param("fd00::1", False, id="unique local"),
        pytest.param("127.9.9.9", False, id="loopback"),
        pytest.param("::1", False, id="IPv6 loopback"),
        pytest.param("169.254.169.254", False, id="the metadata service"),
        pytest.param("fe80::1%eth0", False, id="with a scope"),
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("ff0e::1", False, id="a global multicast"),
        pytest.param("0.0.0.0", False, id="unspecified"),
        pytest.param("64:ff9b::a9fe:a9fe", False, id="NAT64 of the metadata service"),
        pytest.param("::ffff:10.0.0.1", False, id="a mapped private one"),
        pytest.param("::ffff:224.0.0.1", False, id="a mapped multicast"),
    ],
)
def test_an_address_is_judged_by_what_it_stands_for(address: str, is_open: bool) -> None:
    assert is_public(address) is is_open


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("100.64.0.1", id="carrier-grade NAT"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("192.0.0.8", id="protocol assignments"),
        pytest.param("2002:7f00:1::", id="6to4 of 127.0.0.1"),
        pytest.param("::127.0.0.1", id="IPv4-compatible"),
        pytest.param("::ffff:0:127.0.0.1", id="IPv4-translated"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("3fff::1", id="documentation"),
    ],
)
def test_what_is_given_out_to_nobody_is_not_public(address: str) -> None:
    assert not is_public(address)
