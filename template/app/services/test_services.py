"""What the services feature promises."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from starlette.testclient import TestClient

from core import Session, now
from core.testing import html

from .alerts import down
from .jobs import ask
from .models import Service


def test_a_service_that_was_added_is_in_the_list(client: TestClient) -> None:
    client.post("/services", data={"name": "Shop", "url": "https://shop.example.com/health"})
    assert html(client.get("/services")).one("#services tbody th").text == "Shop"


def test_an_address_that_is_none_is_refused_beside_its_field(client: TestClient) -> None:
    response = client.post("/services", data={"name": "Shop", "url": "shop"})
    assert response.status_code == 422
    assert html(response).one("#f-url").attribute("value") == "shop"
    assert html(response).one("#f-url-error").text


def test_a_viewer_may_look_but_not_add(client_as: Callable[[str], TestClient]) -> None:
    assert client_as("viewer").get("/services").status_code == 200
    assert client_as("viewer").post("/services", data={}).status_code == 403


def test_a_service_can_be_renamed_and_removed(client: TestClient, db: Session) -> None:
    db.add(Service(id=1, name="Shop", url="https://shop.example.com"))
    db.commit()
    client.post("/services/1", data={"name": "Store", "url": "https://shop.example.com"})
    assert "Store" in client.get("/services").text
    client.post("/services/1/delete")
    assert html(client.get("/services")).all("#services tbody tr") == []


class Teapot(BaseHTTPRequestHandler):
    """A service that answers 418."""

    def do_GET(self) -> None:
        self.send_error(418)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def teapot() -> Iterator[str]:
    """The address of a teapot on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Teapot)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_service_is_asked_for_its_status(teapot: str) -> None:
    status, took_ms, problem = ask(f"{teapot}/tea", 2)
    assert (status, problem) == (418, "")
    assert took_ms is not None


def test_a_service_that_is_not_there_gives_the_reason() -> None:
    status, took_ms, problem = ask("http://127.0.0.1:9", 2)
    assert (status, took_ms) == (None, None)
    assert "cannot be reached" in problem


def test_a_service_that_does_not_answer_is_a_finding(db: Session) -> None:
    db.add(Service(name="Shop", url="https://shop.example.com", status=200))
    db.add(Service(name="Wiki", url="https://wiki.example.com", status=502))
    db.add(Service(name="Mail", url="https://mail.example.com", problem="no answer"))
    assert {(found.key, found.text, found.critical) for found in down(db)} == {
        ("Wiki", "answers 502", False),
        ("Mail", "no answer", True),
    }


def test_the_home_page_counts_the_services_that_are_down(client: TestClient, db: Session) -> None:
    assert html(client.get("/")).one("main a[href='/services']").text == "Services down — none was asked yet"
    db.add(Service(name="Shop", url="https://shop.example.com", status=200, checked_at=now()))
    db.add(Service(name="Wiki", url="https://wiki.example.com", status=502, checked_at=now()))
    db.commit()
    assert html(client.get("/")).one("main a[href='/services']").text == "Services down 1 of 2 services"
