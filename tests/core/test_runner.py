import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlmodel import col
from structlog.testing import capture_logs

from app.services.models import Service
from core.crypto import Keyring
from core.db import Database
from core.jobs import DeclaredJob, Job, JobRun, RunLog, settle
from core.scheduler import Runner, Scheduler, ask, cancel, pause
from core.settings import Settings
from core.testing import TESTER
from core.time import now
from tests.core import sample_jobs
from tests.core.sample_jobs import declared
from tests.core.samples import join, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("processes")]


class Quick(Runner):
    """A runner that looks often, so that tests are quick."""

    beat_s, terminate_s = 0.1, 0.3


@pytest.fixture
def runner(settings: Settings, database: Database) -> Iterator[Runner]:
    """A runner, stopped at the end."""
    made = Quick(settings, database)
    yield made
    made.stop()


@pytest.fixture
def execute(runner: Runner, database: Database) -> Callable[..., JobRun]:
    """Runs a job in a process of its own, and waits; the row afterwards."""

    def run(function: Any, params: dict[str, Any] | None = None) -> JobRun:
        job = declared(function)
        row = queued(database, job, params)
        assert runner.execute(job, row) == found(database, row).state
        return found(database, row)

    return run


@pytest.fixture
def begun(runner: Runner, database: Database) -> Callable[[Any], tuple[JobRun, int]]:
    """Starts a job that sleeps; its row and the process id, which it logs."""

    def start(function: Any) -> tuple[JobRun, int]:
        job = declared(function)
        row = queued(database, job)
        runner.start(job, row)
        wait_for(lambda: bool(lines(database)))
        return row, int(lines(database)[0][1].removeprefix("pid "))

    return start


def queued(database: Database, job: DeclaredJob, params: dict[str, Any] | None = None) -> JobRun:
    """A run that this process has claimed."""
    with database.write(TESTER) as db:
        id = ask(db, job, "ann", params).id
        db.bulk(update(JobRun).values(state="running", started_at=now(), beat_at=now()), why="test")
    with database.read() as db:
        return db.get_one(JobRun, id)


def found(database: Database, row: JobRun) -> JobRun:
    with database.read() as db:
        return db.get_one(JobRun, row.id)


def runs(database: Database) -> list[JobRun]:
    with database.read() as db:
        return list(db.execute(select(JobRun).order_by(col(JobRun.id))).scalars())


def lines(database: Database) -> list[tuple[str, str]]:
    with database.read() as db:
        return [(line.level, line.text) for line in db.execute(select(RunLog).order_by(col(RunLog.id))).scalars()]


def details(database: Database) -> list[str]:
    with database.read() as db:
        return list(db.execute(select(col(RunLog.detail)).order_by(col(RunLog.id))).scalars())


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def ended(database: Database, row: JobRun) -> Callable[[], bool]:
    return lambda: found(database, row).state != "running"


def test_a_job_works_in_a_process_of_its_own(database: Database, execute: Callable[[Any], JobRun]) -> None:
    row = execute(sample_jobs.add_services)
    assert (row.state, row.error, row.done, row.total, row.doing) == ("succeeded", "", 3, 3, "")
    assert row.ended_at and row.started_at and row.ended_at > row.started_at
    assert lines(database) == [
        ("info", "a is added to Test tool"), ("info", "b is added to Test tool"), ("info", "c is added to Test tool"),
        ("info", "there are 3"),
    ]  # fmt: skip


def test_steps_that_fail_are_counted_and_the_others_stay(database: Database, execute: Callable[[Any], JobRun]) -> None:
    row = execute(sample_jobs.fail_in_steps)
    assert (row.state, row.failures, row.error) == ("failed", 2, "2 of its steps failed")
    with database.read() as db:
        assert list(db.execute(select(col(Service.name))).scalars()) == ["good"]
    assert [level for level, _ in lines(database)] == ["info", "error", "error", "error"]
    assert lines(database)[-2] == ("error", "worse: the registry is silent")


def test_an_exception_fails_the_run_with_its_traceback_in_the_log_and_a_retry(
    database: Database, execute: Callable[[Any], JobRun]
) -> None:
    row = execute(sample_jobs.fail)
    assert (row.state, row.error) == ("failed", "ZeroDivisionError: of nothing")
    assert lines(database)[0] == ("info", "about to fail")
    assert lines(database)[1] == ("error", "ZeroDivisionError: of nothing")
    assert "Traceback" in details(database)[1] and "sample_jobs.py" in details(database)[1]
    again = runs(database)[1]
    assert (again.state, again.attempt, again.started_by) == ("queued", 2, "ann")
    assert again.not_before and timedelta(seconds=20) < again.not_before - now() < timedelta(seconds=31)


def test_a_known_failure_is_logged_without_a_traceback(database: Database, execute: Callable[[Any], JobRun]) -> None:
    row = execute(sample_jobs.refuse)
    assert (row.state, row.error) == ("failed", "there is no account to read")
    assert lines(database) == [("error", "there is no account to read")]
    assert len(runs(database)) == 1


def test_a_coroutine_is_awaited(database: Database, execute: Callable[[Any], JobRun]) -> None:
    assert execute(sample_jobs.wait_a_little).state == "succeeded"
    assert lines(database) == [("info", "awaited")]


def test_parameters_reach_the_job_in_their_types_and_a_retry_has_them(
    database: Database, execute: Callable[..., JobRun]
) -> None:
    params = {"word": "ab", "times": 2, "on": "2026-05-01", "gone": 1}
    assert execute(sample_jobs.repeat, params).error == "too often"
    assert lines(database)[0] == ("info", "abab datetime.date(2026, 5, 1)")
    assert [run.params for run in runs(database)] == [params, params]


def test_a_run_without_parameters_has_the_functions_own_defaults(
    database: Database, execute: Callable[..., JobRun]
) -> None:
    assert execute(sample_jobs.repeat).state == "succeeded"
    assert lines(database) == [("info", "a None")]


def test_a_timeout_ends_the_process(database: Database, execute: Callable[[Any], JobRun]) -> None:
    row = execute(sample_jobs.too_slow)
    assert (row.state, row.error) == ("timed out", "ended after its timeout of 3 s")
    pid, reason = lines(database)
    assert reason == ("error", "ended after its timeout of 3 s")
    assert not is_alive(int(pid[1].removeprefix("pid ")))


@pytest.mark.parametrize(
    ("seconds", "state"), [(60, "timed out"), (0, "succeeded")], ids=["when it is ended", "at its end"]
)
def test_what_a_job_started_ends_with_it(
    database: Database, execute: Callable[..., JobRun], seconds: int, state: str
) -> None:
    assert execute(sample_jobs.start_another, {"seconds": seconds}).state == state
    wait_for(lambda: not is_alive(int(lines(database)[0][1].removeprefix("pid "))))


def test_a_run_ends_though_the_server_of_the_forks_was_killed(
    database: Database, begun: Callable[[Any], tuple[JobRun, int]], serve_forks: Callable[[], None]
) -> None:
    row, pid = begun(sample_jobs.sleep)
    os.kill(forkserver._forkserver._forkserver_pid, 9)  # type: ignore[attr-defined]
    wait_for(lambda: found(database, row).state == "failed")
    wait_for(lambda: not is_alive(pid))
    serve_forks()


def test_a_job_that_leaves_has_failed(execute: Callable[[Any], JobRun]) -> None:
    row = execute(sample_jobs.leave)
    assert (row.state, row.error[:38]) == ("failed", "the process ended with exit code 3; th")


def test_a_job_that_cannot_be_found_by_its_process_has_failed(database: Database, runner: Runner) -> None:
    def local(run: Any) -> None: ...

    job = declared(sample_jobs.add_services)
    broken = DeclaredJob(job.name, job.function, job.mark, None)
    object.__setattr__(broken, "function", local)
    row = queued(database, job)
    with capture_logs():
        assert runner.execute(broken, row) == "failed"
    assert found(database, row).error.startswith("its process did not start: ")


@pytest.mark.parametrize("function", [sample_jobs.sleep, sample_jobs.sleep_deaf], ids=["willing", "deaf"])
def test_a_cancel_ends_the_process(
    database: Database, begun: Callable[[Any], tuple[JobRun, int]], function: Any
) -> None:
    row, pid = begun(function)
    with database.write(TESTER) as db:
        assert cancel(db, row.id or 0, "bob")
    wait_for(ended(database, row))
    wait_for(lambda: not is_alive(pid))
    assert (found(database, row).state, found(database, row).error) == ("cancelled", "cancelled by bob")
    assert len(runs(database)) == 1


def cancel_elsewhere(url: str, keys: Any, id: int) -> None:
    """In a process of its own."""
    database = Database(url, keyring=Keyring.load(keys))
    with database.write(TESTER) as db:
        cancel(db, id, "another process")
    database.close()


def test_a_cancel_may_come_from_another_process(
    database: Database,
    settings: Settings,
    begun: Callable[[Any], tuple[JobRun, int]],
    processes: ForkServerContext,
) -> None:
    row, _ = begun(sample_jobs.sleep)
    processes.Process(target=cancel_elsewhere, args=(settings.database, settings.data_dir, row.id)).start()
    wait_for(ended(database, row))
    assert found(database, row).error == "cancelled by another process"


def test_a_killed_process_is_a_failed_run_that_is_retried(
    database: Database, begun: Callable[[Any], tuple[JobRun, int]]
) -> None:
    row, pid = begun(sample_jobs.sleep)
    os.kill(pid, 9)
    wait_for(lambda: len(runs(database)) == 2)
    assert found(database, row).state == "failed"
    assert found(database, row).error == "the process ended with exit code -9; the tool's own log may say more"
    assert runs(database)[1].attempt == 2


def test_a_server_that_stops_interrupts_its_runs(
    database: Database, runner: Runner, begun: Callable[[Any], tuple[JobRun, int]]
) -> None:
    row, pid = begun(sample_jobs.sleep)
    assert len(runner.watchers) == 1
    runner.stop()
    assert (found(database, row).state, found(database, row).error) == ("interrupted", "the server stopped")
    assert not is_alive(pid) and not runner.watchers
    assert [run.attempt for run in runs(database)] == [1, 2]


def test_a_run_that_is_watched_keeps_its_lease(database: Database, begun: Callable[[Any], tuple[JobRun, int]]) -> None:
    row, _ = begun(sample_jobs.sleep)
    wait_for(lambda: (found(database, row).beat_at or now()) > (row.beat_at or now()))


@pytest.mark.parametrize(
    "change", [update(JobRun).values(state="interrupted"), delete(JobRun)], ids=["settled", "deleted"]
)
def test_a_run_that_others_settled_is_ended(
    database: Database, runner: Runner, begun: Callable[[Any], tuple[JobRun, int]], change: Any
) -> None:
    _, pid = begun(sample_jobs.sleep)
    with database.write(TESTER) as db:
        db.bulk(change, why="test")
    wait_for(lambda: not is_alive(pid) and not runner.watchers)


def test_a_watcher_outlives_a_busy_database(
    settings: Settings, database: Database, again: Callable[..., Database], begun: Callable[[Any], tuple[JobRun, int]]
) -> None:
    hasty = Quick(settings, again(wait_s=0.05))
    job = declared(sample_jobs.sleep)
    row = queued(database, job)
    with capture_logs() as logs, database.write(TESTER) as db:
        db.bulk(update(Job).values(since=now()), why="test")
        watcher = threading.Thread(target=hasty.execute, args=(job, row))
        watcher.start()
        wait_for(lambda: "run not looked after for a moment" in [line["event"] for line in logs])
    hasty.stop()
    hasty._stopping.set()
    watcher.join(60)
    assert found(database, row).state == "interrupted"


def test_a_run_that_is_gone_is_settled_as_gone(database: Database) -> None:
    job = declared(sample_jobs.fail)
    assert settle(database, JobRun(id=99, job=job.name, started_by="ann"), "failed", ("", ""), retries=0) == "gone"


def serve(settings: Settings) -> None:
    """In a process of its own: claim the run that waits, and watch it."""
    database = Database(settings.database, keyring=Keyring.load(settings.data_dir))
    job = declared(sample_jobs.sleep)
    Scheduler({job.name: job}, database, Quick(settings, database)).sweep()
    time.sleep(60)


def test_a_killed_server_takes_its_runs_along_and_another_settles_them(
    settings: Settings, database: Database, runner: Runner, processes: ForkServerContext
) -> None:
    job = declared(sample_jobs.sleep)
    with database.write(TESTER) as db:
        id = ask(db, job, "ann").id
    server = processes.Process(target=serve, args=(settings,))
    server.start()
    wait_for(lambda: bool(lines(database)))
    server.kill()
    pid = int(lines(database)[0][1].removeprefix("pid "))
    wait_for(lambda: not is_alive(pid))
    assert found(database, JobRun(id=id, job="", started_by="")).state == "running"
    heir = Scheduler({job.name: job}, database, runner)
    heir.lease = timedelta(seconds=0.3)
    time.sleep(0.3)
    heir.sweep()
    assert [(run.state, run.attempt) for run in runs(database)] == [("interrupted", 1), ("queued", 2)]
    assert lines(database)[-1] == ("error", "the process that watched this run is gone")


def serve_with_a_clock(settings: Settings, line: Any, over: Path) -> None:
    """In a process of its own: what a server does for jobs, until it is told to stop."""
    database = Database(settings.database, keyring=Keyring.load(settings.data_dir))
    job = declared(sample_jobs.count)
    scheduler = Scheduler({job.name: job}, database, Quick(settings, database))
    scheduler.lease = timedelta(seconds=6)
    line.wait(60)
    scheduler.start()
    wait_for(over.exists, 60)  # no event: the one that is killed would take its part of it along
    scheduler.stop()
    database.close()


def test_of_four_servers_one_is_killed_and_each_due_time_still_runs_once(
    settings: Settings, database: Database, processes: ForkServerContext, tmp_path: Path
) -> None:
    line, over = processes.Barrier(4), tmp_path / "over"
    servers = [processes.Process(target=serve_with_a_clock, args=(settings, line, over)) for _ in range(4)]
    start(servers)
    wait_for(lambda: any(run.state == "succeeded" for run in runs(database)), 60)
    servers[0].kill()
    seen = len(claimed(database))
    wait_for(lambda: len(claimed(database)) > seen + 1, 60)
    with database.write(TESTER) as db:
        pause(db, "tests.count", "ann")
    wait_for(lambda: all(run.state not in ("queued", "running") for run in runs(database)), 60)
    over.touch()
    join(servers)
    due = claimed(database)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(due)]
    assert len(due) == len({*due}) and max(gaps) <= 6
    assert {run.state for run in runs(database)} <= {"succeeded", "interrupted", "cancelled"}
    with database.read() as db:
        done = sorted(int(name) for name in db.execute(select(col(Service.name))).scalars())
    assert {run.id for run in runs(database) if run.state == "succeeded"} <= {*done} and len(done) == len({*done})


def claimed(database: Database) -> list[datetime]:
    return [run.due_at for run in runs(database) if run.due_at]
