"""The database: SQLite with one fair writer and many readers; PostgreSQL by its URL."""

import errno
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel

from .. import http
from ..audit import Actor, Change
from ..crypto import Keyring
from ..errors import Busy, UserError
from .session import Session, Upserted
from .turnstile import WAIT_S, Turnstile, insist

__all__ = ["Actor", "Change", "Database", "Session", "Upserted"]

CONNECTIONS = 40
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"}

# Alembic can only drop or change a constraint that has a name.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}  # fmt: skip


class Database:
    """The engines of one database; made at start, closed at the end, never at import."""

    def __init__(self, url: str, *, keyring: Keyring, wait_s: float = WAIT_S) -> None:
        self.url, self.wait_s, self.keyring = make_url(url), wait_s, keyring
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._file, self._inode = Path(str(self.url.database)) if self.is_sqlite else keyring.path, 0
        self.turnstile = Turnstile(self._file, wait_s=wait_s)
        self.writer = self._engine(query_only=False)
        self.reader = self._engine(query_only=True)

    def read(self) -> Session:
        """A session on a connection that cannot write; its reads see one moment. To be closed by the caller."""
        return Session(self.reader)

    def reading_each(self) -> Session:
        """A session whose every statement reads for itself, so that nothing stays open in between."""
        options = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        return Session(self.reader.execution_options(snapshot=False, **options))

    @contextmanager
    def write(self, actor: Actor) -> Iterator[Session]:
        """A transaction that writes: commits at the end, rolls back on an exception; Busy after waiting `wait_s`."""
        with self.writing(actor) as session:
            yield session
            session.commit()

    def writing(self, actor: Actor) -> Session:
        """A session for writing; the caller commits and closes. It queues at its first statement."""
        return Session(self.writer, actor=actor)

    def analyze(self) -> None:
        """Let SQLite look at what its indexes hold, a few rows of each: its plans depend on it."""
        if self.is_sqlite:
            with self.writer.begin() as connection:
                connection.exec_driver_sql("PRAGMA analysis_limit=400")
                connection.exec_driver_sql("ANALYZE")

    def close(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()

    def _engine(self, *, query_only: bool) -> Engine:
        # SQLite: we write BEGIN; a busy timeout comes first; writers queue at the turnstile, which is fair, not here.
        engine = create_engine(
            self.url, pool_size=CONNECTIONS, pool_timeout=self.wait_s, pool_use_lifo=True,
            max_overflow=-1 if self.is_sqlite else 0, hide_parameters=True,  # an error's text carries no secret
            connect_args={"isolation_level": None, "timeout": self.wait_s} if self.is_sqlite
            else {"options": f"-c default_transaction_read_only={query_only}"},
        )  # fmt: skip
        engine.dialect.pyops_keyring = self.keyring  # type: ignore[attr-defined]
        event.listen(engine, "begin", self._begin_read if query_only else self._begin_write)
        if self.is_sqlite:
            event.listen(engine, "connect", partial(self._prepare, query_only))
            event.listen(engine, "checkout", self._refuse_another_file)
        event.listen(engine, "checkin", self._leave)
        return engine

    def _prepare(self, query_only: bool, connection: sqlite3.Connection, _record: object) -> None:
        if not query_only:  # two processes that switch first at once are told "locked" without any waiting
            switch = partial(connection.execute, "PRAGMA journal_mode=WAL")
            insist(switch, unless=sqlite3.OperationalError, deadline=time.monotonic() + self.wait_s)
        usual = "synchronous=NORMAL foreign_keys=ON recursive_triggers=ON cache_size=-16000"  # for REPLACE deletes, too
        for pragma in (*usual.split(), f"query_only={query_only}"):
            connection.execute(f"PRAGMA {pragma}")
        self._inode = self._inode or self._file.stat().st_ino

    def _refuse_another_file(self, *_: object) -> None:
        if not self._file.exists() or self._file.stat().st_ino != self._inode:  # what is written now would be lost
            raise Busy(f"{self._file.name} was replaced or removed meanwhile; start the tool again.")

    def _begin_read(self, connection: Connection) -> None:
        begin = "BEGIN" if self.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if connection.get_execution_options().get("snapshot", True):
            connection.exec_driver_sql(begin)

    def _begin_write(self, connection: Connection) -> None:
        if "seated" not in connection.info:
            seated = ExitStack()
            seated.enter_context(self.turnstile.seat())
            seated.callback(http.forbid("a write transaction is open"))
            connection.info["seated"] = seated
        # Only here, outside of a transaction, SQLite takes this switch; a migration turns it off for itself.
        is_on = connection.get_execution_options().get("foreign_keys", "ON")
        begin = [f"PRAGMA foreign_keys={is_on}", "BEGIN IMMEDIATE"]
        if not self.is_sqlite:  # one writer at a time there, too: what one reads, no other changes before it writes
            begin = [f"SET LOCAL lock_timeout = '{self.wait_s}s'", "SELECT pg_advisory_xact_lock(hashtext('writer'))"]
        try:
            for statement in begin:
                connection.exec_driver_sql(statement)
        except OperationalError as error:
            if not re.search("database is locked|lock timeout", str(error)):
                raise
            raise Busy from error  # on SQLite: a program that is not ours holds the database

    def _leave(self, connection: Any, record: Any) -> None:
        if self.is_sqlite and connection and connection.in_transaction:  # COMMIT failed, for SQLAlchemy an end
            connection.rollback()
        record.info.pop("seated", ExitStack()).close()


def prepare_folder(data_dir: Path) -> str:
    """Make the data folder; a warning about its file system, or "". UserError when it cannot be written."""
    try:
        data_dir.mkdir(0o700, parents=True, exist_ok=True)
        TemporaryFile(dir=data_dir).close()
        for file in data_dir.glob("app.db*"):  # SQLite would open them, and refuse the first write
            if not os.access(file, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, f"{file.name} belongs to another user")
    except OSError as error:
        mend = f"chown -R {os.getuid()} {data_dir} (in a container: the host's folder mounted there)"
        raise UserError(f"{data_dir} cannot be written ({error.strerror}); give it to this user: {mend}") from error
    kind = _file_system(data_dir)
    wrong = f"{data_dir} is on {kind}: SQLite corrupts there; use a local disk or DATABASE_URL."
    return wrong if kind in _REMOTE else ""


def _file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The type of the file system that holds a path, "" where /proc does not tell."""
    rows = [line.split()[1:3] for line in mounts.read_text().splitlines()] if mounts.exists() else []
    holding = [row for row in rows if path.resolve().is_relative_to(row[0].replace("\\040", " "))]
    return max(holding, key=lambda row: len(row[0]), default=["", ""])[1]
