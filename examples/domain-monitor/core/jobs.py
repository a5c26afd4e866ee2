"""Jobs: the mark, when one is due, the rows that remember each run, and the Run that a job is given."""

import inspect
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import length_hint
from typing import Any, TypeVar, get_args
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic.fields import FieldInfo
from sqlalchemy import JSON, UniqueConstraint, insert, update
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import Field, SQLModel, col

from . import forms, log, marks
from .db import Actor, Database, Session
from .errors import Busy, CoreError
from .marks import AlertMark, JobMark
from .settings import Settings
from .time import now, period

job = JobMark
Item = TypeVar("Item")
Write = Callable[[Session], object]
Why = tuple[str, str]  # an error in one line, and its traceback
LIVE = ("queued", "running")
RETRIED = ("failed", "timed out", "interrupted")
PROGRESS_EVERY_S = 0.25
SIMPLE = (str, int, float, bool, date)  # what a parameter may be, beside choices
LONG_WAIT_S = 1.0
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=30), timedelta(hours=1)
STEPS_SHOWN = 12  # of a run: the last ones, and how each went
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
logger = log.get("core.jobs")


@dataclass(frozen=True)
class Every:
    """Every so long, counted from the epoch, so that all processes agree."""

    length: timedelta

    def latest(self, at: datetime) -> datetime:
        """The last due time not after `at`."""
        return EPOCH + (at - EPOCH) // self.length * self.length

    def following(self, at: datetime) -> datetime:
        """The first due time after `at`."""
        return self.latest(at) + self.length


class Cron:
    """A crontab line in a time zone, as Debian's cron reads it: with a wildcard hour it simply goes on.

    Else, on the wall clock, an hour that daylight saving repeats counts once; what it skips is due right after.
    """

    def __init__(self, line: str, zone: ZoneInfo) -> None:
        if len(fields := line.split()) != 5:
            raise ValueError(f"it has {len(fields)} fields, not five")
        self.line, self.zone, self.on_wall_clock = line, zone, not fields[1].startswith("*")
        self.in_words = CronSim(line, EPOCH).explain()  # "At 06:00 every day"

    def latest(self, at: datetime) -> datetime | None:
        """The last due time not after `at`; None when there was none in fifty years."""
        hands = self._hands(at).replace(microsecond=1)  # so that a due time counts as reached
        found = next((due for due in self._dues(hands, reverse=True) if due <= at), None)
        while found and (later := self.following(found)) and later <= at:
            found = later  # where the hands went back, looking back from them misses what they had passed
        return found

    def following(self, at: datetime) -> datetime | None:
        """The first due time after `at`."""
        return next((due for due in self._dues(self._hands(at)) if due > at), None)

    def _hands(self, at: datetime) -> datetime:
        """Where the hands of the clock are, written as UTC; with a wildcard hour, the time itself."""
        local = at.astimezone(self.zone)
        return local.replace(tzinfo=UTC, fold=0) if self.on_wall_clock else local

    def _dues(self, hands: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        for fire in CronSim(self.line, hands, reverse=reverse):
            while self._hands(due := fire.replace(tzinfo=self.zone).astimezone(UTC)) != fire and self.on_wall_clock:
                fire += timedelta(minutes=1)  # the hands jump over this time
            yield due if self.on_wall_clock else fire.astimezone(UTC)


def due_of(mark: JobMark, zone: ZoneInfo) -> Every | Cron | None:
    """When a job is due; None for one that runs by hand. ValueError when what it says of time is wrong."""
    if isinstance(mark, AlertMark):
        period(mark.remind)
    if mark.every is not None:
        return Every(period(mark.every))
    try:
        return Cron(mark.cron, zone) if mark.cron is not None else None
    except (ValueError, CronSimError) as error:
        raise ValueError(f'the crontab line {mark.cron!r} is wrong: {error}; write it like "0 6 * * 1"') from error


class Job(SQLModel, table=True):
    """A declared job as the database knows it; due times up to `since` are claimed, or nobody waits for them."""

    __tablename__ = "core_job"

    name: str = Field(primary_key=True)
    since: datetime
    paused_at: datetime | None = None
    paused_by: str = ""


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
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    steps: list[list[str]] = Field(default_factory=list, sa_type=JSON, description="The last ones: name, state.")


class RunLog(SQLModel, table=True):
    """One line of a run's log."""

    __tablename__ = "core_run_log"

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="core_run.id", ondelete="CASCADE", index=True)
    at: datetime = Field(default_factory=now)
    level: str
    text: str
    step: str = ""
    detail: str = Field(default="", description="A traceback, which is not for every viewer.")


@dataclass(frozen=True)
class DeclaredJob:
    """A job as the app declares it; `due` is None for one that runs by hand only."""

    name: str
    function: Callable[..., Any]
    mark: JobMark
    due: Every | Cron | None

    def __post_init__(self) -> None:
        arguments(self.function)  # which refuses what a job cannot be given

    @property
    def summary(self) -> str:
        """Its docstring's first line."""
        return marks.summary(self.function)

    @property
    def when(self) -> str:
        """Its due times as they are declared."""
        return f"every {self.mark.every}" if self.mark.every else self.mark.cron or "by hand"

    def form(self, db: Session, typed: Mapping[str, Any] | None = None) -> forms.FormView:
        """The inputs for its parameters; with what was typed, validated: one that is not named has its default."""
        inputs = arguments(self.function)[1]
        shown = forms.Form(JobRun, *inputs).show(db) if inputs else forms.FormView([])
        defaults = {one.name: one.value for one in shown.fields}
        if inputs and typed is not None:
            shown = forms.Form(JobRun, *inputs).read(db, {**defaults, **typed})
        for name in (typed or {}).keys() - defaults.keys() - shown.hidden.keys():
            shown.reject("", f"{self.name} has no parameter {name!r}; it has {', '.join(defaults) or 'none'}.")
        return shown


class Step:
    """One part of a run: what it writes, committed together with its progress and log at its end."""

    def __init__(self, name: str, run: "Run") -> None:
        self.name, self._run = name, run
        self.writes: list[Write] = []
        self.lines: list[dict[str, Any]] = []

    def write(self, statement: UpdateBase) -> None:
        """Execute an insert, update or delete at the end of the step."""
        self.call(lambda db: db.bulk(statement, why=self.name))

    def upsert(self, model: type[SQLModel], rows: Iterable[Mapping[str, Any]], *, key: str | tuple[str, ...]) -> None:
        """Insert new rows and update those that differ, at the end of the step."""
        held = list(rows)

        def write(db: Session) -> None:
            done = db.upsert(model, held, key=key)
            self.log(f"{self.name}: {done.created} new, {done.updated} changed, {done.unchanged} as before")

        self.call(write)

    def call(self, function: Write) -> None:
        """Call a function with the writing session at the end of the step; it must be quick and local."""
        self.writes.append(function)

    def log(self, text: str, *, level: str = "info", detail: str = "") -> None:
        """Write a line to the run's log."""
        self.lines.append({"at": now(), "level": level, "text": text, "step": self.name, "detail": detail})

    def commit(self) -> None:
        """Write what has come so far and go on: for a step with more rows than one short transaction takes."""
        writes, kept, self.writes = self.writes, list(self.lines), []  # what fails is not tried again
        try:
            self._run.tell(self.lines, writes, doing=self.name)
            kept = []
        finally:
            self.lines = kept  # what a write says while it is made holds only when it is committed


class Run:
    """What a job is given beside its database: steps, progress, a log. Nothing it does holds a transaction open."""

    def __init__(self, database: Database, id: int, *, job: str, did: str) -> None:
        self.id, self.job, self.did, self.failures = id, job, did, 0
        self._database, self._actor = database, Actor(job, "job", f"run-{id}", did=did)
        self._shown_at = 0.0
        self._steps: list[list[str]] = []

    def track(self, items: Iterable[Item], *, total: int | None = None) -> Iterator[Item]:
        """Pass items through, and show how many are done and which is being worked on."""
        size, done = length_hint(items) if total is None else total, 0
        for done, item in enumerate(items, 1):
            doing = str(item) if isinstance(item, str | int) else ""
            self._show(done=done - 1, total=size, doing=doing, force=done == 1)
            yield item
        self._show(done=done, total=size, doing="", force=True)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One part that may fail alone: its error is logged with the run, which goes on and ends as failed."""
        step, said = Step(name, self), [name, "going"]
        self._steps = [*self._steps, said][-STEPS_SHOWN:]
        self._show()
        try:
            yield step
            said[1] = "done"
            step.commit()
        except Exception as error:  # the boundary of a job's step: one silent registry must not stop the others
            self.failures += 1
            said[1] = "failed"
            text, detail = told(error)
            logger.warning("step failed", step=name, error=text, exc_info=bool(detail))
            step.log(f"{name}: {text}", level="error", detail=detail)
            self.tell(step.lines, failures=self.failures)

    def log(self, text: str, *, level: str = "info") -> None:
        """Write a line to the run's log now."""
        self.tell([{"at": now(), "level": level, "text": text}])

    def tell(self, lines: Iterable[dict[str, Any]] = (), writes: Iterable[Write] = (), **values: Any) -> None:
        """Write lines, data and progress in one short transaction."""
        with self._database.write(self._actor) as db:
            for write in writes:
                write(db)
            if rows := [{"run_id": self.id, **line} for line in lines]:
                db.connection().execute(insert(RunLog), rows)
            values["steps"] = self._steps
            db.bulk(update(JobRun).where(col(JobRun.id) == self.id).values(**values), why="run")

    def _show(self, *, force: bool = False, **values: Any) -> None:
        if force or time.monotonic() - self._shown_at >= PROGRESS_EVERY_S:
            self._shown_at = time.monotonic()
            with suppress(Busy):  # progress is no reason to fail
                self.tell(**values)


def arguments(function: Callable[..., Any]) -> tuple[dict[str, type], list[forms.Field]]:
    """What a job's function is given by type, and the inputs for its parameters; DeclarationError for anything else."""
    given: dict[str, type] = {}
    inputs: list[forms.Field] = []
    for name, one in inspect.signature(function, eval_str=True).parameters.items():
        kind = getattr(one.annotation, "__origin__", one.annotation)
        if inspect.isclass(kind) and issubclass(kind, Session | Run | Settings):
            given[name] = kind
            continue
        field = forms.Field(name, info=FieldInfo.from_annotated_attribute(one.annotation, one.default))
        words = get_args(field.type) or [member.value for member in getattr(field.type, "__members__", {}).values()]
        is_known = field.type in SIMPLE or (words and all(isinstance(word, str) for word in words))
        if one.default is one.empty or not is_known:
            better = "db: DB, run: Run, settings: Settings, or a parameter with a default, as in days: int | None = 30"
            wrong = f"{function.__name__} takes {name!r}, which a job cannot be given; write {better}."
            raise marks.mistake(function, wrong)
        if field.type is bool:  # an empty box says nothing, and here nothing means the default
            field.kind, field.choices = "select", [("true", "yes"), ("false", "no")]
        inputs.append(field)
    return given, inputs


def arguments_of(function: Callable[..., Any], *given: object, params: Mapping[str, Any]) -> dict[str, Any]:
    """A job's arguments: what is given by type, and the parameters that were set."""
    kinds, inputs = arguments(function)
    filled = {name: next(value for value in given if isinstance(value, kind)) for name, kind in kinds.items()}
    typed = {one.name: (one, params[one.name]) for one in inputs if one.name in params}
    return filled | {n: one.adapter.validate_python(v) if v is not None else None for n, (one, v) in typed.items()}


def told(error: BaseException) -> Why:
    """An error in one line, and its traceback; none for an error that core can name."""
    if isinstance(error, CoreError):
        return str(error), ""
    return f"{type(error).__name__}: {error}".partition("\n")[0], "".join(traceback.format_exception(error))


def settle(database: Database, run: JobRun, state: str, why: Why, *, retries: int, is_dead: bool = False) -> str:
    """Write how a run ended, why, and its retry, unless somebody has; with `is_dead` only at once. The state it has."""
    began = time.monotonic()
    with database.write(Actor("runs")) as db:
        row = db.get(JobRun, run.id, with_for_update=True)
        is_late = time.monotonic() - began > LONG_WAIT_S  # its watcher may have waited for the same seat
        if row is None or row.state != "running" or (is_dead and (is_late or row.beat_at != run.beat_at)):
            return row.state if row else "gone"
        row.state, row.error, row.ended_at, row.doing = state, why[0], now(), ""
        if why[0]:
            db.add(RunLog(run_id=row.id or 0, level="error", text=why[0], detail=why[1]))
        is_paused = (known := db.get(Job, row.job)) is not None and known.paused_at is not None
        if state in RETRIED and row.attempt <= retries and not row.cancel_asked_by and not is_paused:
            pause = min(FIRST_RETRY * 2 ** min(row.attempt - 1, 10), LONGEST_RETRY)
            same = row.model_dump(include={"job", "started_by", "params"})
            db.add(JobRun(**same, attempt=row.attempt + 1, not_before=now() + pause))
        logger.info("run ended", run=row.id, job=row.job, state=state)
        return state
