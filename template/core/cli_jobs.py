"""The commands for jobs: list, run here, pause and resume."""

import sys
import time

import click
from sqlalchemy import select
from sqlmodel import col

from .errors import UserError
from .jobs import LIVE, DeclaredJob, Job, JobRun, RunLog
from .opening import COMMAND_LINE, opened
from .pages import Runtime
from .scheduler import ask, pause, resume


@click.group()
def jobs() -> None:
    """What runs by itself."""


@jobs.command("list")
def list_jobs() -> None:
    """List the jobs, when they are due and what they do."""
    with opened() as runtime, runtime.database.read() as db:
        paused = set(db.execute(select(col(Job.name)).where(col(Job.paused_at).is_not(None))).scalars())
        for job in runtime.scheduler.jobs.values():
            click.echo(f"{job.name:30} {'paused' if job.name in paused else job.when:16} {job.summary}")


@jobs.command("pause")
@click.argument("name")
def pause_job(name: str) -> None:
    """Let a job not run by itself until it is resumed."""
    with opened() as runtime, runtime.database.write(COMMAND_LINE) as db:
        pause(db, _job(runtime, name).name, COMMAND_LINE.name)
    click.echo(f"{name} is paused; to undo it: python -m core jobs resume {name}")


@jobs.command("resume")
@click.argument("name")
def resume_job(name: str) -> None:
    """Let a job run by itself again, from its next due time on."""
    with opened() as runtime, runtime.database.write(COMMAND_LINE) as db:
        resume(db, _job(runtime, name).name)
    click.echo(f"{name} runs by itself again")


@jobs.command("run")
@click.argument("name")
@click.argument("params", nargs=-1, metavar="[KEY=VALUE]...")
def run_job(name: str, params: tuple[str, ...]) -> None:
    """Run a job here and now, and show its log; exit code 1 unless it succeeds."""
    with opened() as runtime:
        job, scheduler = _job(runtime, name), runtime.scheduler
        with runtime.database.write(COMMAND_LINE) as db:
            form = job.read(db, dict(param.partition("=")[::2] for param in params))
            if form.problems:
                raise UserError("; ".join(f"{p.name}: {p.error}" if p.name else p.error for p in form.problems))
            run = ask(db, job, COMMAND_LINE.name, form.json())
        try:
            if scheduler.take(run):  # else the server was faster, and its run is followed
                scheduler.runner.start(job, run)
            state = _follow(runtime, run.id or 0)
        finally:  # Ctrl-C ends the run; a run that failed gets its retry queued
            scheduler.runner.stop()
        click.echo(state)
        if state != "succeeded":
            sys.exit(1)


def _job(runtime: Runtime, name: str) -> DeclaredJob:
    if name not in runtime.scheduler.jobs:
        raise UserError(f"there is no job {name!r}; there are: {', '.join(runtime.scheduler.jobs)}")
    found: DeclaredJob = runtime.scheduler.jobs[name]
    return found


def _follow(runtime: Runtime, run_id: int) -> str:
    """Print a run's log as it comes; returns the state it ended in."""
    seen, state = 0, LIVE[0]
    while state in LIVE:
        time.sleep(0.3)
        with runtime.database.read() as db:
            state = db.execute(select(col(JobRun.state)).where(col(JobRun.id) == run_id)).scalar_one_or_none() or "gone"
            new = select(RunLog).where(col(RunLog.run_id) == run_id, col(RunLog.id) > seen).order_by(col(RunLog.id))
            lines = db.execute(new).scalars().all()
        for line in lines:
            click.echo(f"{line.at:%H:%M:%S} {line.level:7} {line.text}\n{line.detail}".rstrip())
            seen = line.id or seen
    return state
