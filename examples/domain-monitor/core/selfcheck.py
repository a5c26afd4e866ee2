"""The self-check: does this machine's disk keep what the database promises (no lock errors, no lost updates)?"""

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from .crypto import Keyring
from .db import Actor, Database

PROCESSES, ACTOR = 4, Actor("selfcheck")
BOTH = text("SELECT value, pair FROM counter")


def check(folder: Path, *, seconds: float) -> str:
    """Read and count up one number in a scratch database in `folder` from several processes; what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="selfcheck-", dir=folder) as name, closing(_open(name)) as database:
        try:
            with database.write(ACTOR) as db:
                db.connection().execute(text("CREATE TABLE counter AS SELECT 0 AS value, 0 AS pair"))
            with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
                lost = sum(pool.map(count_up, [name] * PROCESSES, [seconds] * PROCESSES))
            with database.read() as db:
                lost -= db.connection().execute(BOTH).one().value
        except Exception as error:  # the boundary: whatever fails is the finding
            return str(error)
    return f"{lost:,} updates were lost" if lost else ""


def count_up(folder: str, seconds: float) -> int:
    """Read, and read, think and write back, until time is up; the commits."""
    until, commits = time.monotonic() + seconds, 0
    with closing(_open(folder)) as database:
        while time.monotonic() < until:
            with database.read() as db:
                value, pair = db.connection().execute(BOTH).one()
            if value != pair:
                raise ValueError(f"a reader saw two moments at once: {value} and {pair}")
            with database.write(ACTOR) as db:  # without one writer at a time this would lose updates
                value, _ = db.connection().execute(BOTH).one()
                db.connection().execute(text("UPDATE counter SET value = :v, pair = :v"), {"v": value + 1})
            commits += 1
    return commits


def _open(folder: str) -> Database:
    return Database(f"sqlite:///{folder}/check.db", keyring=Keyring.load(Path(folder)))
