"""Jobs for the tests, in a module that a run's own process can import."""

import os
import signal
import subprocess
import sys
import time
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import insert, select

from app.services.models import Service
from app.settings import Settings
from core import DB, CoreError, Run, job, marks
from core.jobs import DeclaredJob, due_of
from core.marks import JobMark


@job(timeout=120)
def add_services(db: DB, run: Run, settings: Settings) -> None:
    """Add services, one step each."""
    for name in run.track(["a", "b", "c"]):
        with run.step(name) as step:
            step.log(f"{name} is added to {settings.tool_name}")
            step.call(lambda db, name=name: db.add(Service(name=name, url="http://127.0.0.1")))  # type: ignore[misc]
    run.log(f"there are {len(db.exec(select(Service)).all())}")


@job(timeout=120)
def fail_in_steps(run: Run) -> None:
    """Fail in two of three steps."""
    for name in run.track(("good", "bad", "worse")):
        with run.step(name) as step:
            step.upsert(Service, [{"name": name, "url": "http://x"}], key="name")
            step.write(Service.__table__.insert().values(name=None)) if name == "bad" else None  # type: ignore[attr-defined]
            raise_if(name == "worse", CoreError("the registry is silent"))


@job(timeout=120, retries=2)
def fail(run: Run) -> None:
    """Fail."""
    run.log("about to fail")
    raise_if(True, ZeroDivisionError("of nothing"))


@job(timeout=120)
def refuse(run: Run) -> None:
    """Refuse in words."""
    raise_if(True, CoreError("there is no account to read"))


@job(timeout=120)
async def wait_a_little(run: Run) -> None:
    """Work as a coroutine."""
    run.log("awaited")


@job(timeout=3)
def too_slow(run: Run) -> None:
    """Take longer than the timeout."""
    run.log(f"pid {os.getpid()}")
    time.sleep(60)


@job(timeout=60, retries=1)
def sleep(run: Run) -> None:
    """Sleep until somebody ends it."""
    run.log(f"pid {os.getpid()}")
    time.sleep(60)


@job(timeout=60)
def sleep_deaf(run: Run) -> None:
    """Sleep, and take no request to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    run.log(f"pid {os.getpid()}")
    time.sleep(60)


@job(timeout=3)
def start_another(run: Run, seconds: int = 60) -> None:
    """Start a process, which goes on by itself, and sleep."""
    run.log(f"pid {subprocess.Popen(['sleep', '60']).pid}")
    time.sleep(seconds)


@job(timeout=120)
def leave(run: Run) -> None:
    """End the process."""
    sys.exit(3)


@job(timeout=120, retries=1)
def repeat(run: Run, word: str = "a", times: int = 1, on: date | None = None) -> None:
    """Say a word several times, and fail."""
    run.log(f"{word * times} {on!r}")
    raise_if(times > 1, CoreError("too often"))


@job(every="2s", overlap=True, timeout=120, retries=1)
def count(run: Run) -> None:
    """Add a service, and take a while."""
    with run.step("count") as step:
        step.write(insert(Service).values(name=str(run.id), url="http://x"))
    time.sleep(0.3)


@job(every="1m", overlap=True)
def each_minute(run: Run) -> None:
    """Run each minute, beside itself if need be."""


@job(cron="0 6 * * *")
def at_six(run: Run) -> None:
    """Run at six."""


def raise_if(condition: bool, error: Exception) -> None:
    if condition:
        raise error


def declared(function: Any) -> DeclaredJob:
    """A job as an app would declare it."""
    mark = marks.of(function)
    assert isinstance(mark, JobMark)
    return DeclaredJob(f"tests.{function.__name__}", function, mark, due_of(mark, ZoneInfo("UTC")))
