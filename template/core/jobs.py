"""Jobs: the mark, the rows that remember each run, and the Run that a job is given while it works."""

import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import UniqueConstraint, insert, select, update
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import Field, SQLModel, col

from . import log, marks
from .db import Actor, Database, Session, Upserted
from .errors import Busy, CoreError, DeclarationError
from .marks import JobMark, Role
from .settings import Settings
from .time import now, period

Handler = TypeVar("Handler", bound=Callable[..., Any])
Item = TypeVar("Item")
Result = TypeVar("Result")
State = Literal["queued", "running", "succeeded", "failed", "timed out", "cancelled", "interrupted", "skipped"]
LIVE: tuple[State, ...] = ("queued", "running")
PROGRESS_EVERY_S = 0.25
RETRIED: tuple[State, ...] = ("failed", "timed out", "interrupted")
PATIENCE = 60  # times that what must not be lost is tried again, 10 s each, while the database is busy
LEASE = timedelta(seconds=20)
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
logger = log.get("core.jobs")


class Job(SQLModel, table=True):
    """A declared job as the database knows it; due times before `since` are not caught up."""

    __tablename__ = "core_job"

    name: str = Field(primary_key=True)
    since: datetime


class JobRun(SQLModel, table=True):
    """One execution of a job; the row is claimed by inserting it, so each due time runs once."""

    __tablename__ = "core_run"
    __table_args__ = (UniqueConstraint("job", "due_at", name="uq_core_run_job_due_at"),)

    id: int | None = Field(default=None, primary_key=True)
    job: str = Field(index=True)
    due_at: datetime | None = None
    state: str = Field(default="queued", index=True)
    started_by: str
    attempt: int = 1
    queued_at: datetime = Field(default_factory=now)
    not_before: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    beat_at: datetime | None = None
    cancel_asked_by: str = ""
    done: int = 0
    total: int = 0
    doing: str = ""
    failures: int = 0
    error: str = ""


class RunLog(SQLModel, table=True):
    """One line of a run's log."""

    __tablename__ = "core_run_log"

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="core_run.id", ondelete="CASCADE", index=True)
    at: datetime
    level: str
    text: str


class Due(Protocol):
    """When a job is due; every process computes the same times."""

    def latest(self, at: datetime) -> datetime | None:
        """The last due time not after `at`."""

    def following(self, at: datetime) -> datetime | None:
        """The first due time after `at`."""


@dataclass(frozen=True)
class DeclaredJob:
    """A job as the app declares it; `due` is None for one that runs by hand only."""

    name: str
    function: Callable[..., Any]
    mark: JobMark
    due: Due | None

    def __post_init__(self) -> None:
        """Refuse a function with an argument that a job cannot be given."""
        parameters(self.function)

    @property
    def summary(self) -> str:
        """Its docstring's first line."""
        return marks.summary(self.function)


def job(
    *,
    cron: str | None = None,
    every: str | None = None,
    timeout: int = 3600,
    overlap: bool = False,
    retries: int = 0,
    role: Role = "operator",
) -> Callable[[Handler], Handler]:
    """Mark a function as a job.

    `cron` is a crontab line ("0 6 * * 1" is Monday at six), `every` a period like "15m"; with neither it
    runs by hand only. `timeout` is in seconds. `role` may start it by hand.
    """

    def mark(function: Handler) -> Handler:
        marks.check_role(role, function)
        if cron and every:
            raise DeclarationError(f"{marks.where(function)}: give cron= or every=, not both.")
        if every:
            try:
                period(every)
            except ValueError as error:
                raise DeclarationError(f"{marks.where(function)}: {error}") from error
        made = JobMark(cron=cron, every=every, timeout=timeout, overlap=overlap, retries=retries, role=role)
        return marks.put(function, made)

    return mark


class Step:
    """One part of a run: what it writes, committed together with its progress and log at its end."""

    def __init__(self, name: str, commit: Callable[["Step"], None]) -> None:
        self.name, self._commit = name, commit
        self.writes: list[Callable[[Session], object]] = []
        self.lines: list[tuple[str, str]] = []

    def write(self, statement: UpdateBase) -> None:
        """Execute an insert, update or delete at the end of the step."""
        self.writes.append(lambda db: db.bulk(statement, why=self.name))

    def upsert(self, model: type[SQLModel], rows: Iterable[Mapping[str, Any]], *, key: str | tuple[str, ...]) -> None:
        """Insert new rows and update those that differ, at the end of the step."""
        held = list(rows)

        def write(db: Session) -> Upserted:
            done = db.upsert(model, held, key=key)
            self.lines.append(
                (
                    "info",
                    f"{self.name}: {done.created} new, {done.updated} changed, {done.unchanged} as before",
                )
            )
            return done

        self.writes.append(write)

    def call(self, function: Callable[[Session], object]) -> None:
        """Call a function with the writing session at the end of the step; it must be quick and local."""
        self.writes.append(function)

    def log(self, text: str, *, level: str = "info") -> None:
        """Write a line to the run's log."""
        self.lines.append((level, text))

    def commit(self) -> None:
        """Write what has come so far and go on: for a step with more rows than one short transaction takes."""
        self._commit(self)


class Run:
    """What a job is given beside its database: steps, progress, a log. Nothing it does holds a transaction open."""

    def __init__(self, database: Database, id: int, *, job: str, did: str, started_by: str) -> None:
        self.id, self.job, self.started_by = id, job, started_by
        self.failures = 0
        self._database = database
        self._actor = Actor(job, "job", f"run-{id}", did=did)
        self._told_at: datetime | None = None

    def track(self, items: Iterable[Item], *, total: int | None = None) -> Iterator[Item]:
        """Pass items through, and show how many are done and which is being worked on."""
        size = total if total is not None else len(items) if isinstance(items, Sized) else 0
        self._tell(done=0, total=size, force=True)
        done = 0
        for item in items:
            self._tell(done=done, total=size, doing=str(item) if isinstance(item, str | int) else "", force=done == 0)
            yield item
            done += 1
        self._tell(done=done, total=size, doing="", force=True)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One part that may fail alone: its error is logged with the run, which goes on and ends as failed."""
        step = Step(name, self._commit)
        try:
            yield step
            self._commit(step)
        except Exception as error:  # the boundary of a job's step: one silent registry must not stop the others
            self.failures += 1
            text = str(error) if isinstance(error, CoreError) else f"{type(error).__name__}: {error}"
            logger.warning("step failed", step=name, error=text, exc_info=not isinstance(error, CoreError))
            self._write_lines([*step.lines, ("error", f"{name}: {text}")], failures=self.failures)

    def log(self, text: str, *, level: str = "info") -> None:
        """Write a line to the run's log now."""
        self._write_lines([(level, text)])

    def _commit(self, step: Step) -> None:
        writes, said, step.writes = step.writes, list(step.lines), []  # what fails is not tried again
        try:
            with self._database.write(self._actor) as db:
                for write in writes:
                    write(db)
                self._insert_lines(db, step.lines)
                db.bulk(update(JobRun).where(col(JobRun.id) == self.id).values(doing=step.name), why="run")
        except BaseException:
            step.lines = said  # what a write says while it is made holds only when it is committed
            raise
        step.lines = []

    def _write_lines(self, lines: list[tuple[str, str]], **values: Any) -> None:
        insist(lambda: self._write_once(lines, **values))

    def _write_once(self, lines: list[tuple[str, str]], **values: Any) -> None:
        with self._database.write(self._actor) as db:
            self._insert_lines(db, lines)
            if values:
                db.bulk(update(JobRun).where(col(JobRun.id) == self.id).values(**values), why="run")

    def _insert_lines(self, db: Session, lines: list[tuple[str, str]]) -> None:
        if lines:
            at = now()
            rows = [{"run_id": self.id, "at": at, "level": level, "text": text} for level, text in lines]
            db.connection().execute(insert(RunLog), rows)

    def _tell(self, *, force: bool = False, **values: Any) -> None:
        at = now()
        if not force and self._told_at and (at - self._told_at).total_seconds() < PROGRESS_EVERY_S:
            return
        self._told_at = at
        with suppress(Busy):  # progress is no reason to fail
            self._write_once([], **values)


def parameters(function: Callable[..., Any]) -> dict[str, type]:
    """What a job's function takes, by name; DeclarationError for a type that a job cannot be given."""
    taken: dict[str, type] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        kind = getattr(parameter.annotation, "__origin__", parameter.annotation)
        if not inspect.isclass(kind) or not issubclass(kind, Session | Run | Settings):
            raise DeclarationError(
                f"{marks.where(function)}: {function.__name__} takes {name!r}, which a job cannot be given; "
                "write db: DB, run: Run or settings: Settings."
            )
        taken[name] = kind
    return taken


def record_failure(run: Run, error: BaseException) -> str:
    """Log why a job's function ended with an exception; returns it in one line."""
    line = str(error) if isinstance(error, CoreError) else f"{type(error).__name__}: {error}"
    detail = line if isinstance(error, CoreError) else "".join(traceback.format_exception(error))
    run.log(detail, level="error")
    return line


def insist(write: Callable[[], Result]) -> Result:
    """Do a write that must not be lost, again and again while the database is busy."""
    for _ in range(PATIENCE):
        with suppress(Busy):
            return write()
    return write()


def end_run(db: Session, run_id: int, *, state: State, error: str, retries: int) -> JobRun | None:
    """Write how a run ended, and queue its retry with it; None when it has ended already."""
    row = db.get(JobRun, run_id)
    if row is None or row.state != "running":
        return None
    row.state, row.error, row.ended_at, row.doing = state, error, now(), ""
    if state in RETRIED and (again := retry_of(row, retries)):
        db.add(again)
    return row


def retry_of(row: JobRun, retries: int) -> JobRun | None:
    """The next try of a run, after a pause that doubles each time; None when it has had its tries."""
    if row.attempt > retries or row.cancel_asked_by:
        return None
    pause = min(FIRST_RETRY * 2 ** min(row.attempt - 1, 10), LONGEST_RETRY)
    return JobRun(job=row.job, started_by=row.started_by, attempt=row.attempt + 1, not_before=now() + pause)


def dead_runs(db: Session, *, lease: timedelta = LEASE) -> list[JobRun]:
    """The runs whose watcher has not been heard of for longer than the lease."""
    is_dead = (col(JobRun.state) == "running") & (col(JobRun.beat_at) < now() - lease)
    return list(db.execute(select(JobRun).where(is_dead)).scalars())
