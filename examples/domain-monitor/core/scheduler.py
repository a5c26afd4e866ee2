"""The scheduler: APScheduler is the clock, the `core_run` row decides who runs; and the runner, a process for each."""

import asyncio
import inspect
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from . import alerts, log, marks
from .crypto import KEY_FILE, Keyring
from .db import Actor, Change, Database, Session
from .errors import Busy, Refused
from .jobs import EPOCH, LIVE, DeclaredJob, Job, JobRun, Run, arguments_of, settle, told
from .settings import Settings
from .time import now

BEAT_S = 0.5
LONGEST_SILENCE_S = 30
LONGEST_PAUSE = timedelta(seconds=15)  # between two beats, and how far the clocks of two processes may be apart
RUNS_AT_ONCE = 4
WATCH_S = 0.3
NICENESS = 10  # of a run's process: requests go first
PATIENCE_S = 600.0  # that a run waits for the database: nobody looks on, and what it says must not be lost
UNWATCHED = ("the process that watched this run is gone", "")
SYSTEM = Actor("scheduler")
logger = log.get("core.scheduler")


class Scheduler:
    """Claims what is due, takes what is queued, and finds the runs that died."""

    lease = timedelta(seconds=20)  # after which a run that nobody watches is dead

    def __init__(self, jobs: dict[str, DeclaredJob], database: Database, runner: "Runner") -> None:
        self.jobs, self.database, self.runner = jobs, database, runner
        self.ticked_at = datetime.now(UTC)  # the machine's own: a test's clock makes nothing due
        self._clock = BackgroundScheduler(timezone=UTC)
        self._next: dict[str, datetime] = {}  # when a job is looked at again; at the start at once, to catch up
        self._awake_at = EPOCH  # since when the clock goes on without a jump, after which every run looks dead

    def start(self) -> None:
        """Catch up what was missed (once each), and let the clock run."""
        self.sweep()
        self._clock.add_job(self.sweep, "interval", seconds=BEAT_S, misfire_grace_time=None)
        self._clock.start()

    def job(self, name: str) -> DeclaredJob:
        """A job by its name; Refused (404) when there is none."""
        if name not in self.jobs:
            raise Refused(404, f"There is no job {name!r}; there are: {', '.join(self.jobs)}")
        return self.jobs[name]

    def stop(self) -> None:
        """Stop the clock, then the runs, among them one that the last beat is just starting."""
        if self._clock.running:
            self._clock.shutdown(wait=True)
        self.runner.stop()

    @property
    def is_ticking(self) -> bool:
        """Whether the clock has been heard of lately."""
        return (datetime.now(UTC) - self.ticked_at).total_seconds() < LONGEST_SILENCE_S

    def sweep(self) -> None:
        """One beat: claim what is due, settle runs that died, start runs that are queued."""
        at = datetime.now(UTC)
        before, self.ticked_at = self.ticked_at, at  # first: a busy database does not stop the clock
        if not timedelta() <= at - before < LONGEST_PAUSE:  # the clock was set, or the machine slept
            self._next, self._awake_at = {}, at
        try:
            for job in self.jobs.values():
                if at >= self._next.get(job.name, at):
                    self.claim(job, at)
                    self._next[job.name] = (job.due and job.due.following(at)) or datetime.max.replace(tzinfo=UTC)
            is_dead = col(JobRun.beat_at) < now() - self.lease  # as beats are written
            for run in self._runs(col(JobRun.state) == "running", is_dead) if at - self._awake_at > self.lease else ():
                retries = self.jobs[run.job].mark.retries if run.job in self.jobs else 0
                settle(self.database, run, "interrupted", UNWATCHED, retries=retries, is_dead=True)
            may_start = or_(col(JobRun.not_before).is_(None), col(JobRun.not_before) <= at)
            waiting = self._runs(col(JobRun.state) == "queued", col(JobRun.job).in_(self.jobs), may_start)
            for run in waiting:  # one whose job is running already holds up no other
                if len(self.runner.watchers) < RUNS_AT_ONCE and self.take(run):
                    self.runner.start(self.jobs[run.job], run)
        except Busy as error:  # the next beat tries again, so that no due time is lost
            logger.warning("a beat was cut short", error=str(error))

    def claim(self, job: DeclaredJob, at: datetime) -> int | None:
        """Claim a job's last due time since it is known, if nobody has and it is not paused: the run's id, or None."""
        due_at = job.due.latest(at) if job.due else None
        try:
            with self.database.write(SYSTEM) as db:
                known = db.get(Job, job.name, with_for_update=True) or Job(name=job.name, since=at)
                db.add(known)
                known.since = min(known.since, at + LONGEST_PAUSE)  # no time to come: the clock had been ahead
                if due_at is None or known.paused_at or due_at <= known.since:
                    return None
                known.since = due_at
                run = JobRun(job=job.name, due_at=due_at, started_by="schedule")
                if not job.mark.overlap and _found(db, job.name, LIVE):
                    run.error = "the run before it was still going, or waits to be tried again"
                    run.state, run.ended_at = "skipped", now()
                db.add(run)
                db.flush()
                return run.id
        except IntegrityError:  # this due time (or a new job) has its row already
            return None

    def take(self, run: JobRun) -> bool:
        """Claim a queued run for this process; False when another was faster, or one of its job is running."""
        mine = update(JobRun).where(col(JobRun.id) == run.id, col(JobRun.state) == "queued")
        with self.database.write(SYSTEM) as db:
            is_free = self.jobs[run.job].mark.overlap or not _found(db, run.job, ["running"])
            return is_free and db.bulk(mine.values(state="running", started_at=now(), beat_at=now()), why="run") == 1

    def _runs(self, *where: Any) -> Sequence[JobRun]:
        with self.database.read() as db:
            return db.execute(select(JobRun).where(*where).order_by(col(JobRun.id))).scalars().all()


def ask(db: Session, job: DeclaredJob, by: str, params: dict[str, Any] | None = None) -> JobRun:
    """Queue a run by hand; Refused (409) when the job is going and may not overlap."""
    if not job.mark.overlap and _found(db, job.name, LIVE):
        raise Refused(409, f"{job.name} is running or waits for its turn; let it end, or cancel it first.")
    db.add(run := JobRun(job=job.name, started_by=by, params=params or {}))
    db.flush()
    db.changes.append(Change("create", "core_run", str(run.id), {}, {"job": job.name, "params": run.params}))
    return run


def cancel(db: Session, run_id: int, by: str) -> bool:
    """Ask for the end of a run, wherever it runs; False when it has ended."""
    run = db.get(JobRun, run_id)
    if run is None or run.state not in LIVE:
        return False
    run.cancel_asked_by = by
    db.changes.append(Change("update", "core_run", str(run_id), {}, {"job": run.job, "cancel_asked_by": by}))
    if run.state == "queued":
        run.state, run.ended_at, run.error = "cancelled", now(), f"cancelled by {by} before it started"
    return True


def pause(db: Session, name: str, by: str) -> None:
    """Claim no due time of a job from now on, and cancel a retry that waits; by "" they are claimed again, from now."""
    known = db.get(Job, name) or Job(name=name, since=now())
    db.changes.append(Change("update", "core_job", name, {"paused_by": known.paused_by}, {"paused_by": by}))
    known.since, known.paused_at, known.paused_by = now(), now() if by else None, by
    db.add(known)
    for run in _found(db, name, ["queued"]) if by else ():
        if run.started_by == "schedule":
            cancel(db, run.id or 0, by)


def _found(db: Session, name: str, states: Sequence[str]) -> Sequence[JobRun]:
    """A job's runs in one of these states."""
    db.get(Job, name, with_for_update=True)  # PostgreSQL: one decision at a time
    return db.execute(select(JobRun).where(col(JobRun.job) == name, col(JobRun.state).in_(states))).scalars().all()


class Runner:
    """Executes claimed runs, each in a process of its own, and settles what became of them."""

    beat_s, terminate_s = 5.0, 5.0

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.watchers: set[threading.Thread] = set()
        self._stopping = threading.Event()

    def start(self, job: DeclaredJob, run: JobRun) -> None:
        """Execute a run that this process has claimed, in the background."""
        watcher = threading.Thread(target=self.execute, args=(job, run), name=f"run-{run.id}", daemon=True)
        self.watchers.add(watcher)
        watcher.start()

    def stop(self) -> None:
        """End the runs that are going; they are marked interrupted and retried by their policy."""
        self._stopping.set()
        for watcher in list(self.watchers):
            watcher.join(self.terminate_s * 2)

    def execute(self, job: DeclaredJob, run: JobRun) -> str:
        """Execute a run and wait for it; returns the state it ended in."""
        try:
            context = multiprocessing.get_context("forkserver")
            # The server finds modules in the working folder. Each run imports the main module again: the command line.
            context.set_forkserver_preload(["core.scheduler", "core.cli", job.function.__module__])
            process: Any = context.Process(target=_main, args=(job, self.settings, run.id), daemon=False)
            process.start()
            state, why = self._watch(process, job, run)
            with suppress(ProcessLookupError, PermissionError):  # none is left
                os.killpg(process.pid, signal.SIGKILL)  # what it started; itself, when the server of the forks died
        except Exception as error:  # the boundary of a run: what cannot start has failed, and says why
            logger.exception("run not started", run=run.id, job=job.name)
            state, why = "failed", f"its process did not start: {error}"
        try:
            return settle(self.database, run, state, (why, ""), retries=job.mark.retries)
        except Busy:  # nobody watches it any more, so a later beat settles it
            return "running"
        finally:
            self.watchers.discard(threading.current_thread())

    def _watch(self, process: BaseProcess, job: DeclaredJob, run: JobRun) -> tuple[str, str]:
        """Wait for the process, or end it when it must; the state of its run unless it has written one, and why."""
        deadline, beat_at = time.monotonic() + job.mark.timeout, time.monotonic() + self.beat_s
        while process.is_alive():
            process.join(min(WATCH_S, self.beat_s))
            try:
                if end := self._must_end(job, run, deadline):
                    process.terminate()
                    process.join(self.terminate_s)
                    process.kill()  # which is nothing when it has ended
                    process.join()
                    return end
                if time.monotonic() > beat_at:
                    with self.database.write(SYSTEM) as db:
                        db.bulk(update(JobRun).where(col(JobRun.id) == run.id).values(beat_at=now()), why="run")
                    beat_at = time.monotonic() + self.beat_s
            except Exception as error:  # the boundary of a watch: a busy database is no reason to leave a run alone
                logger.warning("run not looked after for a moment", run=run.id, job=job.name, error=str(error))
        return "failed", f"the process ended with exit code {process.exitcode}; the tool's own log may say more"

    def _must_end(self, job: DeclaredJob, run: JobRun, deadline: float) -> tuple[str, str] | None:
        """The state that a run must be ended in now, and why; None while it may go on."""
        if time.monotonic() > deadline:
            return "timed out", f"ended after its timeout of {job.mark.timeout} s"
        if self._stopping.is_set():
            return "interrupted", "the server stopped"
        with self.database.read() as db:
            seen = db.get(JobRun, run.id)
        if seen is None or seen.state != "running":
            return "cancelled", "another process settled this run"
        return ("cancelled", f"cancelled by {seen.cancel_asked_by}") if seen.cancel_asked_by else None


def _main(job: DeclaredJob, settings: Settings, run_id: int) -> None:
    """A run's own process: call the job, then write how it ended."""
    os.nice(NICENESS)
    os.setsid()  # a group, which ends as one; and Ctrl-C is the server's to handle, it ends us in order
    threading.Thread(target=_follow_parent, daemon=True).start()
    log.configure(settings)
    database = Database(settings.database, keyring=Keyring(settings.data_dir / KEY_FILE), wait_s=PATIENCE_S)
    state, why = "succeeded", ("", "")
    with log.context(run=str(run_id), job=job.name), database.reading_each() as db:
        row = db.get_one(JobRun, run_id)
        run = Run(database, run_id, job=job.name, did=job.summary)
        try:
            perform(job.function, db, run, settings, row.params)
            if run.failures:
                state, why = "failed", (f"{run.failures} of its steps failed", "")
        except Exception as failure:  # the boundary of a run
            state, why = "failed", told(failure)
            logger.exception("job failed")
    settle(database, row, state, why, retries=job.mark.retries)
    database.analyze()
    database.close()


def perform(function: Callable[..., Any], db: Session, run: Run, settings: Settings, params: dict[str, Any]) -> None:
    """Call a job; when it is an alert, compare what it finds with last time."""
    result = function(**arguments_of(function, db, run, settings, params=params))
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    if isinstance(mark := marks.of(function), marks.AlertMark):
        alerts.look(mark, result, run=run, settings=settings)


def _follow_parent() -> None:
    """End this process with the one that watches it: a run nobody watches is marked interrupted."""
    if parent := parent_process():
        parent.join()
        os.killpg(0, signal.SIGKILL)
