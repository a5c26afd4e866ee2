from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlmodel import col
from structlog.testing import capture_logs

from core.crypto import Keyring
from core.db import Database
from core.errors import Refused
from core.jobs import DeclaredJob, Every, Job, JobRun, settle
from core.scheduler import LONGEST_SILENCE_S, RUNS_AT_ONCE, Scheduler, ask, cancel, pause
from core.testing import TESTER
from core.time import now
from tests.core.sample_jobs import add_services, at_six, declared, each_minute, fail
from tests.core.samples import join, start, together, wait_for

PERIOD_S = 0.5
START = datetime(2026, 5, 1, 0, 0, tzinfo=UTC)
AT_SIX, EACH_MINUTE, BY_HAND, RETRIED = declared(at_six), declared(each_minute), declared(add_services), declared(fail)


class Notes:
    """An executor that only notes what it is given."""

    def __init__(self) -> None:
        self.watchers: list[int | None] = []
        self.is_stopped = False

    def start(self, job: DeclaredJob, run: JobRun) -> None:
        self.watchers.append(run.id)

    def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def make(store: Database) -> Callable[..., Scheduler]:
    """A scheduler of some jobs, which are known since the first of May."""

    def made(*jobs: DeclaredJob, database: Database = store, lease: timedelta = Scheduler.lease) -> Scheduler:
        scheduler = Scheduler({job.name: job for job in jobs}, database, Notes())
        scheduler.lease = lease
        for job in jobs:
            assert scheduler.claim(job, START) is None
        return scheduler

    return made


@pytest.fixture
def notes(make: Callable[..., Scheduler]) -> Callable[[Scheduler], list[int | None]]:
    """What a scheduler's executor was given."""
    return lambda scheduler: scheduler.runner.watchers  # type: ignore[attr-defined]


def runs(store: Database) -> list[JobRun]:
    with store.read() as db:
        return list(db.execute(select(JobRun).order_by(col(JobRun.id))).scalars())


def by_hand(store: Database, job: DeclaredJob, by: str = "ann") -> int:
    with store.write(TESTER) as db:
        return ask(db, job, by).id or 0


def add(store: Database, **values: Any) -> int:
    """A run as it may be found in the database."""
    with store.write(TESTER) as db:
        run = JobRun(**{"job": BY_HAND.name, "started_by": "ann", **values})
        db.add(run)
        db.flush()
        return run.id or 0


def test_a_due_time_is_claimed_once(store: Database, make: Callable[..., Scheduler]) -> None:
    scheduler = make(AT_SIX)
    at = START + timedelta(hours=7)
    claimed = [scheduler.claim(AT_SIX, at), scheduler.claim(AT_SIX, at)]
    assert claimed == [1, None]
    assert [(run.job, run.due_at, run.started_by, run.state) for run in runs(store)] == [
        ("tests.at_six", START + timedelta(hours=6), "schedule", "queued")
    ]


def test_times_that_were_missed_are_caught_up_once(store: Database, make: Callable[..., Scheduler]) -> None:
    scheduler = make(AT_SIX)
    assert scheduler.claim(AT_SIX, START + timedelta(days=9, hours=7)) == 1
    assert [run.due_at for run in runs(store)] == [START + timedelta(days=9, hours=6)]


def test_times_before_a_job_was_known_are_not_caught_up(store: Database, make: Callable[..., Scheduler]) -> None:
    assert make(AT_SIX).claim(AT_SIX, START) is None
    unknown = Scheduler({}, store, Notes())
    assert unknown.claim(EACH_MINUTE, now()) is None


def test_a_job_by_hand_has_nothing_to_claim(make: Callable[..., Scheduler]) -> None:
    assert make(BY_HAND).claim(BY_HAND, now()) is None


def test_a_job_is_known_from_its_first_beat_on(store: Database) -> None:
    Scheduler({BY_HAND.name: BY_HAND}, store, Notes()).sweep()
    with store.read() as db:
        first = db.get_one(Job, BY_HAND.name).since
    Scheduler({BY_HAND.name: BY_HAND}, store, Notes()).sweep()
    with store.read() as db:
        assert db.get_one(Job, BY_HAND.name).since == first <= now()


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_due_time_is_skipped_while_the_run_before_goes_on(
    store: Database, make: Callable[..., Scheduler], state: str
) -> None:
    add(store, job=AT_SIX.name, state=state)
    scheduler = make(AT_SIX)
    scheduler.claim(AT_SIX, START + timedelta(hours=7))
    skipped = runs(store)[1]
    assert (skipped.state, skipped.error, skipped.ended_at is not None) == (
        "skipped", "the run before it was still going, or waits to be tried again", True,
    )  # fmt: skip
    assert scheduler.claim(AT_SIX, START + timedelta(hours=8)) is None


def test_a_job_that_may_overlap_is_not_skipped(store: Database, make: Callable[..., Scheduler]) -> None:
    add(store, job=EACH_MINUTE.name, state="running")
    make(EACH_MINUTE).claim(EACH_MINUTE, START + timedelta(hours=7))
    assert by_hand(store, EACH_MINUTE) == 3
    assert [run.state for run in runs(store)] == ["running", "queued", "queued"]


def test_asking_by_hand_queues_a_run(store: Database) -> None:
    assert by_hand(store, BY_HAND) == 1
    assert [(run.state, run.started_by, run.due_at) for run in runs(store)] == [("queued", "ann", None)]


def test_asking_for_a_job_that_is_going_is_refused(store: Database) -> None:
    by_hand(store, BY_HAND)
    with pytest.raises(Refused, match="is running or waits for its turn; let it end, or cancel it first") as caught:
        by_hand(store, BY_HAND)
    assert caught.value.status == 409


def test_of_two_schedulers_one_takes_a_run(
    store: Database, make: Callable[..., Scheduler], again: Callable[..., Database]
) -> None:
    by_hand(store, BY_HAND)
    (run,) = runs(store)
    both = [make(BY_HAND), make(BY_HAND, database=again())]
    assert sorted(together(*[lambda s=s: s.take(run) for s in both])) == [False, True]
    assert runs(store)[0].state == "running" and runs(store)[0].beat_at


def test_a_beat_starts_what_is_queued_in_order(
    store: Database, make: Callable[..., Scheduler], notes: Callable[[Scheduler], list[int]]
) -> None:
    queued = [add(store) for _ in range(RUNS_AT_ONCE + 2)]
    scheduler = make(replace(BY_HAND, mark=replace(BY_HAND.mark, overlap=True)))
    scheduler.sweep()
    scheduler.sweep()
    assert notes(scheduler) == queued[:RUNS_AT_ONCE]


def test_a_run_that_waits_for_its_own_job_holds_up_no_other(
    store: Database, make: Callable[..., Scheduler], notes: Callable[[Scheduler], list[int]]
) -> None:
    for state in ("running", "queued"):
        add(store, state=state, beat_at=now())
    other = add(store, job=RETRIED.name)
    scheduler = make(BY_HAND, RETRIED)
    notes(scheduler).extend([0] * (RUNS_AT_ONCE - 1))
    scheduler.sweep()
    assert notes(scheduler)[-1] == other


@pytest.mark.parametrize(
    ("values", "started"),
    [
        ({"not_before": now() + timedelta(days=1)}, False),
        ({"not_before": now() - timedelta(minutes=1)}, True),
        ({"job": "gone.job"}, False),
        ({"state": "cancelled"}, False),
    ],
    ids=["a retry to come", "a retry that is due", "a job that is gone", "cancelled"],
)
def test_a_beat_starts_only_what_may_start(
    store: Database,
    make: Callable[..., Scheduler],
    notes: Callable[[Scheduler], list[int]],
    values: dict[str, Any],
    started: bool,
) -> None:
    id = add(store, **values)
    scheduler = make(BY_HAND)
    scheduler.sweep()
    assert notes(scheduler) == [id] * started


def test_a_run_that_another_takes_first_is_not_started(
    store: Database, make: Callable[..., Scheduler], notes: Callable[[Scheduler], list[int]]
) -> None:
    id = add(store)
    first, second = make(BY_HAND), make(BY_HAND)
    first.sweep()
    assert second.take(runs(store)[0]) is False
    assert notes(first) == [id]


def test_a_run_whose_watcher_is_gone_is_interrupted_and_retried(
    store: Database, make: Callable[..., Scheduler], notes: Callable[[Scheduler], list[int]]
) -> None:
    add(store, job=RETRIED.name, state="running", beat_at=now() - timedelta(seconds=3))
    patient, hasty = make(RETRIED), make(RETRIED, lease=timedelta(seconds=1))
    patient.sweep()
    assert runs(store)[0].state == "running"
    hasty.sweep()
    dead, again = runs(store)
    assert (dead.state, dead.error) == ("interrupted", "the process that watched this run is gone")
    assert dead.ended_at and (again.state, again.attempt) == ("queued", 2)
    assert again.not_before and again.not_before > now() and notes(hasty) == []


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "back"])
def test_after_a_jump_of_the_clock_a_run_is_not_dead_until_its_watcher_had_time(
    store: Database, make: Callable[..., Scheduler], jump: timedelta
) -> None:
    add(store, state="running", beat_at=now() - timedelta(minutes=1))
    scheduler = make(BY_HAND)
    scheduler.ticked_at = now() - jump
    scheduler.sweep()
    assert runs(store)[0].state == "running"
    scheduler.lease = timedelta()
    scheduler.sweep()
    assert runs(store)[0].state == "interrupted"


def test_a_clock_that_was_ahead_does_not_keep_a_job_from_its_due_times(
    store: Database, make: Callable[..., Scheduler]
) -> None:
    scheduler, ahead = make(EACH_MINUTE), now() + timedelta(days=400)
    scheduler.claim(EACH_MINUTE, ahead)
    scheduler._next[EACH_MINUTE.name] = scheduler.ticked_at = ahead
    scheduler.sweep()
    assert scheduler.claim(EACH_MINUTE, now() + timedelta(minutes=2)) == 2


def test_nothing_becomes_due_by_a_tests_clock(
    store: Database, make: Callable[..., Scheduler], clock: Callable[[str], None]
) -> None:
    scheduler = make(AT_SIX)
    scheduler.sweep()
    claimed = len(runs(store))
    clock("2037-03-15")
    scheduler._next = {}
    scheduler.sweep()
    assert (len(runs(store)), scheduler.is_ticking) == (claimed, True)


@pytest.mark.parametrize("job", [BY_HAND.name, "gone.job"])
def test_a_dead_run_without_retries_or_job_is_only_interrupted(
    store: Database, make: Callable[..., Scheduler], job: str
) -> None:
    add(store, job=job, state="running", beat_at=now() - timedelta(minutes=3))
    make(BY_HAND).sweep()
    assert [run.state for run in runs(store)] == ["interrupted"]


def test_a_run_that_beats_after_all_is_left_alone(store: Database) -> None:
    add(store, state="running", beat_at=now() - timedelta(minutes=3))
    (seen,) = runs(store)
    with store.write(TESTER) as db:
        db.bulk(update(JobRun).values(beat_at=now()), why="test")
    assert settle(store, seen, "interrupted", ("", ""), retries=0, is_dead=True) == "running"


@pytest.mark.parametrize(
    ("state", "was_going", "after"),
    [("queued", True, "cancelled"), ("running", True, "running"), ("failed", False, "failed")],
)
def test_cancelling_asks_for_the_end_of_what_is_going(store: Database, state: str, was_going: bool, after: str) -> None:
    id = add(store, state=state)
    with store.write(TESTER) as db:
        assert cancel(db, id, "bob") is was_going
    (run,) = runs(store)
    assert (run.state, run.cancel_asked_by) == (after, "bob" * was_going)


def test_a_run_that_never_was_cannot_be_cancelled(store: Database) -> None:
    with store.write(TESTER) as db:
        assert cancel(db, 99, "bob") is False


def test_a_paused_job_claims_nothing_and_catches_nothing_up(store: Database, make: Callable[..., Scheduler]) -> None:
    scheduler = make(AT_SIX)
    with store.write(TESTER) as db:
        pause(db, AT_SIX.name, "ann")
    assert scheduler.claim(AT_SIX, START + timedelta(hours=7)) is None
    with store.write(TESTER) as db:
        pause(db, AT_SIX.name, "")
    assert scheduler.claim(AT_SIX, now()) is None and runs(store) == []
    assert scheduler.claim(AT_SIX, now() + timedelta(days=1)) == 1


def test_pausing_cancels_the_retry_that_waits_but_not_what_people_asked_for(store: Database) -> None:
    add(store, job=EACH_MINUTE.name, started_by="schedule", attempt=2, not_before=now() + timedelta(hours=1))
    add(store, job=EACH_MINUTE.name, started_by="ann")
    with store.write(TESTER) as db:
        pause(db, EACH_MINUTE.name, "bob")
    assert [(run.state, run.error) for run in runs(store)] == [
        ("cancelled", "cancelled by bob before it started"), ("queued", ""),
    ]  # fmt: skip


def test_a_paused_job_is_run_by_hand_but_not_retried(store: Database) -> None:
    with store.write(TESTER) as db:
        pause(db, RETRIED.name, "ann")
    add(store, job=RETRIED.name, state="running", beat_at=now())
    assert settle(store, runs(store)[0], "failed", ("no", ""), retries=2) == "failed"
    assert len(runs(store)) == 1


def test_a_due_time_that_has_its_row_already_is_not_claimed(store: Database, make: Callable[..., Scheduler]) -> None:
    add(store, job=AT_SIX.name, state="succeeded", due_at=START + timedelta(hours=6))
    assert make(AT_SIX).claim(AT_SIX, START + timedelta(hours=7)) is None


def test_a_due_time_whose_row_was_deleted_for_its_age_is_not_caught_up_again(
    store: Database, make: Callable[..., Scheduler]
) -> None:
    scheduler = make(AT_SIX)
    scheduler.claim(AT_SIX, START + timedelta(hours=7))
    with store.write(TESTER) as db:
        db.bulk(delete(JobRun), why="test")
    assert scheduler.claim(AT_SIX, START + timedelta(hours=8)) is None


def test_a_due_time_that_the_busy_database_kept_from_being_claimed_is_claimed_by_the_next_beat(
    store: Database, make: Callable[..., Scheduler], again: Callable[..., Database]
) -> None:
    scheduler = make(EACH_MINUTE, database=again(wait_s=0.1))
    with capture_logs() as logs, store.write(TESTER) as db:
        db.add(JobRun(job="x", started_by="x", state="failed"))
        db.flush()
        scheduler.sweep()
    assert [line["error"] for line in logs] == ["The database is busy. Nothing was saved; try again."]
    scheduler.sweep()
    assert [run.job for run in runs(store)] == ["x", EACH_MINUTE.name]


@pytest.mark.sqlite("its file")
def test_a_beat_says_when_the_database_is_another_one(store: Database, make: Callable[..., Scheduler]) -> None:
    scheduler = make(EACH_MINUTE)
    Path(str(store.url.database)).unlink()
    with capture_logs() as logs:
        scheduler.sweep()
    assert "was replaced or removed meanwhile; start the tool again" in logs[0]["error"]


def test_a_started_scheduler_catches_up_runs_and_stops(
    store: Database, make: Callable[..., Scheduler], notes: Callable[[Scheduler], list[int]]
) -> None:
    scheduler = make(AT_SIX, EACH_MINUTE, BY_HAND)
    scheduler.start()
    assert [run.job for run in runs(store)][:2] == [AT_SIX.name, EACH_MINUTE.name]
    wait_for(lambda: len(notes(scheduler)) >= 2)
    scheduler.stop()
    scheduler.stop()
    assert scheduler.runner.is_stopped  # type: ignore[attr-defined]


def test_health_fails_when_the_clock_stops(make: Callable[..., Scheduler]) -> None:
    scheduler = make(BY_HAND)
    assert scheduler.is_ticking
    scheduler.ticked_at = now() - timedelta(seconds=LONGEST_SILENCE_S + 1)
    assert not scheduler.is_ticking


def claim_all(url: str, folder: Path, skew: timedelta, line: Any) -> None:
    """In a process of its own: claim each due time as the clock, which is wrong by `skew`, reaches it."""
    database = Database(url, keyring=Keyring.load(folder))
    job = DeclaredJob("tests.often", each_minute, declared(each_minute).mark, Every(timedelta(seconds=PERIOD_S)))
    scheduler = Scheduler({job.name: job}, database, Notes())
    line.wait(60)
    until = now() + timedelta(seconds=4.5)
    while now() < until:
        scheduler.claim(job, now() + skew)
    database.close()


def test_of_four_processes_one_claims_each_due_time_and_one_is_killed(
    store: Database, settings: Any, processes: ForkServerContext
) -> None:
    with store.write(TESTER) as db:
        db.add(Job(name="tests.often", since=now()))
    line = processes.Barrier(4)
    skews = [timedelta(milliseconds=ms) for ms in (0, -20, 10, 5)]
    claimants = [processes.Process(target=claim_all, args=(str(store.url), settings.data_dir, s, line)) for s in skews]
    start(claimants)
    wait_for(lambda: len(runs(store)) > 3, 60)
    claimants[3].kill()
    join(claimants)
    due = [run.due_at for run in runs(store) if run.due_at]
    gaps = {round((later - earlier).total_seconds(), 3) for earlier, later in pairwise(due)}
    assert len(due) == len(set(due)) > 7
    assert gaps == {PERIOD_S}
