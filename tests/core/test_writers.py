"""P4: among processes of ours no "database is locked" and no lost update, whatever reads and writes at once."""

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import text

from core.crypto import Keyring
from core.db import Database
from core.selfcheck import BOTH, count_up
from core.testing import TESTER

READERS, WRITERS, SECONDS = 8, 4, 3.0


def look(database: Database, until: float) -> int:
    """Read two columns that always agree until time is up; how often."""
    times = 0
    while time.monotonic() < until:
        with database.read() as db:
            value, pair = db.connection().execute(BOTH).one()
        assert value == pair
        times += 1
    return times


def write(database: Database, until: float) -> int:
    """Read, think and write back until time is up; the commits."""
    commits = 0
    while time.monotonic() < until:
        with database.write(TESTER) as db:
            value, _ = db.connection().execute(BOTH).one()
            db.connection().execute(text("UPDATE counter SET value = :v, pair = :v"), {"v": value + 1})
        commits += 1
    return commits


@pytest.mark.slow
def test_many_threads_and_a_second_process_see_no_error_and_lose_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'check.db'}", keyring=Keyring.load(tmp_path))
    with database.write(TESTER) as db:
        db.connection().execute(text("CREATE TABLE counter AS SELECT 0 AS value, 0 AS pair"))
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as second,
        ThreadPoolExecutor(READERS + WRITERS) as pool,
    ):
        second.submit(count_up, str(tmp_path), 0).result()  # awake, so that both write at the same time
        theirs, until = second.submit(count_up, str(tmp_path), SECONDS), time.monotonic() + SECONDS
        readers = [pool.submit(look, database, until) for _ in range(READERS)]
        writers = [pool.submit(write, database, until) for _ in range(WRITERS)]
        commits = [writer.result() for writer in writers] + [theirs.result()]
        reads = [reader.result() for reader in readers]
    with database.read() as db:
        value, _ = db.connection().execute(BOTH).one()
    database.close()
    assert (value, min(commits) > 10, min(reads) > 10) == (sum(commits), True, True)
