"""What the services feature promises."""

from collections.abc import Callable

from sqlmodel import select
from starlette.testclient import TestClient

from core import Session, now
from core.alerts import Message
from core.testing import Outside, Ran, html

from .alerts import down
from .jobs import ask, check
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


def test_services_come_from_a_file_after_a_look_at_it(client: TestClient) -> None:
    sheet = b"Name;URL;Owner\nShop;https://shop.example.com;Ann\n"
    page = html(client.post("/services/import", files={"file": ("services.csv", sheet)}))
    assert "Shop" in page.one("#new tbody").text
    client.post("/services/import", data={"rows": page.one("input[name=rows]").attribute("value"), "apply": "yes"})
    assert html(client.get("/services")).one("#services tbody th").text == "Shop"


def test_a_service_is_asked_for_its_status(
    outside: Outside, run_job: Callable[..., Ran], db: Session, clock: Callable[[str], None]
) -> None:
    outside["https://tea.example.com/pot"] = 418
    clock("2027-03-15 08:30")
    db.add(Service(name="Teapot", url="https://tea.example.com/pot"))
    db.commit()
    assert run_job(check).failures == 0
    db.expire_all()
    assert db.exec(select(Service.status, Service.checked_at)).all() == [(418, now())]


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


def test_who_is_told_hears_of_a_service_that_is_down(
    db: Session, run_job: Callable[..., Ran], sent: Callable[[], list[Message]]
) -> None:
    db.add(Service(name="Wiki", url="https://wiki.example.com", status=502))
    db.commit()
    run_job(down)
    assert "new: Wiki: answers 502" in sent()[0].body
