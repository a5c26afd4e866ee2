from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from inspect import Parameter, Signature
from typing import Any, Literal

import pytest
from sqlalchemy import insert, select
from sqlmodel import col
from structlog.testing import capture_logs

from core import DB, CoreError, Run, job
from core.audit import AuditEntry
from core.db import Database
from core.errors import DeclarationError
from core.jobs import FIRST_RETRY, LONGEST_RETRY, DeclaredJob, JobRun, RunLog, arguments_of, settle, told
from core.testing import TESTER
from core.time import now
from tests.core.sample_jobs import add_services, declared
from tests.core.samples import Item

Audited = Callable[[], list[AuditEntry]]


@pytest.fixture
def run(store: Database) -> Run:
    """A run that is under way."""
    with store.write(TESTER) as db:
        row = JobRun(job="tests.tidy", state="running", started_by="ann", beat_at=now())
        db.add(row)
        db.flush()
        id = row.id or 0
    return Run(store, id, job="tests.tidy", did="Tidy up.")


def row(store: Database, run: Run) -> JobRun:
    with store.read() as db:
        return db.get_one(JobRun, run.id)


def lines(store: Database) -> list[tuple[str, str]]:
    with store.read() as db:
        return [(line.level, line.text) for line in db.execute(select(RunLog).order_by(col(RunLog.id))).scalars()]


def names(store: Database) -> list[str]:
    with store.read() as db:
        return list(db.execute(select(col(Item.name)).order_by(col(Item.name))).scalars())


@pytest.mark.parametrize(
    ("items", "total", "size", "done"),
    [
        (["a", "b"], None, 2, 2),
        ([], None, 0, 0),
        ((one for one in "abc"), None, 0, 3),
        (iter("a"), 5, 5, 1),
        (iter(""), 5, 5, 0),
    ],
    ids=["list", "empty", "iterator", "fewer than told", "none of those told"],
)
def test_tracking_counts_what_is_done(
    store: Database, run: Run, items: Iterator[str], total: int | None, size: int, done: int
) -> None:
    list(run.track(items, total=total))
    after = row(store, run)
    assert (after.total, after.done, after.doing) == (size, done, "")


def test_tracking_says_what_it_is_doing_but_not_too_often(store: Database, run: Run) -> None:
    seen = [(row(store, run).doing, row(store, run).done) for _ in run.track(["a", "b", "c"])]
    assert seen == [("a", 0), ("a", 0), ("a", 0)]
    assert row(store, run).done == 3


def test_progress_is_told_when_a_while_has_passed(store: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.PROGRESS_EVERY_S", 0)
    seen = [(row(store, run).doing, row(store, run).done) for _ in run.track(["a", 7, object()])]
    assert seen == [("a", 0), ("7", 1), ("", 2)]


def test_a_step_commits_its_data_with_its_log(store: Database, run: Run, audited: Audited) -> None:
    with run.step("first") as step:
        step.write(insert(Item).values(name="a"))
        step.upsert(Item, [{"name": "b"}, {"name": "a"}], key="name")
        step.call(lambda db: db.add(Item(name="c")))
        step.log("three ways to write")
        assert names(store) == []
    assert names(store) == ["a", "b", "c"]
    assert lines(store) == [("info", "three ways to write"), ("info", "first: 1 new, 0 changed, 1 as before")]
    assert row(store, run).doing == "first"
    assert {(e.actor, e.actor_kind, e.request_id, e.did) for e in audited()} == {
        ("tests.tidy", "job", f"run-{run.id}", "Tidy up.")
    }


def test_a_step_may_commit_in_parts_and_a_failure_keeps_the_parts(store: Database, run: Run) -> None:
    with capture_logs(), run.step("first") as step:
        step.upsert(Item, [{"name": "a"}], key="name")
        step.commit()
        assert names(store) == ["a"]
        step.upsert(Item, [{"name": "b"}], key="name")
        step.write(insert(Item).values(name="a"))
    assert names(store) == ["a"]
    assert [text[:16] for _, text in lines(store)] == ["first: 1 new, 0 ", "first: Integrity"]


def test_a_step_holds_no_transaction_while_it_works(store: Database, run: Run, again: Callable[..., Database]) -> None:
    with run.step("first") as step:
        step.write(insert(Item).values(name="a"))
        with again(wait_s=0.1).write(TESTER) as db:
            db.add(Item(name="b"))
    assert names(store) == ["a", "b"]


def test_a_step_that_fails_writes_nothing_but_its_log(store: Database, run: Run) -> None:
    with capture_logs() as logs, run.step("first") as step:
        step.write(insert(Item).values(name="a"))
        step.log("so far so good")
        raise ZeroDivisionError("of nothing")
    assert names(store) == [] and run.failures == row(store, run).failures == 1
    assert lines(store) == [("info", "so far so good"), ("error", "first: ZeroDivisionError: of nothing")]
    assert [(line["event"], line["exc_info"]) for line in logs] == [("step failed", True)]


def test_a_step_that_fails_in_its_commit_does_not_say_what_it_would_have_done(store: Database, run: Run) -> None:
    with capture_logs(), run.step("first") as step:
        step.upsert(Item, [{"name": "a"}], key="name")
        step.write(insert(Item).values(name="a"))
    assert names(store) == []
    assert [text[:22] for _, text in lines(store)] == ["first: IntegrityError:"]


def test_a_known_failure_is_told_in_its_own_words(store: Database, run: Run) -> None:
    with run.step("first"):
        raise CoreError("the registry is silent")
    assert lines(store) == [("error", "first: the registry is silent")]


def test_failed_steps_are_counted_and_the_next_go_on(store: Database, run: Run) -> None:
    with capture_logs(), run.step("a") as step:
        step.call(lambda _: 1 / 0)
    with capture_logs(), run.step("b") as step:
        step.call(lambda _: 1 / 0)
    with run.step("c") as step:
        step.write(insert(Item).values(name="c"))
    assert (run.failures, row(store, run).failures, names(store)) == (2, 2, ["c"])


def test_a_run_logs_at_once(store: Database, run: Run) -> None:
    run.log("hello", level="warning")
    assert lines(store) == [("warning", "hello")]


@pytest.mark.parametrize(
    ("error", "line", "detail"),
    [(CoreError("no account"), "no account", ""), (ValueError("x\ny"), "ValueError: x", "ValueError: x\ny\n")],
    ids=["known", "bug"],
)
def test_a_failure_is_one_line_and_a_traceback_for_who_may_see_it(error: Exception, line: str, detail: str) -> None:
    assert told(error) == (line, detail)


@pytest.mark.parametrize(
    ("attempt", "retries", "pause"),
    [
        (1, 0, None),
        (1, 2, FIRST_RETRY),
        (2, 2, FIRST_RETRY * 2),
        (3, 2, None),
        (20, 99, LONGEST_RETRY),
        (2000, 9999, LONGEST_RETRY),
    ],
)
def test_retries_back_off(store: Database, attempt: int, retries: int, pause: timedelta | None) -> None:
    found = [
        (again.attempt, again.started_by, round(((again.not_before or now()) - now()) / FIRST_RETRY, 1))
        for again in retried(store, retries, attempt=attempt)
    ]
    assert found == ([(attempt + 1, "ann", round(pause / FIRST_RETRY, 1))] if pause else [])


def test_a_cancelled_run_is_not_retried(store: Database) -> None:
    assert retried(store, 3, cancel_asked_by="bob") == []


def retried(store: Database, retries: int, **values: Any) -> list[JobRun]:
    """The runs that follow one that fails."""
    with store.write(TESTER) as db:
        db.add(failing := JobRun(job="a", state="running", started_by="ann", **values))
    settle(store, failing, "failed", ("no", ""), retries=retries)
    with store.read() as db:
        return list(db.execute(select(JobRun).where(col(JobRun.id) != failing.id)).scalars())


def test_a_declared_job_knows_its_summary() -> None:
    assert declared(add_services).summary == "Add services, one step each."


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, Parameter.empty), (JobRun, None), (None, 3), (Parameter.empty, 3), (Literal[1, 2], 1),
        (list[int], None), (datetime | None, None),
    ],
    ids=["no default", "a row", "None", "no type", "numbers to choose from", "a list", "a moment"],
)  # fmt: skip
def test_a_job_that_takes_what_it_cannot_be_given_is_refused_at_start(annotation: object, default: object) -> None:
    def tidy(db: DB, what: object) -> None:
        """Tidy up."""

    taken = [Parameter("what", Parameter.KEYWORD_ONLY, annotation=annotation, default=default)]
    tidy.__signature__ = Signature(taken)  # type: ignore[attr-defined]
    with pytest.raises(DeclarationError, match=r"test_jobs\.py:\d+: tidy takes 'what', which a job cannot be given"):
        declared(job()(tidy))


def test_a_job_without_a_docstring_is_refused() -> None:
    def tidy(run: Run) -> None: ...

    with pytest.raises(DeclarationError, match="tidy has no docstring"):
        job()(tidy)


def test_a_job_with_an_unknown_role_is_refused() -> None:
    with pytest.raises(DeclarationError, match="role='king' is no role; use one of viewer, operator, admin"):
        job(role="king")(add_services)  # type: ignore[arg-type]


def test_a_declared_job_is_data() -> None:
    made = declared(add_services)
    assert isinstance(made, DeclaredJob) and made.due is None and made.name == "tests.add_services"


def test_a_parameter_that_was_left_empty_stays_none() -> None:
    def read(source: int | None = 3) -> None: ...

    assert arguments_of(read, params={"source": None}) == {"source": None}
