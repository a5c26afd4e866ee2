"""Two migration histories over one metadata: core's, beside this file, and the app's, in `migrations/`.

Alembic does the work (in `alembic.py` beside this file, imported at the first need: it costs a third of a second at
start); whether there is any is seen here, from the revision files and the version tables.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect

from ..db import Database
from ..settings import PROJECT

CORE_PREFIX = "core_"
_REVISION = re.compile(r"""^(revision|down_revision)\b[^=]*=\s*["'](\w+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class History:
    """One line of revisions: where its files are, which version table it keeps, which tables it owns."""

    name: str
    folder: Path
    version_table: str
    is_core: bool

    def owns(self, table: str) -> bool:
        """Whether a table belongs to this history: core's begin with core_, and full-text shadows with theirs."""
        return table.startswith(CORE_PREFIX) == self.is_core

    def head(self) -> str | None:
        """The last revision as the files say, "" without files; None when they are not one line."""
        named = [_REVISION.findall(path.read_text()) for path in self.folder.glob("*.py")]
        revisions = [value for names in named for key, value in names if key == "revision"]
        followed = {value for names in named for key, value in names if key == "down_revision"}
        heads = [revision for revision in revisions if revision not in followed]
        is_line = len(heads) == min(1, len(revisions)) and len(set(revisions)) == len(revisions)
        return "".join(heads) if is_line else None


CORE = History("core", Path(__file__).parent / "versions", "core_version", is_core=True)


def app_history(folder: Path = PROJECT / "migrations") -> History:
    """The history of the app's own tables."""
    return History("app", folder, "alembic_version", is_core=False)


def current(connection: Connection, history: History) -> str | None:
    """The revision that a database is at."""
    if not inspect(connection).has_table(history.version_table):
        return None
    return connection.exec_driver_sql(f"SELECT version_num FROM {history.version_table}").scalar()


def pending(database: Database, histories: Sequence[History]) -> dict[str, list[str]]:
    """The revisions still to run, oldest first, by history; UserError when the database knows newer ones."""
    with database.reader.connect() as connection:
        if all(history.head() == (current(connection, history) or "") for history in histories):
            return {history.name: [] for history in histories}
    from . import alembic

    return alembic.pending(database, histories)


def upgrade(database: Database, histories: Sequence[History], *, snapshots: Path) -> dict[str, list[str]]:
    """Run what is pending, all of it in one transaction after a snapshot; returns what ran, by history."""
    todo = pending(database, histories)
    if not any(todo.values()):
        return todo
    from . import alembic

    return alembic.upgrade(database, histories, snapshots=snapshots)


def differences(connection: Connection, history: History) -> list[object]:
    """What autogenerate would still change for this history; empty when models and tables agree."""
    from . import alembic

    return alembic.differences(connection, history)
