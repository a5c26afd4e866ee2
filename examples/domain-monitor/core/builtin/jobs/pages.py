"""Jobs and their runs: look, run now or with parameters, watch, cancel, pause; and a job that forgets old runs."""

from datetime import datetime

from fastapi import Request
from sqlalchemy import delete, func, select
from sqlmodel import col

from ... import scheduler
from ...auth import Identity, SignedIn, SignInLink
from ...errors import Refused
from ...forms import text_of
from ...jobs import FIRST_RETRY, LIVE, DeclaredJob, Job, JobRun, Run, RunLog, job
from ...pages import DB, CurrentUser, Data, Go, Params, View, action, page, serving
from ...settings import Settings
from ...tables import Cell, Column, Table, UrlState
from ...tables.declare import Tone
from ...time import ago, duration_in_words, in_days, now

LOG_LINES = 500
RUNS_KEPT = 50  # of each job, however old; its page shows them as bars
ROWS = 500  # that one short transaction deletes
TONES: dict[str, Tone] = {
    "succeeded": "good", "failed": "bad", "timed out": "bad", "interrupted": "warn", "cancelled": "warn",
    "skipped": "unknown", "running": "", "queued": "",
}  # fmt: skip


def _took(began: datetime | None, ended: datetime | None) -> str:
    return duration_in_words(((ended or now()) - began).total_seconds()) if began else "—"


RUNS = Table(
    JobRun,
    Column(JobRun.id, label="Run", show=lambda value, _: f"#{value}"),
    Column(JobRun.job, filter=True, search=True),
    Column(JobRun.state, filter=True, show=lambda value, row: Cell(value, tone=TONES[value], note=row["error"][:80])),
    Column(JobRun.queued_at, label="Asked", show=lambda value, _: Cell(ago(value, now()), title=value.isoformat())),
    Column(JobRun.ended_at, label="Took", sort=False, show=lambda value, row: _took(row["started_at"], value)),
    Column(JobRun.started_by, label="By", filter=True),
    Column(JobRun.attempt), Column(JobRun.started_at, hidden=True), Column(JobRun.error, hidden=True, search=True),
    sort="-id", link="/-/jobs/runs/{id}", size=25, empty="No job has run yet. Run one now, or wait for its time.",
)  # fmt: skip


@page("/-/jobs", nav="Jobs", icon="timer")
def index(request: Request, db: DB, params: Params) -> View:
    """What runs by itself, when, and how it went."""
    last_ids = select(func.max(col(JobRun.id))).group_by(col(JobRun.job))
    last = {run.job: run for run in db.execute(select(JobRun).where(col(JobRun.id).in_(last_ids))).scalars()}
    paused = set(db.execute(select(col(Job.name)).where(col(Job.paused_at).is_not(None))).scalars())
    known = serving(request).scheduler.jobs
    jobs = [(job, last.get(name), name in paused, job.due and job.due.following(now())) for name, job in known.items()]
    return View("index.html", jobs=jobs, tones=TONES, live=LIVE, runs=RUNS.load(db, params))


@page("/-/jobs/{name}")
def about(name: str, request: Request, db: DB, params: Params) -> View:
    """One job: when it runs, how it went, what it takes."""
    job, mine = serving(request).scheduler.job(name), col(JobRun.job) == name
    ended = select(JobRun).where(mine, col(JobRun.started_at).is_not(None), col(JobRun.ended_at).is_not(None))
    last = db.execute(ended.order_by(col(JobRun.id).desc()).limit(RUNS_KEPT)).scalars().all()
    return View(
        "about.html", title=name, subtitle=job.summary, job=job, known=db.get(Job, name), form=job.form(db),
        next=job.due and job.due.following(now()), history=last[::-1], tones=TONES, retry=FIRST_RETRY.seconds,
        runs=RUNS.load(db, params, where=[mine]),
    )  # fmt: skip


@page("/-/jobs/runs/{id}")
def show(id: int, db: DB, request: Request) -> View:
    """One run: how far it is, what it says."""
    run = db.get_or_404(JobRun, id, "run")
    job = serving(request).scheduler.jobs.get(run.job)
    lines = select(RunLog).where(col(RunLog.run_id) == id).order_by(col(RunLog.id).desc()).limit(LOG_LINES)
    failed = lines.where(col(RunLog.step) != "", col(RunLog.level) == "error")
    return View(
        "show.html", title=f"{run.job} #{run.id}", subtitle=job.summary if job else "", run=run, job=job,
        log=list(db.execute(lines).scalars())[::-1], failed=list(db.execute(failed).scalars())[::-1],
        is_live=run.state in LIVE, took=_took(run.started_at, run.ended_at), tone=TONES[run.state],
        again={name: text_of(value) for name, value in run.params.items()},
    )  # fmt: skip


@action("/-/jobs/{name}/run")
def run_now(name: str, request: Request, db: DB, data: Data, user: CurrentUser) -> View | Go:
    """Run a job now."""
    job = _job(request, name, user)
    form = job.form(db, data)
    if not form.is_valid:
        view = about(name, request, db, UrlState(f"/-/jobs/{name}"))
        view.status, view.data["form"] = 422, form
        return view
    run, known = scheduler.ask(db, job, user.name, form.json()), db.get(Job, name)
    note = "; it is paused, so it goes on resting after this run" if known and known.paused_at else ""
    return Go(show, id=run.id, toast=f"{name} starts{note}")


@action("/-/jobs/{name}/pause")
def pause(name: str, request: Request, db: DB, data: Data, user: CurrentUser) -> Go:
    """Pause a job, or resume it."""
    is_over = "resume" in data
    scheduler.pause(db, _job(request, name, user).name, "" if is_over else user.name)
    return Go(about, name=name, toast=f"{name} {'runs by itself again' if is_over else 'is paused'}")


@action("/-/jobs/runs/{id}/cancel")
def cancel(id: int, request: Request, db: DB, user: CurrentUser) -> Go:
    """Cancel a run."""
    if (run := db.get(JobRun, id)) and run.job in serving(request).scheduler.jobs:  # one that is gone has no role
        _job(request, run.job, user)
    was_going = scheduler.cancel(db, id, user.name)
    return Go(show, id=id, toast="The run is being ended" if was_going else "The run had ended already")


def _job(request: Request, name: str, user: Identity) -> DeclaredJob:
    """The job of a name for a user to run; Refused (404) when there is none, (403) when it is not for this user."""
    job: DeclaredJob = serving(request).scheduler.job(name)
    if not user.can(job.mark.role):
        raise Refused(403, f"Running {name} needs the role {job.mark.role}; {user.name} is {user.role}.")
    return job


@job(cron="40 3 * * *", timeout=1800, role="admin")
def tidy(db: DB, run: Run, settings: Settings) -> None:
    """Forget old runs with their logs, and the sign-in links and sessions that have expired."""
    nth = func.row_number().over(partition_by=col(JobRun.job), order_by=col(JobRun.id).desc()).label("nth")
    runs = select(col(JobRun.id), col(JobRun.queued_at), col(JobRun.state), nth).subquery()
    is_old = (runs.c.nth > RUNS_KEPT) & (runs.c.queued_at < in_days(-settings.runs_kept_days))
    old = select(runs.c.id).where(is_old, runs.c.state.not_in(LIVE))
    of_old = select(col(RunLog.id)).where(col(RunLog.run_id).in_(old))
    lines, ids = db.execute(of_old).scalars().all(), db.execute(old).scalars().all()
    for model, gone in ((RunLog, lines), (JobRun, ids)):
        for start in run.track(range(0, len(gone), ROWS)):
            with run.step("old runs") as step:
                step.write(delete(model).where(col(model.id).in_(gone[start : start + ROWS])))
    with run.step("sign-ins") as step:
        for expiring in (SignedIn, SignInLink):
            step.write(delete(expiring).where(col(expiring.expires_at) < now()))
    run.log(f"{len(ids):,} runs deleted that were asked more than {settings.runs_kept_days} days ago")
