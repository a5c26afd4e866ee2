"""Where exchange rates come from, and what happens when they do not come."""

import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from starlette.testclient import TestClient

from core import CoreError, Session, today
from core.testing import Ran, html

from ..settings import Settings
from .alerts import rates_are_old
from .conftest import Add
from .jobs import fetch_rates
from .models import Rate
from .rates import SNAPSHOT, current, parse, snapshot

RunJob = Callable[[Callable[..., object]], Ran]
FILE = SNAPSHOT.read_bytes()


class Bank:
    """A bank on the loopback address: what it answers."""

    status, body = 200, FILE


@pytest.fixture
def bank(settings: Settings) -> Iterator[Bank]:
    """The settings lead to it."""
    found = Bank()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(found.status if self.path.endswith("?of=the-day") else 400)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        settings.rates_url = f"http://127.0.0.1:{server.server_port}/daily.xml?of=the-day"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        server.shutdown()


def test_the_rates_that_come_with_the_tool_are_the_bank_s_of_their_day() -> None:
    shipped = snapshot()
    assert (shipped.day, len(shipped.per_euro)) == (date(2026, 10, 30), 30)
    assert {name: str(shipped.per_euro[name]) for name in ("EUR", "USD", "JPY", "GBP", "IDR")} == {
        "EUR": "1", "USD": "1.1172", "JPY": "175.68", "GBP": "0.8338", "IDR": "20275.17",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html><body>Not found</body></html>", id="a page"),
        pytest.param(b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + FILE.partition(b"?>")[2], id="a document type"),
        pytest.param(FILE.replace(b"1.1172", b"-1"), id="a rate below zero"),
        pytest.param(FILE.replace(b"1.1172", b"Infinity"), id="a rate that makes everything free"),
        pytest.param(FILE.decode().replace("UTF-8", "UTF-16").encode("utf-16"), id="another encoding"),
        pytest.param(FILE.replace(b"2026-10-30", b"yesterday"), id="no day"),
        pytest.param(FILE[:700], id="half a file"),
    ],
)
def test_what_is_no_file_of_rates_is_refused(body: bytes) -> None:
    with pytest.raises(CoreError, match="no daily file of exchange rates"):
        parse(body)


def test_the_job_stores_the_rates_of_the_day(run_job: RunJob, bank: Bank, db: Session) -> None:
    bank.body = FILE.replace(b"2026-10-30", str(today()).encode()).replace(b"1.1172", b"1.2")
    ran = run_job(fetch_rates)
    assert ran.log == ["info: exchange rates: 30 new, 0 changed, 0 as before"]
    assert (current(db).day, current(db).per_euro["USD"]) == (today(), Decimal("1.2"))


def test_a_bank_that_fails_leaves_the_rates_as_they_are(run_job: RunJob, bank: Bank, db: Session) -> None:
    bank.status = 404
    ran = run_job(fetch_rates)
    assert "answered 404; the rates of before stay in use" in ran.log[0]
    assert current(db).day == snapshot().day


def test_old_rates_are_told_where_something_is_converted(client: TestClient, db: Session, add: Add) -> None:
    db.add(Rate(day=today() - timedelta(days=8), currency="USD", per_euro=Decimal("1.1")))
    add("acme.de", "5 EUR")
    assert (list(rates_are_old(db)), "To the job" in client.get("/costs").text) == ([], False)
    add("acme.com", "5 USD")
    assert [one.key for one in rates_are_old(db)] == ["exchange rates"]
    link = next(one for one in html(client.get("/costs")).all("main a") if one.text == "To the job")
    assert client.get(link.attribute("href")).status_code == 200


def test_the_day_of_the_rates_stands_beside_the_sums(client: TestClient, db: Session, add: Add) -> None:
    db.add(Rate(day=today(), currency="USD", per_euro=Decimal("1.25")))
    add("acme.com", "10 USD")
    assert f"of {today()}; as billed" in html(client.get("/costs")).one("main").text


def test_sums_are_told_in_the_currency_that_somebody_chose(client: TestClient, db: Session, add: Add) -> None:
    db.add(Rate(day=today(), currency="USD", per_euro=Decimal("1.25")))
    add("acme.com", "10 EUR")
    assert client.post("/costs/currency", data={"currency": "VND"}).status_code == 422
    client.post("/costs/currency", data={"currency": "USD"})
    assert html(client.get("/costs")).all("main .rounded-box > .text-xl")[0].text == "12.50"
    assert html(client.get("/costs/currency")).one("option[selected]").text == "USD"
