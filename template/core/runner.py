"""The runner: each run is a process of its own, forked from a preloaded server, watched by a thread here."""

import asyncio
import inspect
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import forkserver, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from . import alerts, audit, log, marks
from .crypto import Keyring
from .db import Actor, Database
from .errors import Busy
from .jobs import DeclaredJob, JobRun, Run, arguments, settle, told
from .marks import AlertMark
from .settings import Settings
from .time import now

WATCH_S = 0.3
NICENESS = 10  # of a run's process: requests go first
_server_lock = threading.Lock()
logger = log.get("core.runner")


class Runner:
    """Executes claimed runs, each in a process of its own, and settles what became of them."""

    beat_s, terminate_s = 5.0, 5.0

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self._stopping = threading.Event()
        self._watchers: set[threading.Thread] = set()

    @property
    def active(self) -> int:
        """How many runs this process is watching."""
        return len(self._watchers)

    def start(self, job: DeclaredJob, run: JobRun) -> None:
        """Execute a run that this process has claimed, in the background."""
        watcher = threading.Thread(target=self.execute, args=(job, run), name=f"run-{run.id}", daemon=True)
        self._watchers.add(watcher)
        watcher.start()

    def stop(self) -> None:
        """End the runs that are going; they are marked interrupted and retried by their policy."""
        self._stopping.set()
        for watcher in list(self._watchers):
            watcher.join(self.terminate_s * 2)

    def execute(self, job: DeclaredJob, run: JobRun) -> str:
        """Execute a run and wait for it; returns the state it ended in."""
        try:
            state, why = self._watch(_spawn(job, run, self.settings), job, run)
        except Exception as error:  # the boundary of a run: what cannot start has failed, and says why
            logger.exception("run not started", run=run.id, job=job.name)
            state, why = "failed", f"its process did not start: {error}"
        try:
            return settle(self.database, run, state, (why, ""), retries=job.mark.retries)
        finally:
            self._watchers.discard(threading.current_thread())

    def _watch(self, process: BaseProcess, job: DeclaredJob, run: JobRun) -> tuple[str, str]:
        """Wait for the process, or end it when it must; the state of its run unless it has written one, and why."""
        deadline, beat_at = time.monotonic() + job.mark.timeout, time.monotonic() + self.beat_s
        while process.is_alive():
            process.join(min(WATCH_S, self.beat_s))
            try:
                if end := self._must_end(job, run, deadline):
                    process.terminate()
                    process.join(self.terminate_s)
                    process.kill()  # which is nothing when it has ended
                    process.join()
                    return end
                if time.monotonic() > beat_at:
                    with self.database.write(Actor(job.name, "job")) as db:
                        db.bulk(update(JobRun).where(col(JobRun.id) == run.id).values(beat_at=now()), why="run")
                    beat_at = time.monotonic() + self.beat_s
            except Exception as error:  # the boundary of a watch: a busy database is no reason to leave a run alone
                logger.warning("run not looked after for a moment", run=run.id, job=job.name, error=str(error))
        return "failed", f"the process ended with exit code {process.exitcode}"

    def _must_end(self, job: DeclaredJob, run: JobRun, deadline: float) -> tuple[str, str] | None:
        """The state that a run must be ended in now, and why; None while it may go on."""
        if time.monotonic() > deadline:
            return "timed out", f"ended after its timeout of {job.mark.timeout} s"
        if self._stopping.is_set():
            return "interrupted", "the server stopped"
        with self.database.read() as db:
            seen = db.get(JobRun, run.id)
        if seen is None or seen.state != "running":
            return "cancelled", "another process settled this run"
        return ("cancelled", f"cancelled by {seen.cancel_asked_by}") if seen.cancel_asked_by else None


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
    process = context.Process(target=_main, args=(job, settings, run.id), daemon=False)
    process.start()
    return process


def _main(job: DeclaredJob, settings: Settings, run_id: int) -> None:
    """A run's own process: call the job, then write how it ended."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle; it ends us in order
    threading.Thread(target=_follow_parent, daemon=True).start()
    log.configure(settings)
    database = Database(settings.database, keyring=Keyring.load(settings.data_dir))
    audit.watch(database)
    state, why = "succeeded", ("", "")
    with log.context(run=str(run_id), job=job.name), database.reading_each() as db:
        row = db.get_one(JobRun, run_id)
        run = Run(database, run_id, job=job.name, did=job.summary)
        try:
            result = job.function(**arguments_of(job.function, db, run, settings, params=row.params))
            if inspect.iscoroutine(result):
                asyncio.run(result)
            if isinstance(mark := marks.of(job.function), AlertMark):
                alerts.look(job.name, job.summary, mark, result, run=run, settings=settings)
            if run.failures:
                state, why = "failed", (f"{run.failures} of its steps failed", "")
        except Exception as failure:  # the boundary of a run
            state, why = "failed", told(failure)
            logger.exception("job failed")
    settle(database, row, state, why, retries=job.mark.retries)
    with suppress(Busy):
        database.analyze()
    database.close()


def _follow_parent() -> None:
    """End this process with the one that watches it: a run nobody watches is marked interrupted."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def arguments_of(function: Callable[..., Any], *given: object, params: Mapping[str, Any]) -> dict[str, Any]:
    """A job's arguments: what is given by type, and the parameters that were set."""
    kinds, inputs = arguments(function)
    filled = {name: next(value for value in given if isinstance(value, kind)) for name, kind in kinds.items()}
    return filled | {one.name: one.adapter.validate_python(params[one.name]) for one in inputs if one.name in params}
