"""The commands for jobs: list them, run one here."""

import sys
import time

import click
from sqlalchemy import select
from sqlmodel import col

from .errors import UserError
from .jobs import LIVE, Job, JobRun, RunLog
from .opening import COMMAND_LINE, opened
from .scheduler import ask


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


@jobs.command("run")
@click.argument("name")
@click.argument("params", nargs=-1, metavar="[KEY=VALUE]...")
def run_job(name: str, params: tuple[str, ...]) -> None:
    """Run a job here and now, and show its log; exit code 1 unless it succeeds."""
    with opened() as runtime:
        scheduler, job = runtime.scheduler, runtime.scheduler.job(name)
        with runtime.database.write(COMMAND_LINE) as db:
            form = job.form(db, dict(param.partition("=")[::2] for param in params))
            if form.problems:
                raise UserError("; ".join(f"{p.name}: {p.error}" if p.name else p.error for p in form.problems))
            run = ask(db, job, COMMAND_LINE.name, form.json())
        try:
            if scheduler.take(run):  # else the server was faster, and its run is followed
                scheduler.runner.start(job, run)
            seen, state = 0, LIVE[0]
            while state in LIVE:
                time.sleep(0.3)
                with runtime.database.read() as db:
                    state = db.get_one(JobRun, run.id).state
                    new = select(RunLog).where(col(RunLog.run_id) == run.id, col(RunLog.id) > seen)
                    for line in db.execute(new.order_by(col(RunLog.id))).scalars().all():
                        click.echo(f"{line.at:%H:%M:%S} {line.level:7} {line.text}\n{line.detail}".rstrip())
                        seen = line.id or seen
        finally:  # Ctrl-C ends the run; a run that failed gets its retry queued
            scheduler.runner.stop()
        click.echo(state)
        if state != "succeeded":
            sys.exit(1)
