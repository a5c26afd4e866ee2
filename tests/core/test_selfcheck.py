import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from core.selfcheck import check, count_up
from tests.core.samples import join, start


@pytest.mark.slow
def test_processes_that_read_and_write_see_no_error_and_lose_nothing(tmp_path: Path) -> None:
    assert check(tmp_path / "data", seconds=2) == ""
    assert list((tmp_path / "data").iterdir()) == []


def _fail(*_: object) -> int:
    raise OSError("the disk is gone")


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


def scratch(folder: Path, value: int, pair: int) -> str:
    with closing(sqlite3.connect(folder / "check.db")) as connection:
        connection.execute(f"CREATE TABLE counter AS SELECT {value} AS value, {pair} AS pair")
    return str(folder)


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="no such table: counter"):
        count_up(str(tmp_path), 0.2)


def test_a_reader_that_sees_two_moments_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a reader saw two moments at once: 1 and 2"):
        count_up(scratch(tmp_path, 1, 2), 0.1)


def test_commits_are_counted(tmp_path: Path) -> None:
    commits = count_up(scratch(tmp_path, 0, 0), 0.1)
    assert value(tmp_path / "check.db") == commits > 0


@pytest.mark.parametrize(
    ("counted", "said"),
    [(lambda *_: 7, "28 updates were lost"), (_fail, "the disk is gone")],
    ids=["lost updates", "an error"],
)
def test_what_processes_find_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Callable[..., int], said: str
) -> None:
    monkeypatch.setattr("core.selfcheck.ProcessPoolExecutor", lambda count, mp_context: ThreadPoolExecutor(count))
    monkeypatch.setattr("core.selfcheck.count_up", counted)
    assert check(tmp_path, seconds=0.1) == said
