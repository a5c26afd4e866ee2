"""The self-check: does this machine's disk keep what the database promises (no lock errors, no lost updates)?"""

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import text

from .crypto import Keyring
from .db import Actor, Database

READERS = 8
WRITERS = 4
_ACTOR = Actor("selfcheck")


def check(folder: Path, *, seconds: float, tell: Callable[[str], object] = print) -> list[str]:
    """Count up one number from many threads and a second process while others read; what went wrong.

    Works on a scratch database in `folder`, which it removes again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="selfcheck-", dir=folder) as scratch:
        path = Path(scratch)
        database = _open(path)
        with database.write(_ACTOR) as db:
            db.connection().execute(text("CREATE TABLE counter (value INTEGER NOT NULL, pair INTEGER NOT NULL)"))
            db.connection().execute(text("INSERT INTO counter VALUES (0, 0)"))
        tell(
            f"{READERS} readers and {WRITERS} writers here, {WRITERS} writers in a second process, for {seconds:g} s …"
        )
        context = multiprocessing.get_context("spawn")
        results: Queue[tuple[int, list[str]]] = context.Queue()
        line = context.Barrier(2)
        other = context.Process(target=_other_process, args=(path, seconds, line, results))
        other.start()
        line.wait(60)  # so that both hammer at the same time
        ours, problems = hammer(database, seconds=seconds, readers=READERS)
        theirs, more = results.get(timeout=seconds + 60)
        other.join()
        with database.read() as db:
            value = db.connection().execute(text("SELECT value FROM counter")).scalar_one()
        database.close()
    tell(f"{ours:,} commits here, {theirs:,} there, the counter stands at {value:,}")
    return [*problems, *more, *missing(ours + theirs, value)]


def missing(commits: int, value: int) -> list[str]:
    """What the counter says of the updates that were committed: nothing when all are there."""
    return [f"{commits - value} updates were lost"] if value != commits else []


def hammer(database: Database, *, seconds: float, readers: int = 0) -> tuple[int, list[str]]:
    """Write from WRITERS threads and read from others until time is up; the commits and the problems."""
    until = time.monotonic() + seconds
    commits, problems = [0] * WRITERS, list[str]()
    threads = [threading.Thread(target=_write, args=(database, until, commits, n, problems)) for n in range(WRITERS)]
    threads += [threading.Thread(target=_read, args=(database, until, problems)) for _ in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(commits), problems


def _open(path: Path) -> Database:
    return Database(f"sqlite:///{path / 'check.db'}", keyring=Keyring.load(path))


def _other_process(path: Path, seconds: float, line: Barrier, results: "Queue[tuple[int, list[str]]]") -> None:
    database = _open(path)
    line.wait(60)
    results.put(hammer(database, seconds=seconds))
    database.close()


def _write(database: Database, until: float, commits: list[int], number: int, problems: list[str]) -> None:
    """Read, think, write back: without one writer at a time this loses updates."""
    while time.monotonic() < until:
        try:
            with database.write(_ACTOR) as db:
                value = db.connection().execute(text("SELECT value FROM counter")).scalar_one()
                db.connection().execute(text("UPDATE counter SET value = :v, pair = :v"), {"v": value + 1})
            commits[number] += 1
        except Exception as error:  # the boundary: whatever fails is the finding
            problems.append(f"writing: {error}")
            return


def _read(database: Database, until: float, problems: list[str]) -> None:
    while time.monotonic() < until:
        try:
            with database.read() as db:
                first = db.connection().execute(text("SELECT value FROM counter")).scalar_one()
                second = db.connection().execute(text("SELECT pair FROM counter")).scalar_one()
            if first != second:
                problems.append(f"a reader saw two moments at once: {first} and {second}")
                return
        except Exception as error:  # the boundary: whatever fails is the finding
            problems.append(f"reading: {error}")
            return
