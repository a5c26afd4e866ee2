"""The alerts pages: what is wrong, who knows of it, who hears of it."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import select
from starlette.testclient import TestClient

from core import auth, marks
from core.alerts import Found, Message, forget
from core.builtin.alerts.findings import GIVEN_UP_AFTER, deliver, failing
from core.db import Database, Session
from core.jobs import FIRST_RETRY, LONGEST_RETRY, Job, JobRun
from core.settings import Channel, Settings
from core.testing import TESTER, Ran, html
from core.time import in_days, now, today
from tests.web.asking import ClientAs


@pytest.fixture
def wrong(database: Database) -> Callable[..., int]:
    """Writes a finding: `wrong(critical=True)`; its id."""

    def add(**values: Any) -> int:
        row = Found(
            **{"alert": "shop.empty", "key": "chairs", "text": "sold out", **values}, opened_at=now(), told_at=now()
        )
        with database.write(TESTER) as db:
            db.add(row)
        return row.id or 0

    return add


class Hook(BaseHTTPRequestHandler):
    """A webhook that takes messages, or answers 500 while it is `broken`."""

    received: list[dict[str, str]]
    broken = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if type(self).broken else 200)
        self.end_headers()
        if not type(self).broken:
            type(self).received.append(json.loads(body))

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[type[Hook]]:
    """A webhook on this machine; `hook.address` is Apprise's for it."""

    class Own(Hook):
        received: list[dict[str, str]] = []  # noqa: RUF012 - the handler is made anew for each request

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    Own.address = f"json://127.0.0.1:{server.server_port}/"  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    yield Own
    server.shutdown()
    server.server_close()


@pytest.fixture
def message(database: Database, settings: Settings) -> Callable[[str], None]:
    """Leaves a message for a channel at this address, the only one."""

    def put(address: str) -> None:
        settings.notify = [Channel(name="ops", url=SecretStr(address))]
        with database.write(TESTER) as db:
            db.add(Message(channel="ops", title="2 new", body="chairs: sold out"))

    return put


def test_the_menu_counts_what_wants_attention(client: TestClient, wrong: Callable[..., int]) -> None:
    wrong(), wrong(key="tables", acknowledged_by="ann"), wrong(key="lamps", resolved_at=now())
    assert html(client.get("/shop")).all('nav a[href="/-/alerts"]')[0].text == "Alerts 1"


def test_what_is_acknowledged_comes_after_what_waits(client: TestClient, wrong: Callable[..., int]) -> None:
    wrong(), wrong(key="tables", critical=True, acknowledged_by="ann"), wrong(key="lamps", critical=True)
    shown = html(client.get("/-/alerts")).all("#findings tbody th")
    assert [cell.text for cell in shown] == ["lamps", "chairs", "tables"]


def test_a_sentence_is_told_whole(client: TestClient, wrong: Callable[..., int]) -> None:
    wrong(text=(said := "it is sold out, and whoever makes it says that it takes 37 days. Order it any day."))
    assert html(client.get("/-/alerts")).one("#findings tbody td.prose").text == said


def test_before_the_first_alert_has_run_nothing_is_called_well(client: TestClient, database: Database) -> None:
    before = html(client.get("/-/alerts")).one("#findings")
    assert "2 alerts have not looked yet; the first is due" in before.text and before.all("time[data-time=ago]")
    with database.write(TESTER) as db:
        for name in ("services.down", "core.failing"):
            db.add(JobRun(job=name, state="succeeded", started_by="clock", queued_at=now(), ended_at=now()))
    assert "Nothing is wrong." in html(client.get("/-/alerts")).one("#findings").text


def test_an_acknowledged_finding_says_by_whom(client: TestClient, wrong: Callable[..., int]) -> None:
    asked = html(client.post("/-/alerts/acknowledge", data={"key": wrong()}))
    assert "This is about 1 row" in asked.one("main").text
    client.post("/-/alerts/acknowledge", data={"key": 1, "confirmed": 1})
    assert "acknowledged admin" in html(client.get("/-/alerts")).one("#findings tbody tr").text


def test_a_finding_is_muted_until_a_date_and_unmuted(client: TestClient, wrong: Callable[..., int]) -> None:
    picked, until = {"key": wrong(), "confirmed": 1}, today() + timedelta(days=3)
    client.post("/-/alerts/mute", data={**picked, "muted_until": str(until)})
    assert f"muted until {until}" in html(client.get("/-/alerts")).one("#findings tbody tr").text
    client.post("/-/alerts/mute", data=picked)
    assert "open" in html(client.get("/-/alerts")).one("#findings tbody tr").text


def test_a_muted_finding_is_heard_again_on_its_day(
    client: TestClient, wrong: Callable[..., int], clock: Callable[[str], None]
) -> None:
    clock("2027-03-15")
    wrong(muted_until=date(2027, 3, 17))
    clock("2027-03-16 23:59")
    assert "muted until 2027-03-17" in html(client.get("/-/alerts")).one("#findings tbody tr").text
    clock("2027-03-17")
    assert html(client.get("/-/alerts")).one("#findings tbody tr").text == "chairs sold out open shop.empty 2 days ago"


def test_the_app_is_well_whatever_time_a_test_says_it_is(client: TestClient, clock: Callable[[str], None]) -> None:
    clock("2037-03-15")
    assert client.get("/-/health").status_code == 200


def test_a_date_that_is_none_is_refused(client: TestClient, wrong: Callable[..., int]) -> None:
    answer = client.post("/-/alerts/mute", data={"key": wrong(), "confirmed": 1, "muted_until": "soon"})
    assert (answer.status_code, html(answer).one("#f-muted_until").attribute("value")) == (422, "soon")


def test_what_is_resolved_has_a_page_of_its_own(client: TestClient, wrong: Callable[..., int]) -> None:
    wrong(), wrong(key="tables", resolved_at=now())
    assert html(client.get("/-/alerts")).one("#findings tbody th").text == "chairs"
    assert html(client.get("/-/alerts?resolved=true")).one("#findings tbody th").text == "tables"


def test_a_viewer_may_look_but_not_acknowledge(
    client_as: Callable[[str], TestClient], wrong: Callable[..., int]
) -> None:
    viewer, id = client_as("viewer"), wrong()
    assert "Acknowledge" not in html(viewer.get("/-/alerts")).one("main").text
    assert viewer.post("/-/alerts/acknowledge", data={"key": id}).status_code == 403


def test_findings_with_a_day_are_a_calendar_for_who_has_its_address(
    browser_as: ClientAs, served: TestClient, wrong: Callable[..., int]
) -> None:
    wrong(on=today()), wrong(key="tables"), wrong(key="lamps", on=today(), resolved_at=now())
    address = html(browser_as("viewer").post("/-/alerts/calendar")).one("code").text
    answer = served.get(address.partition("//")[2].partition("/")[2].join(["/", ""]))
    assert answer.headers["content-type"].startswith("text/calendar")
    assert [line for line in answer.text.splitlines() if line.startswith("SUMMARY")] == ["SUMMARY:chairs: sold out"]


def test_a_calendar_ends_with_the_person_who_made_it(
    client: TestClient, browser_as: ClientAs, served: TestClient, wrong: Callable[..., int]
) -> None:
    address = html(browser_as("viewer").post("/-/alerts/calendar")).one("code").text
    client.post("/-/people/1/disable")
    assert served.get(f"/{address.partition('//')[2].partition('/')[2]}").status_code == 404


def test_a_program_makes_no_calendar_that_outlives_it(client: TestClient, db: Session) -> None:
    refused = client.post("/-/alerts/calendar")
    assert (refused.status_code, "sign in as a person" in html(refused).one("main").text) == (403, True)
    assert db.exec(select(auth.Token.name)).all() == ["admin"]  # its own


def test_a_calendar_with_a_wrong_secret_is_not_there(served: TestClient) -> None:
    assert served.get("/-/alerts/calendar/guess").status_code == 404


@pytest.mark.parametrize(("scopes", "status"), [("/shop", 404), ("", 200), ("/-/alerts", 200)])
def test_a_token_opens_the_calendar_within_its_scopes(
    scopes: str, status: int, served: TestClient, database: Database
) -> None:
    with database.write(TESTER) as db:
        secret = auth.make_token(db, "robot", "viewer", scopes=scopes)
    assert served.get(f"/-/alerts/calendar/{secret}").status_code == status


def test_a_channel_is_tried(client: TestClient, hook: Any, message: Callable[[str], None]) -> None:
    message(hook.address)
    assert client.post("/-/alerts/test", data={"channel": "ops"}).status_code == 303
    assert [said["message"] for said in hook.received] == ["This channel works."]


@pytest.mark.parametrize(
    "address", ["json://127.0.0.1:9/", "tgram://hunter2secret/"], ids=["nobody there", "no address"]
)
def test_a_channel_that_cannot_be_reached_says_so(
    address: str, client: TestClient, message: Callable[[str], None]
) -> None:
    message(address)
    answer = client.post("/-/alerts/test", data={"channel": "ops"})
    assert (answer.status_code, "ops: the message did not go out" in answer.text) == (502, True)
    assert "hunter2secret" not in answer.text


def test_a_channel_that_is_not_there_is_said(client: TestClient) -> None:
    assert client.post("/-/alerts/test", data={"channel": "ops"}).status_code == 404


def test_the_address_of_a_channel_is_never_shown(client: TestClient, message: Callable[[str], None]) -> None:
    message("json://user:hunter2secret@127.0.0.1:9/")
    assert "ops" in html(client.get("/-/alerts")).one("main").text
    assert "hunter2secret" not in client.get("/-/alerts").text + client.get("/-/settings").text


def test_only_an_admin_tries_a_channel(client_as: Callable[[str], TestClient]) -> None:
    assert client_as("operator").post("/-/alerts/test", data={"channel": "ops"}).status_code == 403


def test_a_delivery_sends_each_message_once(
    hook: Any, message: Callable[[str], None], run_job: Callable[..., Ran]
) -> None:
    message(hook.address)
    run_job(deliver), run_job(deliver)
    assert [said["title"] for said in hook.received] == ["2 new"]


def test_a_channel_that_fails_holds_up_no_other(
    database: Database, settings: Settings, hook: Any, message: Callable[[str], None], run_job: Callable[..., Ran]
) -> None:
    message("json://127.0.0.1:9/"), message("json://127.0.0.1:9/")
    settings.notify.append(Channel(name="chat", url=SecretStr(hook.address)))
    with database.write(TESTER) as db:
        db.add(Message(channel="chat", title="later", body="b"))
    assert run_job(deliver).failures == 1
    assert [said["title"] for said in hook.received] == ["later"]


def test_a_message_whose_sending_was_killed_is_at_the_end_of_the_next_run(
    database: Database, hook: Any, message: Callable[[str], None], run_job: Callable[..., Ran]
) -> None:
    message(hook.address)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("core.builtin.alerts.findings.send", lambda *_: sys.exit(9))
        run_job(deliver)
    with database.write(TESTER) as db:
        db.add(Message(channel="ops", title="later", body="b"))
    run_job(deliver)
    assert [said["title"] for said in hook.received] == ["later", "2 new"]


def test_a_message_is_tried_for_as_long_as_it_is_kept() -> None:
    mark = marks.of(deliver)
    assert isinstance(mark, marks.JobMark)
    pauses = [min(FIRST_RETRY * 2 ** min(n, 10), LONGEST_RETRY) for n in range(mark.retries)]
    assert sum(pauses, timedelta()) > GIVEN_UP_AFTER


def test_a_failed_delivery_is_seen_and_tried_again(
    database: Database,
    hook: Any,
    message: Callable[[str], None],
    run_job: Callable[..., Ran],
    client: TestClient,
) -> None:
    message(hook.address)
    hook.broken = True
    assert run_job(deliver).failures == 1
    assert "2 new" in client.get("/-/alerts").text
    hook.broken = False
    run_job(deliver)
    with database.read() as db:
        sent = db.exec(select(Message)).one()
    assert (sent.sent_at is not None, sent.tries, sent.error) == (True, 2, "")


FAILED, DONE = "failed", "succeeded"


@pytest.mark.parametrize(
    ("states", "found"),
    [
        pytest.param([], [], id="not-yet"),
        pytest.param([FAILED, FAILED], [], id="twice-ever"),
        pytest.param([DONE, FAILED, FAILED], [], id="twice"),
        pytest.param([DONE, FAILED, "timed out", FAILED], ["shop.count: failed: no answer"], id="three-times"),
        pytest.param([FAILED, FAILED, "by hand", FAILED], [], id="by-hand-between"),
        pytest.param([FAILED, FAILED, FAILED, "by hand"], [], id="by-hand-after"),
        pytest.param([FAILED, FAILED, FAILED, "running"], ["shop.count: failed: no answer"], id="running-again"),
    ],
)
def test_a_job_that_has_not_succeeded_at_its_last_three_due_times_is_a_finding(
    states: list[str], found: list[str], db: Session
) -> None:
    db.add(Job(name="shop.count", since=now()))
    for hour, state in enumerate(states):
        is_due = state != "by hand"
        run = JobRun(job="shop.count", started_by="schedule", state=state if is_due else DONE)
        run.due_at, run.error = now() + timedelta(hours=hour) if is_due else None, "no answer" * (state == FAILED)
        db.add(run)
        db.flush()
    assert [f"{one.key}: {one.text}" for one in failing(db)] == found


def test_a_paused_job_and_one_that_is_gone_are_no_findings(db: Session) -> None:
    for name, paused_at in (("shop.count", now()), ("shop.gone", None)):
        db.add(Job(name=name, since=now(), paused_at=paused_at))
        db.add_all(JobRun(job=name, started_by="schedule", state=FAILED, due_at=in_days(n)) for n in range(3))
    db.flush()
    forget(db, ["shop.other"])
    assert list(failing(db)) == []
    assert [job.name for job in db.execute(select(Job)).scalars()] == ["shop.count"]
