import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from core.selfcheck import check, count_up
from tests.core.samples import join, start


@pytest.mark.slow
def test_processes_that_read_and_write_see_no_error_and_lose_nothing(tmp_path: Path) -> None:
    told: list[object] = []
    assert check(tmp_path / "data", seconds=3, tell=told.append) == []
    assert told[0] == "4 processes read and write, for 3 s …"
    commits, counter = [int(word.replace(",", "")) for word in str(told[1]).split() if word[0].isdecimal()]
    assert commits == counter > 10
    assert list((tmp_path / "data").iterdir()) == []


def count_up_deferred(path: Path, until: float, commits: list[int], errors: list[str]) -> None:
    """Read, then write, in a plain deferred transaction, as drivers and frameworks do by default."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    while time.monotonic() < until:
        try:
            connection.execute("BEGIN")
            value = connection.execute("SELECT value FROM counter").fetchone()[0]
            time.sleep(0.001)
            connection.execute("UPDATE counter SET value = ?", (value + 1,))
            connection.execute("COMMIT")
            commits.append(1)
        except sqlite3.OperationalError as error:
            errors.append(str(error))
            connection.execute("ROLLBACK")
    connection.close()


def count_up_unguarded(path: Path, until: float, commits: list[int], errors: list[str]) -> None:
    """Read outside of the transaction that writes: what a default session with autocommit does."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    while time.monotonic() < until:
        value = connection.execute("SELECT value FROM counter").fetchone()[0]
        connection.execute("UPDATE counter SET value = ?", (value + 1,))
        commits.append(1)
    connection.close()


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    """A database in WAL mode with a counter at zero."""
    path = tmp_path / "plain.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE counter AS SELECT 0 AS value")
    connection.close()
    return path


def value(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = int(connection.execute("SELECT value FROM counter").fetchone()[0])
    connection.close()
    return found


def test_plain_deferred_transactions_would_fail_as_locked(counter: Path) -> None:
    until, commits, errors = time.monotonic() + 0.5, list[int](), list[str]()
    threads = [threading.Thread(target=count_up_deferred, args=(counter, until, commits, errors)) for _ in range(4)]
    start(threads)
    join(threads)
    assert "database is locked" in errors and value(counter) == len(commits)


def test_reading_before_the_transaction_would_lose_updates(counter: Path) -> None:
    until, commits, errors = time.monotonic() + 0.5, list[int](), list[str]()
    threads = [threading.Thread(target=count_up_unguarded, args=(counter, until, commits, errors)) for _ in range(4)]
    start(threads)
    join(threads)
    assert value(counter) < len(commits)


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    commits, problem = count_up(str(tmp_path), 0.2)
    assert commits == 0 and "no such table: counter" in problem


def test_a_reader_that_sees_two_moments_is_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "check.db")) as connection:
        connection.execute("CREATE TABLE counter AS SELECT 1 AS value, 2 AS pair")
    assert count_up(str(tmp_path), 0.1) == (0, "a reader saw two moments at once: 1 and 2")


def test_commits_are_counted(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "check.db")) as connection:
        connection.execute("CREATE TABLE counter AS SELECT 1 AS value, 1 AS pair")
    commits, problem = count_up(str(tmp_path), 0.1)
    assert (value(tmp_path / "check.db"), problem) == (1 + commits, "")
