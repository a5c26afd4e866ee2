"""The database: SQLite with one fair writer and many readers; PostgreSQL by its URL."""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel

from .. import http
from ..crypto import Keyring, give_keyring
from ..errors import Busy, CoreError, UserError
from .session import Actor, Change, Session, Upserted
from .turnstile import WAIT_S, Turnstile

__all__ = ["Actor", "Change", "Database", "Session", "Upserted"]

CONNECTIONS = 40
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"}

# Alembic can only drop or change a constraint that has a name.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# A closed session stays closed: used again, as by an answer that streams, it would begin anew, and nobody would end it.
_OPTIONS: dict[str, Any] = {"expire_on_commit": False, "close_resets_only": False}


class Database:
    """The engines of one database; made at start, closed at the end, never at import."""

    def __init__(self, url: str, *, keyring: Keyring, wait_s: float = WAIT_S) -> None:
        self.url, self.wait_s, self.keyring = make_url(url), wait_s, keyring
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.before_commit: Callable[[Session], None] | None = None
        self._turnstile: Turnstile | None = None
        self._writing_thread: int | None = None
        if self.is_sqlite:
            self._turnstile = Turnstile(Path(str(self.url.database)), wait_s=wait_s)
        self.writer = self._engine(query_only=False)
        self.reader = self._engine(query_only=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on a connection that cannot write; its reads see one moment."""
        with self.reading() as session:
            yield session

    def reading(self) -> Session:
        """A session for reading, to be closed by the caller; connects at its first statement."""
        return Session(self.reader, **_OPTIONS)

    def reading_each(self) -> Session:
        """A session whose every statement reads for itself, so that nothing stays open in between."""
        option = {"snapshot": False} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        session = Session(self.reader.execution_options(**option), **_OPTIONS)
        session.fetches_at_once = True
        return session

    @property
    def is_busy(self) -> bool:
        """Whether a write would have to wait for another of this process."""
        return self._turnstile is not None and self._turnstile.is_taken

    @contextmanager
    def write(self, actor: Actor) -> Iterator[Session]:
        """A transaction that writes: commits at the end, rolls back on an exception.

        Raises Busy when the other writers made no room within `wait_s`.
        """
        with self.writing(actor) as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    def writing(self, actor: Actor) -> Session:
        """A session for writing; the caller commits and closes. It queues at its first statement."""
        session = Session(self.writer, **_OPTIONS)
        session.actor = actor
        session.before_commit = self.before_commit
        return session

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
        if self._turnstile:
            self._turnstile.close()

    def _engine(self, *, query_only: bool) -> Engine:
        # SQLite: the pool never makes anybody wait, for writers queue at the turnstile, which is fair.
        engine = create_engine(
            self.url,
            pool_size=CONNECTIONS,
            max_overflow=-1 if self.is_sqlite else 0,
            pool_timeout=self.wait_s,
            pool_use_lifo=True,
            hide_parameters=True,  # an error's text must not carry a secret into a log
        )
        give_keyring(engine.dialect, self.keyring)
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare(query_only, self.wait_s))
            event.listen(engine, "begin", self._begin_read if query_only else self._begin_write)
            if not query_only:
                event.listen(engine, "checkin", self._leave)
        return engine

    def _begin_read(self, connection: Connection) -> None:
        if connection.get_execution_options().get("snapshot", True):
            connection.exec_driver_sql("BEGIN")

    def _begin_write(self, connection: Connection) -> None:
        assert self._turnstile
        if "seated" not in connection.info:
            if self._writing_thread == threading.get_ident():
                raise CoreError("a write is open in this thread already; write in that one, or after it")
            self._turnstile.enter()
            self._writing_thread = threading.get_ident()
            connection.info["seated"] = http.forbid("a write transaction is open")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:  # a program that is not ours holds the database
            if is_locked(error):
                raise Busy from error
            raise

    def _leave(self, connection: sqlite3.Connection | None, record: Any) -> None:
        if connection and connection.in_transaction:  # COMMIT itself failed, which SQLAlchemy takes for an end
            connection.rollback()
        if allow_network := record.info.pop("seated", None):
            assert self._turnstile
            allow_network()
            self._writing_thread = None
            self._turnstile.leave()


def _prepare(query_only: bool, wait_s: float) -> Callable[[sqlite3.Connection, object], None]:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we write BEGIN ourselves; see _begin_write
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={round(wait_s * 1000)}")  # first: switching to WAL may have to wait
        if not query_only:
            _switch_to_wal(cursor, wait_s)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-16000")
        if query_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    return prepare


def _switch_to_wal(cursor: sqlite3.Cursor, wait_s: float) -> None:
    """Switch to write-ahead logging; two processes that do so first at once are told "locked" without any waiting."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def prepare_folder(data_dir: Path) -> str:
    """Make the data folder and return a warning about its file system, "" when there is none.

    Raises UserError when it cannot be written, with the command that mends it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe = data_dir / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
        for file in data_dir.glob("app.db*"):  # SQLite would open them, and refuse the first write
            if not os.access(file, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, f"{file.name} belongs to another user")
    except OSError as error:
        place = " (in a container: the host's folder mounted there)" if data_dir.is_mount() else ""
        raise UserError(
            f"{data_dir} cannot be written ({error.strerror}); "
            f"give it to this user: chown -R {os.getuid()} {data_dir}{place}"
        ) from error
    kind = _file_system(data_dir)
    return (
        f"{data_dir} is on {kind}: SQLite corrupts there; use a local disk or DATABASE_URL."
        if kind in _NETWORK_FILE_SYSTEMS
        else ""
    )


def _file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The type of the file system that holds a path, "" where /proc does not tell."""
    if not mounts.exists():
        return ""
    rows = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    holding = [row for row in rows if path.resolve().is_relative_to(row[0].replace("\\040", " "))]
    return max(holding, key=lambda row: len(row[0]))[1] if holding else ""


def is_locked(error: BaseException) -> bool:
    """Whether an error is SQLite's "database is locked"."""
    return isinstance(error, OperationalError) and "database is locked" in str(error)
