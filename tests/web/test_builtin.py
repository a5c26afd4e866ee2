"""The built-in pages: jobs and their runs, the gallery."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from core import now
from core.db import Database
from core.jobs import JobRun, RunLog
from core.testing import html
from tests.web.asking import ClientAs, column, htmx

Add = Callable[..., None]
JOB = "services.check"


@pytest.fixture
def run(sell: Add) -> Add:
    """Puts a run into the history: `run(id=7, state="failed")`."""

    def add(**values: object) -> None:
        given = {"id": 7, "job": JOB, "started_by": "Ann", "queued_at": now() - timedelta(minutes=5), **values}
        sell(JobRun.model_validate(given))

    return add


def test_every_job_says_what_it_does_and_when(client: TestClient) -> None:
    card = html(client.get("/-/jobs")).all("#jobs tbody tr")[0]
    assert card.one("th a").text == JOB
    assert "Ask every service whether it answers." in card.text
    assert card.one("code").text == "every 5m"
    assert card.one("time[data-time=ago]")
    assert "not yet" in card.text


def test_no_run_yet_says_how_to_get_one(client: TestClient) -> None:
    assert "No job has run yet." in html(client.get("/-/jobs")).one("#runs").text


def test_the_last_run_is_shown_with_its_state(client: TestClient, run: Add) -> None:
    run(state="failed", error="the registry refused", ended_at=now(), started_at=now() - timedelta(seconds=12))
    page = html(client.get("/-/jobs"))
    assert page.one('#jobs a[href="/-/jobs/runs/7"]').text == "failed"
    assert page.one('main a[href="#runs"]').text == "Runs"
    runs = page.one("#runs")
    assert column(runs, 3) == ["failed the registry refused"]
    assert column(runs, 5) == ["12 s"]
    assert page.one("#runs tbody th a").attribute("href") == "/-/jobs/runs/7"


def test_a_job_can_be_run_now(client: TestClient, database: Database) -> None:
    answer = client.post(f"/-/jobs/{JOB}/run")
    with database.read() as db:
        asked = db.exec(select(JobRun)).one()
    assert answer.headers["location"] == f"/-/jobs/runs/{asked.id}"
    assert (asked.job, asked.started_by, asked.due_at) == (JOB, "admin", None)


def test_a_job_that_is_not_there_cannot_be_run(client: TestClient) -> None:
    assert client.post("/-/jobs/nothing.here/run").status_code == 404
    assert client.get("/-/jobs/runs/99").status_code == 404


def test_a_viewer_sees_runs_but_starts_none(client_as: ClientAs, run: Add) -> None:
    run(state="running", started_at=now())
    viewer = client_as("viewer")
    assert html(viewer.get("/-/jobs")).all('form[action$="/run"]') == []
    assert html(viewer.get("/-/jobs/runs/7")).all("main form") == []
    assert viewer.post(f"/-/jobs/{JOB}/run").status_code == viewer.post("/-/jobs/runs/7/cancel").status_code == 403


def test_a_job_may_ask_for_more_than_an_operator(client_as: ClientAs, database: Database) -> None:
    page, answer = html(client_as("operator").get("/-/jobs")), client_as("operator").post("/-/jobs/shop.stocktake/run")
    assert page.all('form[action*="stocktake"]') == []
    assert "by hand" in next(card.text for card in page.all("#jobs tbody tr") if "shop.stocktake" in card.text)
    assert "Running shop.stocktake needs the role admin; operator is operator." in html(answer).one("main").text
    assert client_as("admin").post("/-/jobs/shop.stocktake/run").status_code == 303


@pytest.mark.parametrize(
    ("state", "polls", "button"),
    [("queued", True, "cancel"), ("running", True, "cancel"), ("succeeded", False, "run"), ("failed", False, "run"),
     ("timed out", False, "run"), ("cancelled", False, "run"), ("interrupted", False, "run")],
)  # fmt: skip
def test_a_run_asks_again_only_while_it_lives(
    state: str, polls: bool, button: str, client: TestClient, run: Add
) -> None:
    run(state=state, started_at=now(), ended_at=None if polls else now(), total=10, done=3)
    block = html(client.get("/-/jobs/runs/7", headers=htmx("div#run"))).one("#run")
    assert block.attribute("hx-trigger") == ("every 1s" if polls else "")
    assert block.attribute("hx-get") == ("/-/jobs/runs/7" if polls else "")
    assert block.one("form").attribute("action").endswith(f"/{button}")
    assert block.one("#run-state").text == state
    assert (block.one("progress").attribute("value"), block.one("progress").attribute("max")) == ("3", "10")


def test_a_runs_log_is_shown_in_order_and_as_text(client: TestClient, run: Add, sell: Add) -> None:
    run(state="failed", failures=2)
    sell(RunLog(run_id=7, at=now(), level="info", text="<b>first</b>"))
    sell(RunLog(run_id=7, at=now(), level="error", text="second"))
    page = html(client.get("/-/jobs/runs/7"))
    assert [line.all("span")[2].text for line in page.all("ol li")] == ["<b>first</b>", "second"]
    assert "failed" in page.one("#run").text
    assert page.one("h1").text == f"{JOB} #7"


def test_a_poll_of_a_run_that_has_not_moved_is_empty(client: TestClient, run: Add) -> None:
    run(state="queued")
    first = client.get("/-/jobs/runs/7", headers=htmx("div#run"))
    again = client.get("/-/jobs/runs/7", headers={**htmx("div#run"), "If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_a_queued_run_is_cancelled(client: TestClient, run: Add, database: Database) -> None:
    run(state="queued", not_before=now() + timedelta(hours=1))
    answer = client.post("/-/jobs/runs/7/cancel", headers=htmx("div#run"))
    with database.read() as db:
        after = db.exec(select(JobRun).where(col(JobRun.id) == 7)).one()
    assert (answer.status_code, answer.headers["location"]) == (303, "/-/jobs/runs/7")
    assert after.state == "cancelled" or after.cancel_asked_by == "admin"


def test_a_run_that_is_over_stays_as_it_is(client: TestClient, run: Add, database: Database) -> None:
    run(state="succeeded", ended_at=now())
    client.cookies.update(client.post("/-/jobs/runs/7/cancel").cookies)
    page = html(client.get("/-/jobs/runs/7"))
    assert page.one("#toasts [data-text]").text == "The run had ended already"
    assert page.one("#run-state").text == "succeeded"


def test_runs_can_be_filtered_by_job_and_state(client: TestClient, run: Add) -> None:
    run(id=7, state="failed")
    run(id=8, state="succeeded")
    page = html(client.get("/-/jobs?state=failed"))
    assert column(page.one("#runs")) == ["#7"]
    boxes = page.all("[type=checkbox][name=state]")
    assert [(box.attribute("value"), "checked" in box.node.attrs) for box in boxes] == [
        ("none", False),
        ("*", False),
        ("failed", True),
        ("succeeded", False),
    ]


def test_a_run_of_a_job_that_is_gone_is_still_shown(client: TestClient, run: Add) -> None:
    run(job="gone.job", state="failed", ended_at=now())
    page = html(client.get("/-/jobs/runs/7"))
    assert page.one("h1").text == "gone.job #7"
    assert page.all("main form") == []


def test_the_gallery_is_for_admins(client_as: ClientAs) -> None:
    assert client_as("operator").get("/-/ui").status_code == 403
    assert html(client_as("admin").get("/-/ui")).all("table.rows")


def test_every_link_of_the_gallery_leads_somewhere(client: TestClient) -> None:
    links = {a.attribute("href").partition("?")[0] for a in html(client.get("/-/ui")).all("main a[href^='/']")}
    assert {path: client.get(path).status_code for path in links} == dict.fromkeys(links, 200)


def test_the_api_page_needs_a_sign_in_but_no_role(client_as: ClientAs) -> None:
    assert client_as("viewer").get("/-/api").status_code == 200
