"""A job's own page: what it says, run with parameters, pause, resume; and what a run's page shows to whom."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from core import now
from core.audit import AuditEntry
from core.db import Database
from core.jobs import Job, JobRun, RunLog
from core.testing import html
from tests.web.asking import ClientAs, column, htmx

Add = Callable[..., None]
JOB = "shop.reprice"
DEFAULTS = {"item": None, "factor": 1.5, "note": "", "is_dry": True, "since": None, "mode": "all", "size": None}


@pytest.fixture
def ran(sell: Add) -> Add:
    """Puts an ended run into the history: `ran(state="failed")`."""

    def add(seconds: int = 3, **values: object) -> None:
        ends = {"started_at": now() - timedelta(seconds=seconds), "ended_at": now()}
        sell(JobRun.model_validate({"job": JOB, "started_by": "Ann", "state": "succeeded", **ends, **values}))

    return add


def asked(database: Database) -> list[JobRun]:
    with database.read() as db:
        return list(db.exec(select(JobRun).where(JobRun.job == JOB).order_by(col(JobRun.id))))


def facts(client: TestClient) -> dict[str, str]:
    page = html(client.get(f"/-/jobs/{JOB}"))
    return dict(zip([dt.text for dt in page.all("dt")], [dd.text for dd in page.all("dd")], strict=True))


def test_a_jobs_page_says_its_policy_in_words(client: TestClient) -> None:
    said = facts(client)
    assert said["When"] == "At 06:00 every day (UTC) 0 6 * * *"
    assert said["Retries"] == "2, the first 30 s after a failure, each later one after twice the pause, an hour at most"
    assert said["Overlap"].startswith("never beside itself")
    assert said["Missed"].endswith("are made up for by one run at its start")
    assert (said["Time limit"], said["May run it"]) == ("3,600 s, then it is ended", "operator")


def test_a_jobs_page_names_the_next_time(client: TestClient) -> None:
    moment = html(client.get(f"/-/jobs/{JOB}")).one("dd time")
    at = datetime.fromisoformat(moment.attribute("datetime"))
    assert at > now() and at.astimezone(UTC).hour == 6


def test_a_job_by_hand_has_no_times_and_cannot_be_paused(client: TestClient) -> None:
    page = html(client.get("/-/jobs/shop.stocktake"))
    assert page.all("dd")[0].text == "by hand only"
    assert page.all('form[action$="/pause"]') == [] and page.all("#run_with") == []


def test_a_job_that_is_not_there_has_no_page(client: TestClient) -> None:
    assert client.get("/-/jobs/nothing.here").status_code == 404


def test_the_history_is_drawn_oldest_first_with_a_mark_at_what_failed(client: TestClient, ran: Add) -> None:
    ran(30)
    ran(3, state="failed")
    chart = html(client.get(f"/-/jobs/{JOB}")).one("#history")
    assert [title.text for title in chart.all("title")] == ["#1 succeeded, 30.0 s", "#2 failed, 3.0 s"]
    assert [len(bar.all("path")) for bar in chart.all("g")] == [0, 1]
    assert chart.attribute("aria-label").startswith("The last 2 runs: 1 succeeded, 1 did not; the longest took 30.0 s")


def test_a_jobs_page_lists_its_own_runs(client: TestClient, ran: Add) -> None:
    ran(id=7)
    ran(id=8, job="services.check")
    assert column(html(client.get(f"/-/jobs/{JOB}"))) == ["#7"]


def test_a_run_without_parameters_has_the_defaults(client: TestClient, database: Database) -> None:
    assert client.post(f"/-/jobs/{JOB}/run").status_code == 303
    assert [run.params for run in asked(database)] == [DEFAULTS]


def test_the_form_has_an_input_for_each_parameter(client: TestClient) -> None:
    form = html(client.get(f"/-/jobs/{JOB}")).one("#run_with form")
    shown = {one.attribute("name"): one.attribute("type") for one in form.all("[id^=f-]")}
    assert shown == {
        "item": "number", "factor": "number", "note": "text", "is_dry": "", "since": "date", "mode": "", "size": "",
    }  # fmt: skip
    assert form.one("[name=factor]").attribute("value") == "1.5"
    assert form.one("[name=is_dry] option[selected]").text == "yes"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ({"item": "3", "factor": "2"}, {"item": 3, "factor": 2.0}),
        ({"is_dry": "false", "note": " a "}, {"is_dry": False, "note": "a"}),
        ({"since": "2026-05-01", "mode": "new"}, {"since": "2026-05-01", "mode": "new"}),
        ({"size": "very_big"}, {"size": "very_big"}),
        ({"item": "", "is_dry": ""}, {}),
    ],
    ids=["numbers", "flag and text", "date and literal", "enum", "empty"],
)
def test_parameters_are_kept_with_the_run(
    client: TestClient, database: Database, typed: dict[str, str], kept: dict[str, object]
) -> None:
    client.post(f"/-/jobs/{JOB}/run", data=typed)
    assert [run.params for run in asked(database)] == [{**DEFAULTS, **kept}]


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"item": "many"}, "item", "Should be a valid integer, unable to parse string as an integer."),
        ({"factor": "-1"}, "factor", "Should be greater than or equal to 0."),
        ({"since": "yesterday"}, "since", "Should be a valid date"),
        ({"mode": "some"}, "mode", "'some' is not one of the choices."),
    ],
    ids=["number", "bound", "date", "choice"],
)
def test_a_parameter_that_does_not_fit_is_told_beside_its_input(
    client: TestClient, database: Database, typed: dict[str, str], field: str, said: str
) -> None:
    answer = client.post(f"/-/jobs/{JOB}/run", data=typed, headers=htmx("details#run_with"))
    block = html(answer).one("#run_with")
    assert (answer.status_code, block.node.has_attr("open"), asked(database)) == (422, True, [])
    assert said in block.one(f"#f-{field}-error").text
    assert block.one(f"[name={field}]").attribute("aria-invalid") == "true"


def test_without_htmx_a_wrong_parameter_answers_with_the_page(client: TestClient) -> None:
    answer = client.post(f"/-/jobs/{JOB}/run", data={"item": "many"})
    assert answer.status_code == 422
    assert html(answer).one("h1").text == JOB and html(answer).one("#f-item-error")


def test_a_parameter_that_the_job_does_not_have_is_refused(client: TestClient, database: Database) -> None:
    answer = client.post(f"/-/jobs/{JOB}/run", data={"itm": "3"})
    assert "shop.reprice has no parameter 'itm'; it has item, factor," in html(answer).one("[role=alert]").text
    plain = client.post("/-/jobs/shop.stocktake/run", data={"itm": "3"})
    assert "shop.stocktake has no parameter 'itm'; it has none." in html(plain).one("main [role=alert]").text
    assert asked(database) == []


def test_a_runs_page_shows_its_parameters_and_runs_again_with_them(
    client: TestClient, ran: Add, database: Database
) -> None:
    ran(id=7, params={"item": 3, "is_dry": False, "since": None})
    page = html(client.get("/-/jobs/runs/7"))
    assert page.one("#run-params").text == "item 3 is_dry False since —"
    again = page.one('form[action$="/run"]')
    client.post(f"/-/jobs/{JOB}/run", data={i.attribute("name"): i.attribute("value") for i in again.all("input")})
    assert asked(database)[1].params == {**DEFAULTS, "item": 3, "is_dry": False}


def test_a_paused_job_says_by_whom_on_both_pages_and_is_resumed(client: TestClient, database: Database) -> None:
    assert client.post(f"/-/jobs/{JOB}/pause").headers["location"] == f"/-/jobs/{JOB}"
    page = html(client.get(f"/-/jobs/{JOB}"))
    assert "Paused by admin" in page.one("#paused").text and facts(client)["Next"] == "not while it is paused"
    assert "paused" in next(s.text for s in html(client.get("/-/jobs")).all("#jobs tbody tr") if JOB in s.text)
    resume = page.one('form[action$="/pause"]')
    client.post(resume.attribute("action"), data={resume.one("input").attribute("name"): "1"})
    assert html(client.get(f"/-/jobs/{JOB}")).all("#paused") == []
    with database.read() as db:
        assert db.get_one(Job, JOB).since > now() - timedelta(seconds=10)


def test_running_a_paused_job_by_hand_says_that_it_is_paused(client: TestClient, database: Database) -> None:
    client.post(f"/-/jobs/{JOB}/pause")
    answer = client.post(f"/-/jobs/{JOB}/run")
    client.cookies.update(answer.cookies)
    assert "it is paused" in html(client.get(answer.headers["location"])).one("#toasts [data-text]").text
    assert len(asked(database)) == 1


def test_a_run_that_waits_for_a_job_that_is_gone_can_be_cancelled(client: TestClient, ran: Add) -> None:
    ran(id=7, job="shop.gone", state="queued", started_at=None, ended_at=None)
    cancel = html(client.get("/-/jobs/runs/7")).one('main form[action$="/cancel"]')
    assert client.post(cancel.attribute("action")).status_code == 303
    assert html(client.get("/-/jobs/runs/7")).one("#run-state").text == "cancelled"


def test_what_people_do_with_jobs_is_audited(client: TestClient, database: Database) -> None:
    client.post(f"/-/jobs/{JOB}/pause")
    client.post(f"/-/jobs/{JOB}/run", data={"item": "3"})
    client.post(f"/-/jobs/runs/{asked(database)[0].id}/cancel")
    with database.read() as db:
        told = [(e.did, e.actor, e.table) for e in db.exec(select(AuditEntry).where(AuditEntry.actor == "admin"))]
    assert told == [
        ("Pause a job, or resume it.", "admin", "core_job"), ("Run a job now.", "admin", "core_run"),
        ("Cancel a run.", "admin", "core_run"),
    ]  # fmt: skip


@pytest.mark.parametrize("deed", ["run", "pause"])
def test_a_viewer_looks_at_a_job_but_does_nothing_with_it(client_as: ClientAs, deed: str) -> None:
    viewer = client_as("viewer")
    assert html(viewer.get(f"/-/jobs/{JOB}")).all("main form[method=post]") == []
    assert viewer.post(f"/-/jobs/{JOB}/{deed}").status_code == 403


@pytest.mark.parametrize(("role", "tracebacks"), [("viewer", 0), ("operator", 1), ("admin", 1)])
def test_a_traceback_is_not_shown_to_viewers(
    client_as: ClientAs, ran: Add, sell: Add, role: str, tracebacks: int
) -> None:
    ran(id=7, state="failed")
    sell(RunLog(run_id=7, at=now(), level="error", text="KeyError: 'x'", detail="Traceback: the secret\nline"))
    page = html(client_as(role).get("/-/jobs/runs/7"))
    assert len(page.all("#run-log details")) == tracebacks
    assert ("the secret" in page.text, "KeyError: 'x'" in page.text) == (bool(tracebacks), True)


def test_failed_steps_are_listed_by_themselves(client: TestClient, ran: Add, sell: Add) -> None:
    ran(id=7, state="failed")
    shared = {"run_id": 7, "at": now()}
    sell(RunLog(**shared, level="info", text="a: read", step="a"), RunLog(**shared, level="error", text="a bug"))
    sell(RunLog(**shared, level="error", text="b: silent", step="b"))
    failed = html(client.get("/-/jobs/runs/7")).one("#run-failed")
    assert ([dt.text for dt in failed.all("dt")], [dd.text for dd in failed.all("dd")]) == (["b"], ["silent"])


def test_a_run_that_goes_lists_its_last_steps_and_polls_without_news(client: TestClient, ran: Add) -> None:
    ran(id=7, state="running", ended_at=None, beat_at=now(), steps=[["a", "done"], ["b", "failed"], ["c", "going"]])
    first = client.get("/-/jobs/runs/7", headers=htmx("div#run"))
    assert [li.text for li in html(first).all("#run-steps li")] == ["done a", "failed b", "going c"]
    again = client.get("/-/jobs/runs/7", headers={**htmx("div#run"), "If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
