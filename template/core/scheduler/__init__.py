"""The scheduler: APScheduler's memory scheduler is the clock, the `core_run` row decides who runs."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from .. import log
from ..db import Actor, Database, Session
from ..errors import Busy, Refused
from ..jobs import LEASE, LIVE, DeclaredJob, Job, JobRun, State, dead_runs, end_run
from ..time import now
from .due import Clock

SWEEP_S = 0.5
LONGEST_SILENCE_S = 30
RUNS_AT_ONCE = 4
LONG_WAIT_S = 1.0
SYSTEM = Actor("scheduler")
logger = log.get("core.scheduler")


class Executor(Protocol):
    """What executes claimed runs: core's runner, in processes of its own."""

    @property
    def active(self) -> int:
        """How many runs it is executing."""

    def start(self, job: DeclaredJob, run: JobRun) -> None:
        """Execute a run in the background."""

    def stop(self) -> None:
        """End what is going."""


class Scheduler:
    """Claims what is due, takes what is queued, and finds the runs that died."""

    def __init__(
        self, jobs: dict[str, DeclaredJob], database: Database, runner: Executor, *, lease: timedelta = LEASE
    ) -> None:
        self.jobs, self.database, self.runner, self.lease = jobs, database, runner, lease
        self.ticked_at = now()
        self._clock = BackgroundScheduler(timezone=UTC)
        self._sweeping = threading.Lock()
        self._unclaimed: set[str] = set()

    def start(self) -> None:
        """Make the jobs known, catch up what was missed (once each), and let the clock run."""
        self.make_known()
        options = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        for job in self.jobs.values():
            if job.due:
                self.claim(job)
                self._clock.add_job(self.claim, Clock(job.due), args=[job], **options)
        self._clock.add_job(self.sweep, "interval", seconds=SWEEP_S, **options)
        self._clock.start()

    def make_known(self) -> None:
        """Give each job that is new its row, from which on its due times count."""
        with self.database.write(SYSTEM) as db:
            known = set(db.execute(select(col(Job.name))).scalars())
            db.add_all(Job(name=name, since=now()) for name in self.jobs if name not in known)

    def stop(self) -> None:
        """Stop the clock, then the runs, among them one that the last beat is just starting."""
        if self._clock.running:
            self._clock.shutdown(wait=True)
        self.runner.stop()

    @property
    def is_ticking(self) -> bool:
        """Whether the clock has been heard of lately."""
        return (now() - self.ticked_at).total_seconds() < LONGEST_SILENCE_S

    def claim(self, job: DeclaredJob, at: datetime | None = None) -> int | None:
        """Claim the last due time of a job, if nobody has: the run's id, or None."""
        due_at = job.due.latest(at or now()) if job.due else None
        if due_at is None:
            return None
        try:
            with self.database.write(SYSTEM) as db:
                if due_at <= _claimed_until(db, job.name):
                    return None
                run = JobRun(job=job.name, due_at=due_at, started_by="schedule")
                if not job.mark.overlap and _in(db, job.name, LIVE):
                    why = "the run before it was still going, or waits to be tried again"
                    run.state, run.error, run.ended_at = "skipped", why, now()
                db.add(run)
                db.flush()
                return run.id
        except IntegrityError:  # another process inserted this due time first
            return None
        except Exception as error:  # the boundary of a claim: the next beat tries again, so that no due time is lost
            logger.warning("due time not claimed yet", job=job.name, error=str(error))
            self._unclaimed.add(job.name)
            return None

    def sweep(self) -> None:
        """One beat: settle runs that died, start runs that are queued."""
        with self._sweeping:
            self.ticked_at = now()  # first: a busy database does not stop the clock
            try:
                self._beat()
            except Busy:
                logger.warning("a beat was cut short, the database is busy")

    def _beat(self) -> None:
        with self.database.read() as db:
            dead = dead_runs(db, lease=self.lease)
            waiting = self._waiting(db)
        for name in list(self._unclaimed):
            self._unclaimed.discard(name)
            self.claim(self.jobs[name])
        for run in dead:
            self._interrupt(run)
        for run in waiting[: max(0, RUNS_AT_ONCE - self.runner.active)]:
            if self.take(run):
                self.runner.start(self.jobs[run.job], run)

    def take(self, run: JobRun) -> bool:
        """Claim a queued run for this process; False when another was faster, or one of its job is running."""
        mine = update(JobRun).where(col(JobRun.id) == run.id, col(JobRun.state) == "queued")
        with self.database.write(SYSTEM) as db:
            if not self.jobs[run.job].mark.overlap and _in(db, run.job, ("running",)):
                return False
            return db.bulk(mine.values(state="running", started_at=now(), beat_at=now()), why="run") == 1

    def _waiting(self, db: Session) -> list[JobRun]:
        queued = (
            select(JobRun).where(col(JobRun.state) == "queued", col(JobRun.job).in_(self.jobs)).order_by(col(JobRun.id))
        )
        return [run for run in db.execute(queued).scalars() if run.not_before is None or run.not_before <= now()]

    def _interrupt(self, run: JobRun) -> None:
        began = time.monotonic()
        with self.database.write(SYSTEM) as db:
            row = db.get(JobRun, run.id)
            if time.monotonic() - began > LONG_WAIT_S:  # its watcher may have waited for the same seat: let it beat
                return
            if row is None or row.beat_at != run.beat_at:
                return
            retries = self.jobs[row.job].mark.retries if row.job in self.jobs else 0
            why = "the process that watched this run is gone"
            if end_run(db, run.id or 0, state="interrupted", error=why, retries=retries):
                logger.warning("run interrupted", run=row.id, job=row.job)


def ask(db: Session, job: DeclaredJob, by: str) -> int:
    """Queue a run by hand; Refused (409) when the job is going and may not overlap."""
    if not job.mark.overlap and _in(db, job.name, LIVE):
        raise Refused(409, f"{job.name} is running or waits for its turn; let it end, or cancel it first.")
    run = JobRun(job=job.name, started_by=by)
    db.add(run)
    db.flush()
    return run.id or 0


def cancel(db: Session, run_id: int, by: str) -> bool:
    """Ask for the end of a run, wherever it runs; False when it has ended."""
    run = db.get(JobRun, run_id)
    if run is None or run.state not in LIVE:
        return False
    run.cancel_asked_by = by
    if run.state == "queued":
        run.state, run.ended_at, run.error = "cancelled", now(), f"cancelled by {by} before it started"
    return True


def _in(db: Session, name: str, states: Sequence[State]) -> bool:
    """Whether a job has a run in one of these states; decided one process at a time."""
    db.execute(select(Job).where(col(Job.name) == name).with_for_update()).first()  # PostgreSQL: one decision at a time
    return (
        db.execute(select(col(JobRun.id)).where(col(JobRun.job) == name, col(JobRun.state).in_(states))).first()
        is not None
    )


def _claimed_until(db: Session, name: str) -> datetime:
    since = db.execute(select(col(Job.since)).where(col(Job.name) == name)).scalar() or now()
    last = db.execute(select(func.max(col(JobRun.due_at))).where(col(JobRun.job) == name)).scalar()
    return max(since, last) if last else since
