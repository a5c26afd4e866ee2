"""PostgreSQL keeps what SQLite does: one writer at a time, readers that only read, one migration. A real server."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from core import auth, http
from core.auth import User
from core.crypto import Keyring
from core.db import Database
from core.errors import Busy
from core.migrations import CORE, differences, upgrade
from core.testing import TESTER
from tests.core.samples import together


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """An empty database."""
    engine = create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS tool WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE tool"))
    engine.dispose()
    yield server.format("tool")


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Database]:
    """A database with core's tables."""
    database = Database(url, keyring=Keyring.load(tmp_path), wait_s=20)
    upgrade(database, [CORE], snapshots=tmp_path)
    yield database
    database.close()


def migrate(url: str, folder: Path) -> list[str]:
    database = Database(url, keyring=Keyring.load(folder))
    try:
        return upgrade(database, [CORE], snapshots=folder)["core"]
    finally:
        database.close()


def rename(database: Database, times: int) -> None:
    """Read a name and write it back, longer."""
    for _ in range(times):
        with database.write(TESTER) as db:
            user = db.get_one(User, 1)
            time.sleep(0.001)
            user.name += "x"


def test_two_that_migrate_at_once_both_succeed(url: str, tmp_path: Path) -> None:
    ran = together(*[lambda: migrate(url, tmp_path)] * 2)
    assert sorted(ran) == [[], CORE.revisions()]


def test_models_and_migrations_agree(store: Database) -> None:
    with store.reader.connect() as connection:
        assert differences(connection, CORE) == []


def test_no_update_is_lost(store: Database) -> None:
    with store.write(TESTER) as db:
        auth.add_user(db, "a", "viewer")
    together(*[lambda: rename(store, 10)] * 6)
    with store.read() as db:
        assert db.get_one(User, 1).name == "a" + "x" * 60


def test_a_reader_sees_one_moment_and_cannot_write(store: Database) -> None:
    with store.read() as db:
        assert db.execute(text("SELECT count(*) FROM core_user")).scalar() == 0
        with store.write(TESTER) as other:
            auth.add_user(other, "ann", "viewer")
        assert db.execute(text("SELECT count(*) FROM core_user")).scalar() == 0
        with pytest.raises(DBAPIError, match="read-only transaction"):
            db.connection().execute(text("DELETE FROM core_user"))


def test_a_writer_that_waits_too_long_is_told_busy(store: Database, url: str, tmp_path: Path) -> None:
    impatient = Database(url, keyring=Keyring.load(tmp_path), wait_s=0.1)
    with store.write(TESTER) as db:
        auth.add_user(db, "ann", "viewer")
        with pytest.raises(Busy):
            rename(impatient, 1)
    rename(impatient, 1)
    impatient.close()


def test_nobody_waits_on_the_network_inside_a_write(store: Database) -> None:
    with store.write(TESTER) as db:
        auth.add_user(db, "ann", "viewer")
        assert http.forbidden() == "a write transaction is open"
    assert http.forbidden() is None


@pytest.mark.parametrize("statement", ["UPDATE core_audit SET actor = 'nobody'", "DELETE FROM core_audit"])
def test_the_audit_is_only_appended_to(statement: str, store: Database) -> None:
    with store.write(TESTER) as db:
        auth.add_user(db, "ann", "viewer")
    with store.write(TESTER) as db, pytest.raises(DBAPIError, match="core_audit is only appended to"):
        db.connection().execute(text(statement))
