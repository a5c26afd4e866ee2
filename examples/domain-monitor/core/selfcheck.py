"""The self-check: does this machine's disk keep what the database promises (no lock errors, no lost updates)?"""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
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
    with (
        tempfile.TemporaryDirectory(prefix="selfcheck-", dir=folder) as scratch,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as second_process,
    ):
        database = _open(Path(scratch))
        with database.write(_ACTOR) as db:
            db.connection().execute(text("CREATE TABLE counter (value INTEGER NOT NULL, pair INTEGER NOT NULL)"))
            db.connection().execute(text("INSERT INTO counter VALUES (0, 0)"))
        who = f"{READERS} readers and {WRITERS} writers here, {WRITERS} writers in a second process"
        tell(f"{who}, for {seconds:g} s …")
        second_process.submit(_elsewhere, Path(scratch), 0).result()  # awake, so that both hammer at the same time
        other = second_process.submit(_elsewhere, Path(scratch), seconds)
        ours, problems = hammer(database, seconds=seconds, readers=READERS)
        theirs, more = other.result()
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
    until, commits, problems = time.monotonic() + seconds, list[int](), list[str]()

    def repeat(what: str, once: Callable[[Database], int]) -> None:
        try:
            while time.monotonic() < until:
                commits.append(once(database))
        except Exception as error:  # the boundary: whatever fails is the finding
            problems.append(f"{what}: {error}")

    with ThreadPoolExecutor(WRITERS + readers) as pool:
        for n in range(WRITERS + readers):
            pool.submit(repeat, *(("writing", _count_up) if n < WRITERS else ("reading", _look)))
    return sum(commits), problems


def _open(path: Path) -> Database:
    return Database(f"sqlite:///{path / 'check.db'}", keyring=Keyring.load(path))


def _elsewhere(path: Path, seconds: float) -> tuple[int, list[str]]:
    database = _open(path)
    try:
        return hammer(database, seconds=seconds)
    finally:
        database.close()


def _count_up(database: Database) -> int:
    """Read, think, write back: without one writer at a time this loses updates."""
    with database.write(_ACTOR) as db:
        value = db.connection().execute(text("SELECT value FROM counter")).scalar_one()
        db.connection().execute(text("UPDATE counter SET value = :v, pair = :v"), {"v": value + 1})
    return 1


def _look(database: Database) -> int:
    with database.read() as db:
        first, second = (
            db.connection().execute(text(f"SELECT {n} FROM counter")).scalar_one() for n in ("value", "pair")
        )
    if first != second:
        raise ValueError(f"a reader saw two moments at once: {first} and {second}")
    return 0
