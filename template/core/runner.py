"""The runner: each run is a process of its own, forked from a preloaded server, watched by a thread here."""

import asyncio
import contextlib
import inspect
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from . import alerts, audit, log, marks
from .crypto import Keyring
from .db import Actor, Database, Session
from .errors import Busy
from .jobs import DeclaredJob, JobRun, Run, RunLog, State, end_run, insist, parameters, record_failure
from .marks import AlertMark, summary
from .settings import Settings
from .time import now

WATCH_S = 0.3
BEAT_S = 5.0
TERMINATE_S = 5.0
NICENESS = 10  # of a run's process: requests go first
logger = log.get("core.runner")


@dataclass(frozen=True)
class Pace:
    """How often a run is looked after, in seconds, and how long it may take to end when it must."""

    watch_s: float = WATCH_S
    beat_s: float = BEAT_S
    terminate_s: float = TERMINATE_S


_server_lock = threading.Lock()


class Runner:
    """Executes claimed runs, each in a process of its own, and settles what became of them."""

    def __init__(self, settings: Settings, database: Database, *, pace: Pace | None = None) -> None:
        self.settings, self.database, self.pace = settings, database, pace or Pace()
        self._stopping = threading.Event()
        self._watchers: set[threading.Thread] = set()

    @property
    def active(self) -> int:
        """How many runs this process is watching."""
        return len(self._watchers)

    def start(self, job: DeclaredJob, run: JobRun) -> None:
        """Execute a run that this process has claimed, in the background."""
        watcher = threading.Thread(target=self._watched, args=(job, run), name=f"run-{run.id}", daemon=True)
        self._watchers.add(watcher)
        watcher.start()

    def stop(self) -> None:
        """End the runs that are going; they are marked interrupted and retried by their policy."""
        self._stopping.set()
        for watcher in list(self._watchers):
            watcher.join(self.pace.terminate_s * 2)

    def execute(self, job: DeclaredJob, run: JobRun) -> str:
        """Execute a run and wait for it; returns the state it ended in."""
        try:
            process = _spawn(job, run, self.settings)
        except Exception as error:  # the boundary of a run: what cannot start has failed, and says why
            logger.exception("run not started", run=run.id, job=job.name)
            return settle(self.database, job, run, ("failed", f"its process did not start: {error}"))
        end = self._watch(process, job, run)
        process.close()
        return settle(self.database, job, run, end)

    def _watched(self, job: DeclaredJob, run: JobRun) -> None:
        try:
            self.execute(job, run)
        except Exception:
            logger.exception("run not watched", run=run.id, job=job.name)
        finally:
            self._watchers.discard(threading.current_thread())

    def _watch(self, process: BaseProcess, job: DeclaredJob, run: JobRun) -> tuple[State | None, str]:
        """Wait for the process; the state and reason if it was ended from outside, else (None, exit code)."""
        deadline, beat_at = time.monotonic() + job.mark.timeout, time.monotonic() + self.pace.beat_s
        while process.is_alive():
            process.join(self.pace.watch_s)
            end: tuple[State | None, str] | None = None
            if time.monotonic() > deadline:
                end = "timed out", f"ended after its timeout of {job.mark.timeout} s"
            elif self._stopping.is_set():
                end = "interrupted", "the server stopped"
            try:
                end = end or self._asked_to_end(process, run)
                if time.monotonic() > beat_at:
                    _write(self.database, run, beat_at=now())
                    beat_at = time.monotonic() + self.pace.beat_s
            except Exception as error:  # the boundary of a watch: a busy database is no reason to leave a run alone
                logger.warning("run not looked after for a moment", run=run.id, job=job.name, error=str(error))
            if end:
                _end(process, self.pace.terminate_s)
                return end
        return None, str(process.exitcode)

    def _asked_to_end(self, process: BaseProcess, run: JobRun) -> tuple[State | None, str] | None:
        with self.database.read() as db:
            seen = db.get(JobRun, run.id)
        if seen is None or (seen.state != "running" and process.is_alive()):
            return None, "the run was settled by another process"
        return ("cancelled", f"cancelled by {seen.cancel_asked_by}") if seen.cancel_asked_by else None


def settle(database: Database, job: DeclaredJob, run: JobRun, end: tuple[State | None, str]) -> str:
    """Write how a run ended, if it did not do so itself; returns the state it is in."""
    state, reason = end
    error = reason if state else f"the process ended with exit code {reason}"

    def write() -> str:
        with database.write(Actor(job.name, "job", f"run-{run.id}")) as db:
            row = end_run(db, run.id or 0, state=state or "failed", error=error, retries=job.mark.retries)
            if row:
                db.add(RunLog(run_id=run.id or 0, at=now(), level="error", text=error))
            row = row or db.get(JobRun, run.id)
            return row.state if row else "gone"

    ended = insist(write)
    logger.info("run ended", run=run.id, job=run.job, state=ended)
    return ended


def _spawn(job: DeclaredJob, run: JobRun, settings: Settings) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    with _server_lock:  # the server takes its module path from PYTHONPATH only
        # Each run imports the main module again, which for a served tool is the command line.
        context.set_forkserver_preload(["core.runner", "core.cli", job.function.__module__])
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        try:
            forkserver.ensure_running()
        finally:
            os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    process = context.Process(
        target=_main, args=(job.function, settings, run.id, job.name, run.started_by, job.mark.retries), daemon=False
    )
    process.start()
    return process


def _end(process: BaseProcess, terminate_s: float) -> None:
    process.terminate()
    process.join(terminate_s)
    if process.is_alive():
        process.kill()
        process.join()


def _write(database: Database, run: JobRun, **values: Any) -> None:
    with database.write(Actor(run.job, "job")) as db:
        db.bulk(update(JobRun).where(col(JobRun.id) == run.id).values(**values), why="run")


def _main(
    function: Callable[..., Any], settings: Settings, run_id: int, name: str, started_by: str, retries: int
) -> None:
    """A run's own process: call the job, then write how it ended."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle; it ends us in order
    threading.Thread(target=_follow_parent, daemon=True).start()
    log.configure(settings)
    database = Database(settings.database, keyring=Keyring.load(settings.data_dir))
    audit.watch(database)
    run = Run(database, run_id, job=name, did=summary(function), started_by=started_by)
    state: State = "succeeded"
    error = ""
    with log.context(run=str(run_id), job=name), contextlib.ExitStack() as stack:
        try:
            arguments = arguments_of(function, stack.enter_context(database.reading_each()), run, settings)
            result = function(**arguments)
            if inspect.isawaitable(result):
                asyncio.run(_await(result))
            if isinstance(mark := marks.of(function), AlertMark):
                alerts.look(name, summary(function), mark, result, run=run, settings=settings)
            if run.failures:
                state, error = "failed", f"{run.failures} of its steps failed; see the log"
        except Exception as failure:  # the boundary of a run
            state, error = "failed", record_failure(run, failure)
            logger.exception("job failed")

    def write() -> None:
        with database.write(Actor(name, "job")) as db:
            end_run(db, run_id, state=state, error=error, retries=retries)

    insist(write)
    with contextlib.suppress(Busy):
        database.analyze()
    database.close()


async def _await(result: Any) -> None:
    await result


def _follow_parent() -> None:
    """End this process with the one that watches it: a run nobody watches is marked interrupted."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def arguments_of(function: Callable[..., Any], db: Session, run: Run, settings: Settings) -> dict[str, Any]:
    """A job's arguments, given by type."""
    available = (db, run, settings)
    return {name: next(v for v in available if isinstance(v, kind)) for name, kind in parameters(function).items()}
