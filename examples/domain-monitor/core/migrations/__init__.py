"""Two migration histories over one metadata: core's, beside this file, and the app's, in `migrations/`."""

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from .. import log
from ..db import Database
from ..errors import CoreError, UserError
from ..settings import PROJECT
from ..time import now

SNAPSHOTS_KEPT = 5
_REVISION = re.compile(r"""^(revision|down_revision)\b[^=\n]*= *["']([^"']+)""", re.MULTILINE)
logger = log.get("core.migrations")


@dataclass(frozen=True)
class History:
    """One line of revisions: where its files are, which version table it keeps, which tables it owns."""

    name: str
    folder: Path
    version_table: str

    def owns(self, table: str) -> bool:
        """Whether a table belongs to this history: core's begin with core_, its version table too."""
        return table.startswith("core_") == self.version_table.startswith("core_")

    def revisions(self) -> list[str]:
        """What the files say, oldest first; UserError when they are not one line."""
        files = [dict(_REVISION.findall(path.read_text())) for path in self.folder.glob("*.py")]
        steps = [(file.get("down_revision"), file["revision"]) for file in files if "revision" in file]
        line, after = list[str](), dict(steps)
        while following := after.pop(line[-1] if line else None, None):
            line.append(following)
        if len(line) < len(steps):
            rest = sorted({revision for _, revision in steps} - {*line}) or ["one is there twice"]
            mend = "let each follow another by its down_revision"
            raise UserError(f"the revisions in {self.folder} are not one line ({', '.join(rest)}): {mend}")
        return line

    def missing(self, connection: Connection) -> list[str]:
        """The revisions that a database has still to run, oldest first; UserError when it knows newer ones."""
        revisions, at = self.revisions(), None
        if inspect(connection).has_table(self.version_table):
            at = connection.exec_driver_sql(f"SELECT version_num FROM {self.version_table}").scalar()
        if at not in [None, *revisions]:
            newer = "which this version does not know: deploy the newer one, or see 'Back to a snapshot' in the guide"
            raise UserError(f"the database is at {self.name} revision {at!r}, {newer}")
        return revisions[revisions.index(at) + 1 :] if at else revisions


CORE = History("core", Path(__file__).parent / "versions", "core_version")


def app_history(folder: Path = PROJECT / "migrations") -> History:
    """The history of the app's own tables."""
    return History("app", folder, "alembic_version")


def pending(database: Database, histories: Sequence[History]) -> dict[str, list[str]]:
    """The revisions still to run, oldest first, by history."""
    with database.reader.connect() as connection:
        return {history.name: history.missing(connection) for history in histories}


def upgrade(database: Database, histories: Sequence[History], *, snapshots: Path) -> dict[str, list[str]]:
    """Run what is pending, all of it in one transaction after a snapshot; returns what ran, by history."""
    if not any((todo := pending(database, histories)).values()):
        return todo
    from .alembic import environment

    _snapshot(database, snapshots, "-".join(f"{name}-{steps[0]}" for name, steps in todo.items() if steps))
    # A batch change re-creates a table, which would cascade: foreign keys are off, and checked before the commit.
    with database.writer.execution_options(foreign_keys="OFF").begin() as connection:
        # Once more, for another process may have been first.
        ran = {history.name: history.missing(connection) for history in histories}
        for history in histories:
            with environment(connection, history) as alembic:
                alembic.run_migrations()
        if database.is_sqlite and (orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise CoreError(f"migration undone: rows would point nowhere, the first in table {orphans[0][0]}")
    logger.info("migrated", **{name: revisions[-1] for name, revisions in ran.items() if revisions})
    return ran


def differences(connection: Connection, history: History) -> list[object]:
    """What autogenerate would still change for this history; empty when models and tables agree."""
    from alembic.autogenerate import compare_metadata

    from .alembic import environment

    with environment(connection, history) as alembic:
        return list(compare_metadata(alembic.get_context(), SQLModel.metadata))


def _snapshot(database: Database, folder: Path, before: str) -> None:
    """Copy a SQLite database that has tables, with its online backup, before it changes."""
    with database.reader.connect() as connection:
        if not database.is_sqlite or not inspect(connection).get_table_names():
            return
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"before-migration-{now():%Y%m%d-%H%M%S}-{os.getpid()}-{before}.db"
        with TemporaryDirectory(dir=folder) as scratch:  # what breaks off must leave a full disk its room
            with closing(sqlite3.connect(draft := Path(scratch, target.name))) as copy:
                connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]
            draft.rename(target)
    for old in sorted(folder.glob("before-migration-*.db"))[:-SNAPSHOTS_KEPT]:
        old.unlink(missing_ok=True)  # another process may migrate at the same time
    logger.info("snapshot", file=str(target))
