"""Jobs and their runs: look, run now, watch, cancel."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlalchemy import func, select
from sqlmodel import col

from ... import scheduler
from ...auth import Identity
from ...errors import Refused
from ...jobs import LIVE, DeclaredJob, JobRun, RunLog
from ...pages import DB, CurrentUser, Go, Params, View, action, page, serving
from ...tables import Cell, Column, Table
from ...tables.declare import Row, Tone
from ...time import ago, duration_in_words, now

LOG_LINES = 500
_TONES: dict[str, Tone] = {
    "succeeded": "good", "failed": "bad", "timed out": "bad", "interrupted": "warn", "cancelled": "warn",
    "skipped": "unknown", "running": "", "queued": "",
}  # fmt: skip


def _state(value: str, row: Row) -> Cell:
    return Cell(value, tone=_TONES.get(value, ""), note=row["error"][:80])


def _took(value: Any, row: Row) -> str:
    end = value or (now() if row["state"] == "running" else None)
    return duration_in_words((end - row["started_at"]).total_seconds()) if end and row["started_at"] else "—"


RUNS = Table(
    JobRun,
    Column(JobRun.id, label="Run", show=lambda value, _: f"#{value}"),
    Column(JobRun.job, filter=True, search=True),
    Column(JobRun.state, filter=True, show=_state),
    Column(
        JobRun.queued_at,
        label="Asked",
        show=lambda value, _: Cell(ago(value, now()), title=value.isoformat()),
    ),
    Column(JobRun.ended_at, label="Took", sort=False, show=_took),
    Column(JobRun.started_by, label="By", filter=True),
    Column(JobRun.attempt),
    Column(JobRun.started_at, hidden=True),
    Column(JobRun.error, hidden=True, search=True),
    sort="-id",
    link="/-/jobs/runs/{id}",
    size=25,
    empty="No job has run yet. Run one now, or wait for its time.",
)


@dataclass(frozen=True)
class Line:
    """One job in the list: what it is, when it is due, how it went last."""

    name: str
    summary: str
    when: str
    next_at: Any
    last: JobRun | None
    tone: str
    is_live: bool
    may_run: bool


@page("/-/jobs", nav="Jobs", icon="timer")
def index(request: Request, db: DB, params: Params, user: CurrentUser) -> View:
    """What runs by itself, when, and how it went."""
    last_ids = select(func.max(col(JobRun.id))).group_by(col(JobRun.job))
    last = {run.job: run for run in db.execute(select(JobRun).where(col(JobRun.id).in_(last_ids))).scalars()}
    lines = [_line(job, last.get(job.name), user) for job in _jobs(request).values()]
    return View("index.html", jobs=lines, runs=RUNS.load(db, params))


@page("/-/jobs/runs/{id}")
def show(id: int, db: DB, user: CurrentUser, request: Request) -> View:
    """One run: how far it is, what it says."""
    run = db.get(JobRun, id)
    if run is None:
        raise Refused(404, f"There is no run {id}; it may be of another database.")
    newest = select(RunLog).where(col(RunLog.run_id) == id).order_by(col(RunLog.id).desc()).limit(LOG_LINES)
    log = list(db.execute(newest).scalars())[::-1]
    job = _jobs(request).get(run.job)
    end = run.ended_at or now()
    took = duration_in_words((end - run.started_at).total_seconds()) if run.started_at else ""
    may_run = job is not None and user.can(job.mark.role)
    data: dict[str, Any] = {
        "run": run,
        "log": log,
        "is_live": run.state in LIVE,
        "took": took,
        "may_run": may_run,
        "tone": _TONES.get(run.state, ""),
    }
    return View("show.html", title=f"{run.job} #{run.id}", subtitle=job.summary if job else "", **data)


@action("/-/jobs/{name}/run")
def run_now(name: str, request: Request, db: DB, user: CurrentUser) -> Go:
    """Run a job now."""
    job = _jobs(request).get(name)
    if job is None:
        raise Refused(404, f"There is no job {name}.")
    _may(user, job)
    return Go(show, id=scheduler.ask(db, job, user.name), toast=f"{name} starts")


@action("/-/jobs/runs/{id}/cancel")
def cancel(id: int, request: Request, db: DB, user: CurrentUser) -> Go:
    """Cancel a run."""
    run = db.get(JobRun, id)
    job = _jobs(request).get(run.job) if run else None
    if job:
        _may(user, job)
    was_going = scheduler.cancel(db, id, user.name)
    return Go(show, id=id, toast="The run is being ended" if was_going else "The run had ended already")


def _jobs(request: Request) -> dict[str, DeclaredJob]:
    jobs: dict[str, DeclaredJob] = serving(request).runtime.scheduler.jobs
    return jobs


def _may(user: Identity, job: DeclaredJob) -> None:
    if not user.can(job.mark.role):
        raise Refused(403, f"Running {job.name} needs the role {job.mark.role}; {user.name} is {user.role}.")


def _line(job: DeclaredJob, last: JobRun | None, user: Identity) -> Line:
    when = f"every {job.mark.every}" if job.mark.every else job.mark.cron or "by hand"
    return Line(
        name=job.name,
        summary=job.summary,
        when=when,
        next_at=job.due.following(now()) if job.due else None,
        last=last,
        tone=_TONES.get(last.state, "") if last else "",
        is_live=last is not None and last.state in LIVE,
        may_run=user.can(job.mark.role),
    )
