import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlmodel import col
from structlog.testing import capture_logs

from core import http
from core.crypto import Keyring
from core.db import Database, Session, _file_system, prepare_folder
from core.errors import Busy, CoreError, Refused, UserError
from core.http import Client
from core.testing import TESTER
from tests.core.samples import Counter, Item, together

READ_ONLY = "readonly database|read-only transaction"


@pytest.fixture
def counter(store: Database) -> Database:
    """The store with one counter at zero."""
    with store.write(TESTER) as db:
        db.add(Counter(id=1))
    return store


@pytest.fixture
def impatient(counter: Database, again: Callable[..., Database]) -> Database:
    """The same database, opened by somebody who waits a tenth of a second."""
    return again(wait_s=0.1)


def count_up(database: Database) -> None:
    with database.write(TESTER) as db:
        db.get_one(Counter, 1).value += 1


def value(database: Database) -> int:
    with database.read() as db:
        return int(db.execute(select(col(Counter.value))).scalar_one())


def test_a_write_is_committed_at_the_end(counter: Database) -> None:
    count_up(counter)
    assert value(counter) == 1


def test_a_row_that_is_not_there_is_refused_by_its_name(counter: Database) -> None:
    with counter.read() as db:
        assert db.get_or_404(Counter, 1, "counter").value == 0
        with pytest.raises(Refused, match="There is no counter 7; it may have been deleted") as refused:
            db.get_or_404(Counter, 7, "counter")
    assert refused.value.status == 404


def test_an_exception_undoes_the_write(counter: Database) -> None:
    with pytest.raises(ZeroDivisionError), counter.write(TESTER) as db:
        db.get_one(Counter, 1).value = 1 // 0
    assert value(counter) == 0


def test_a_reader_cannot_write(counter: Database) -> None:
    with pytest.raises(DBAPIError, match=READ_ONLY), counter.read() as db:
        db.get_one(Counter, 1).value = 5
        db.flush()
    assert value(counter) == 0


def test_a_reader_sees_one_moment(counter: Database) -> None:
    with counter.read() as db:
        before = db.execute(select(col(Counter.value))).scalar_one()
        together(lambda: count_up(counter))
        assert db.execute(select(col(Counter.value))).scalar_one() == before
    assert value(counter) == 1


def test_reading_each_sees_each_moment_and_cannot_write(counter: Database) -> None:
    with counter.reading_each() as db:
        assert db.execute(select(col(Counter.value))).scalar_one() == 0
        together(lambda: count_up(counter))
        assert db.execute(select(col(Counter.value))).scalar_one() == 1
        with pytest.raises(DBAPIError, match=READ_ONLY):
            db.connection().execute(text("UPDATE counter SET value = 9"))


def checkpoint(database: Database) -> tuple[int, int, int]:
    """Truncate the write-ahead log; (1, …) when a reader is in the way."""
    with sqlite3.connect(str(database.url.database), timeout=0) as connection:
        result: tuple[int, int, int] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    return result


@pytest.mark.sqlite("its snapshots")
def test_reading_each_holds_nothing_open(counter: Database) -> None:
    with counter.reading_each() as db:
        db.execute(select(col(Counter.value))).all()
        count_up(counter)
        assert checkpoint(counter) == (0, 0, 0)


@pytest.mark.sqlite("its snapshots")
def test_reading_each_holds_nothing_open_while_its_rows_are_walked(counter: Database) -> None:
    with counter.write(TESTER) as db:
        db.add_all(Counter(id=number) for number in range(2, 9))
    with counter.reading_each() as db:
        rows = iter(db.execute(select(Counter.__table__)))  # type: ignore[attr-defined]
        next(rows)
        count_up(counter)
        assert checkpoint(counter) == (0, 0, 0)
        assert len(list(rows)) == 7


@pytest.mark.sqlite("its snapshots")
def test_an_open_snapshot_would_hold_the_log(counter: Database) -> None:
    with counter.read() as db:
        db.execute(select(col(Counter.value))).all()
        count_up(counter)
        assert checkpoint(counter)[0] == 1


def commit(db: Session) -> None:
    db.commit()


def roll_back(db: Session) -> None:
    db.rollback()


def fail(db: Session) -> None:
    raise ZeroDivisionError


def forget(db: Session) -> None:
    """Close without a commit."""


def fail_to_commit(db: Session) -> None:
    db.add(Counter(id=1))
    db.commit()


def fail_to_record(db: Session) -> None:
    db.connection().execute(text("DROP TABLE core_audit"))
    db.add(Item(name="x"))
    db.commit()


def fail_a_deferred_key(db: Session) -> None:
    """Fail in COMMIT itself."""
    db.connection().execute(
        text("CREATE TABLE child (id INTEGER REFERENCES counter (id) DEFERRABLE INITIALLY DEFERRED)")
    )
    db.connection().execute(text("INSERT INTO child VALUES (99)"))
    db.commit()


ENDS: list[Callable[[Session], None]] = [
    commit,
    roll_back,
    fail,
    forget,
    fail_to_commit,
    fail_to_record,
    fail_a_deferred_key,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_session_gives_the_seat_back_however_it_ends(
    counter: Database, impatient: Database, end: Callable[[Session], None]
) -> None:
    with suppress(ZeroDivisionError, DBAPIError), counter.writing(TESTER) as db:
        db.execute(select(Counter)).all()
        assert http.forbidden() == "a write transaction is open"
        end(db)
    assert http.forbidden() is None
    count_up(impatient)
    count_up(counter)
    assert value(counter) == 2


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_the_block_that_writes_gives_the_seat_back_however_it_ends(
    counter: Database, impatient: Database, end: Callable[[Session], None]
) -> None:
    with suppress(ZeroDivisionError, DBAPIError), counter.write(TESTER) as db:
        db.execute(select(Counter)).all()
        end(db)
    count_up(impatient)
    assert value(counter) == 1


def test_a_session_that_is_closed_by_another_thread_lets_its_own_use_the_network(counter: Database) -> None:
    db = counter.writing(TESTER)
    db.execute(select(Counter)).all()
    assert http.forbidden()
    together(db.close)
    assert http.forbidden() is None


def test_a_thread_that_goes_on_while_its_write_is_open_may_use_the_network(counter: Database) -> None:
    with counter.writing(TESTER) as db:
        copy_context().run(lambda: db.execute(select(Counter)).all())  # as a thread of the server calls each handler
        assert http.forbidden() is None


def test_nobody_waits_on_the_network_inside_a_write(counter: Database) -> None:
    with counter.write(TESTER) as db, Client("http://127.0.0.1:9", attempts=1) as client:
        db.execute(select(Counter)).all()
        with pytest.raises(CoreError, match="a write transaction is open while GET http"):
            client.get("/")


def test_a_session_takes_no_seat_before_its_first_statement(counter: Database, impatient: Database) -> None:
    with counter.write(TESTER):
        count_up(impatient)
    assert value(counter) == 1


def test_a_writer_that_waits_too_long_is_told_busy(counter: Database, impatient: Database) -> None:
    with counter.write(TESTER) as db:
        db.get_one(Counter, 1).value = 5
        with pytest.raises(Busy):
            count_up(impatient)
    count_up(impatient)
    assert value(counter) == 6


def test_many_waiting_writers_are_all_told_busy(counter: Database, again: Callable[..., Database]) -> None:
    impatient = again(wait_s=0.3)

    def attempt() -> type:
        with pytest.raises(Busy) as caught:
            count_up(impatient)
        return caught.type

    with counter.write(TESTER) as db:
        db.get_one(Counter, 1).value = 5
        assert together(*[attempt] * 8) == [Busy] * 8


@pytest.mark.sqlite("its file")
def test_a_foreign_program_that_holds_the_database_makes_us_busy(counter: Database, impatient: Database) -> None:
    foreign = sqlite3.connect(str(counter.url.database), isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        count_up(impatient)
    foreign.execute("ROLLBACK")
    foreign.close()
    count_up(impatient)


@pytest.mark.sqlite("its file")
def test_another_failure_to_begin_is_told_as_it_is(counter: Database) -> None:
    with counter.writer.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(OperationalError, match="within a transaction"):
            counter._begin_write(connection)


def count_up_often(database: Database, line: threading.Barrier, finished: list[int], number: int) -> None:
    line.wait(10)
    for _ in range(60 // line.parties):
        count_up(database)
        finished.append(number)


@pytest.mark.parametrize("threads", [3, 20])
def test_no_thread_starves_in_the_queue(counter: Database, threads: int) -> None:
    finished, line = list[int](), threading.Barrier(threads)
    together(*[partial(count_up_often, counter, line, finished, number) for number in range(threads)])
    assert value(counter) == 60
    assert set(finished[:50]) == set(range(threads))


def test_a_long_write_is_warned_about(counter: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs, counter.write(TESTER) as db:
        db.get_one(Counter, 1).value = 5
        db.flush()
        time.sleep(0.55)
    assert [(line["event"], line["by"]) for line in logs] == [("long write transaction", "test")]


def test_an_error_shows_no_parameters(counter: Database) -> None:
    with pytest.raises(IntegrityError) as caught, counter.write(TESTER) as db:
        db.add(Item(name="a"))
        db.flush()
        db.bulk(insert(Item).values(name="a", api_key="hunter2"), why="test")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [insert(Item).values(name="x"), update(Item).values(note="x"), delete(Item), Item.__table__.delete()],  # type: ignore[attr-defined]
    ids=["insert", "update", "delete", "table"],
)
def test_a_bulk_statement_without_a_reason_is_refused(write: Session, statement: Any) -> None:
    with pytest.raises(CoreError, match=r"must say why: db\.bulk\(delete\(Model\)\.where\(…\), why="):
        write.execute(statement)


def put_another_in_its_place(file: Path) -> None:
    """Restore a copy, as with `mv`, under the open connections."""
    file.with_name("copy.db").write_bytes(file.read_bytes())
    file.with_name("copy.db").rename(file)


@pytest.mark.sqlite("its file")
@pytest.mark.parametrize("change", [put_another_in_its_place, Path.unlink], ids=["replaced", "removed"])
@pytest.mark.parametrize("use", [count_up, value], ids=["write", "read"])
def test_a_file_that_is_not_ours_any_more_is_neither_read_nor_written(
    counter: Database, change: Callable[[Path], None], use: Callable[[Database], Any]
) -> None:
    change(Path(str(counter.url.database)))
    with pytest.raises(Busy, match=r"app\.db was replaced or removed meanwhile; start the tool again") as refused:
        use(counter)
    assert refused.value.status == 503


@pytest.mark.sqlite("its file")
def test_connections_are_prepared(store: Database) -> None:
    with store.reader.connect() as reader, store.writer.connect() as writer:
        asked = ["journal_mode", "busy_timeout", "foreign_keys", "synchronous", "query_only"]
        here = [[c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked] for c in (reader, writer)]
    assert here == [["wal", 10_000, 1, 1, 1], ["wal", 10_000, 1, 1, 0]]


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), database.write(TESTER) as db:
        db.connection().execute(
            text("INSERT INTO core_run_log (run_id, at, level, text) VALUES (99, '2026-01-01', 'info', 'x')")
        )


def test_a_closed_database_holds_no_file(settings: Any) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    database = Database(settings.database, keyring=Keyring.load(settings.data_dir))
    with database.write(TESTER) as db:
        db.execute(text("SELECT 1"))
    database.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_data_folder_is_made(tmp_path: Path) -> None:
    assert prepare_folder(tmp_path / "a" / "data") == ""
    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == 0o700
    assert list((tmp_path / "a" / "data").iterdir()) == []


def test_a_data_folder_that_cannot_be_written_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match=r"data cannot be written \(File exists\); give it to this user: chown -R"):
        prepare_folder(tmp_path / "data")


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("dev / ext4 rw\n", "ext4"),
        ("dev / ext4 rw\nnas:/x {parent} nfs4 rw\n", "nfs4"),
        ("dev / ext4 rw\nnas:/x /elsewhere nfs4 rw\n", "ext4"),
        ("dev {folder} xfs rw\nnas:/x {parent} cifs rw\n", "xfs"),
        ("", ""),
    ],
    ids=["root", "nfs", "beside", "deepest", "none"],
)
def test_the_file_system_is_that_of_the_deepest_mount(tmp_path: Path, mounts: str, kind: str) -> None:
    folder = tmp_path / "my data"
    shown = {"folder": str(folder).replace(" ", "\\040"), "parent": str(tmp_path)}
    (tmp_path / "mounts").write_text(mounts.format(**shown))
    assert _file_system(folder, tmp_path / "mounts") == kind


def test_a_machine_without_mounts_has_no_file_system_to_tell(tmp_path: Path) -> None:
    assert _file_system(tmp_path, tmp_path / "missing") == ""
