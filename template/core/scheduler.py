"""The scheduler: APScheduler's memory scheduler is the clock, the `core_run` row decides who runs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from . import log
from .db import Actor, Change, Database, Session
from .errors import Busy, Refused
from .jobs import LIVE, DeclaredJob, Job, JobRun, settle
from .runner import Runner
from .time import now

BEAT_S = 0.5
LONGEST_SILENCE_S = 30
RUNS_AT_ONCE = 4
LEASE = timedelta(seconds=20)  # after which a run that nobody watches is dead
SYSTEM = Actor("scheduler")
logger = log.get("core.scheduler")


class Scheduler:
    """Claims what is due, takes what is queued, and finds the runs that died."""

    lease = LEASE

    def __init__(self, jobs: dict[str, DeclaredJob], database: Database, runner: Runner) -> None:
        self.jobs, self.database, self.runner = jobs, database, runner
        self.ticked_at = now()
        self._clock = BackgroundScheduler(timezone=UTC)
        self._next: dict[str, datetime] = {}  # when a job is looked at again; at the start at once, to catch up

    def start(self) -> None:
        """Make the jobs known, catch up what was missed (once each), and let the clock run."""
        self.make_known()
        self.sweep()
        self._clock.add_job(self.sweep, "interval", seconds=BEAT_S, misfire_grace_time=None)
        self._clock.start()

    def make_known(self) -> None:
        """Give each job that is new its row, from which on its due times count."""
        with self.database.write(SYSTEM) as db:
            for name in self.jobs:
                _known(db, name)

    def stop(self) -> None:
        """Stop the clock, then the runs, among them one that the last beat is just starting."""
        if self._clock.running:
            self._clock.shutdown(wait=True)
        self.runner.stop()

    @property
    def is_ticking(self) -> bool:
        """Whether the clock has been heard of lately."""
        return (now() - self.ticked_at).total_seconds() < LONGEST_SILENCE_S

    def sweep(self) -> None:
        """One beat: claim what is due, settle runs that died, start runs that are queued."""
        self.ticked_at = at = now()  # first: a busy database does not stop the clock
        try:
            for job in self.jobs.values():
                if job.due and at >= self._next.get(job.name, at):
                    self.claim(job, at)
                    self._next[job.name] = job.due.following(at) or datetime.max.replace(tzinfo=UTC)
            self._settle_and_start()
        except Busy:  # the next beat tries again, so that no due time is lost
            logger.warning("a beat was cut short, the database is busy")

    def claim(self, job: DeclaredJob, at: datetime) -> int | None:
        """Claim the last due time of a job, if nobody has and it is not paused: the run's id, or None."""
        due_at = job.due.latest(at) if job.due else None
        try:
            with self.database.write(SYSTEM) as db:
                known = db.get(Job, job.name, with_for_update=True)
                if due_at is None or known is None or known.paused_at or due_at <= known.since:
                    return None
                known.since = due_at
                run = JobRun(job=job.name, due_at=due_at, started_by="schedule")
                if not job.mark.overlap and _found(db, job.name, LIVE):
                    run.error = "the run before it was still going, or waits to be tried again"
                    run.state, run.ended_at = "skipped", now()
                db.add(run)
                db.flush()
                return run.id
        except IntegrityError:  # this due time has its row already
            return None

    def take(self, run: JobRun) -> bool:
        """Claim a queued run for this process; False when another was faster, or one of its job is running."""
        mine = update(JobRun).where(col(JobRun.id) == run.id, col(JobRun.state) == "queued")
        with self.database.write(SYSTEM) as db:
            is_free = self.jobs[run.job].mark.overlap or not _found(db, run.job, ["running"])
            return is_free and db.bulk(mine.values(state="running", started_at=now(), beat_at=now()), why="run") == 1

    def _settle_and_start(self) -> None:
        is_dead = (col(JobRun.state) == "running") & (col(JobRun.beat_at) < now() - self.lease)
        is_mine = (col(JobRun.state) == "queued") & col(JobRun.job).in_(self.jobs)
        may_start = or_(col(JobRun.not_before).is_(None), col(JobRun.not_before) <= now())
        with self.database.read() as db:
            dead = db.execute(select(JobRun).where(is_dead)).scalars().all()
            waiting = db.execute(select(JobRun).where(is_mine, may_start).order_by(col(JobRun.id))).scalars().all()
        for run in dead:
            retries = self.jobs[run.job].mark.retries if run.job in self.jobs else 0
            why = ("the process that watched this run is gone", "")
            settle(self.database, run, "interrupted", why, retries=retries, is_dead=True)
        for run in waiting[: max(0, RUNS_AT_ONCE - self.runner.active)]:
            if self.take(run):
                self.runner.start(self.jobs[run.job], run)


def ask(db: Session, job: DeclaredJob, by: str, params: dict[str, Any] | None = None) -> JobRun:
    """Queue a run by hand; Refused (409) when the job is going and may not overlap."""
    if not job.mark.overlap and _found(db, job.name, LIVE):
        raise Refused(409, f"{job.name} is running or waits for its turn; let it end, or cancel it first.")
    run = JobRun(job=job.name, started_by=by, params=params or {})
    db.add(run)
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
    """Claim no due time of a job from now on, and cancel a retry that waits; a run that is going goes on."""
    _known(db, name, paused_at=now(), paused_by=by)
    for run in _found(db, name, ["queued"]):
        if run.started_by == "schedule":
            cancel(db, run.id or 0, by)


def resume(db: Session, name: str) -> None:
    """Claim a job's due times again; what was due meanwhile is not caught up."""
    _known(db, name, since=now(), paused_at=None, paused_by="")


def _known(db: Session, name: str, **values: Any) -> None:
    """Change a job's row, which is made when it is new."""
    known = db.get(Job, name) or Job(name=name, since=now())
    if values:
        before, after = {"paused_by": known.paused_by}, {"paused_by": values["paused_by"]}
        db.changes.append(Change("update", "core_job", name, before, after))
    db.add(known.sqlmodel_update(values))


def _found(db: Session, name: str, states: Sequence[str]) -> Sequence[JobRun]:
    """A job's runs in one of these states."""
    db.get(Job, name, with_for_update=True)  # PostgreSQL: one decision at a time
    return db.execute(select(JobRun).where(col(JobRun.job) == name, col(JobRun.state).in_(states))).scalars().all()
