"""Alembic at work: what is pending, upgrades, new revisions; without an env.py or alembic.ini."""

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import compare_metadata
from alembic.autogenerate.api import RevisionContext
from alembic.config import Config, MessagingOptions
from alembic.operations.ops import AddColumnOp
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, DefaultClause, TypeDecorator, inspect, text
from sqlmodel import SQLModel

from .. import log
from ..db import Database
from ..errors import CoreError, UserError
from ..time import now
from . import History, current

SNAPSHOTS_KEPT = 5
logger = log.get("core.migrations")


def pending(database: Database, histories: Sequence[History]) -> dict[str, list[str]]:
    """The revisions still to run, oldest first, by history; UserError when the database knows newer ones."""
    with database.reader.connect() as connection:
        return {h.name: _missing(h, current(connection, h)) for h in histories}


def upgrade(database: Database, histories: Sequence[History], *, snapshots: Path) -> dict[str, list[str]]:
    """Run what is pending, all of it in one transaction after a snapshot; returns what ran.

    Foreign keys are off meanwhile (a batch change re-creates a table, which would cascade) and are
    checked before the commit; CoreError when a row would be left pointing nowhere.
    """
    _snapshot(database, snapshots)
    with database.writer.connect() as connection, _without_foreign_keys(connection), connection.begin():
        ran = {h.name: _missing(h, current(connection, h)) for h in histories}  # another process may have been first
        for history in histories:
            script = _script(history)
            upgrades = partial(script._upgrade_revs, "head")
            with _alembic(connection, history, script, lambda revision, _, run=upgrades: run(revision)) as environment:
                environment.run_migrations()
        if database.is_sqlite and (orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise CoreError(f"migration undone: rows would point nowhere, the first in table {orphans[0][0]}")
    logger.info("migrated", **{name: revisions[-1] for name, revisions in ran.items() if revisions})
    return ran


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """SQLite takes this switch only outside of a transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def new_revision(database: Database, history: History, message: str) -> Path | None:
    """Write the revision that brings the tables to what the models say; None when they agree already."""
    history.folder.mkdir(exist_ok=True)
    if pending(database, [history])[history.name]:
        raise UserError("the database is behind: run `python -m core migrate` first")
    script = _script(history)
    options: dict[str, Any] = {
        "message": message, "autogenerate": True, "sql": False, "head": "head", "splice": False,
        "branch_label": None, "version_path": str(history.folder), "rev_id": _next_id(history), "depends_on": None,
    }  # fmt: skip
    context = RevisionContext(Config(), script, options)

    with database.reader.connect() as connection, _alembic(connection, history, script) as environment:
        migration = environment.get_context()
        context.run_autogenerate(migration.get_current_heads(), migration)
    operations = context.generated_revisions[-1].upgrade_ops
    if operations is None or operations.is_empty():
        return None
    for changed in operations.ops:
        for added in getattr(changed, "ops", []):
            if isinstance(added, AddColumnOp):
                _fill_existing_rows(added)
    written = [Path(made.path) for made in context.generate_scripts() if made]
    return written[-1]


def _fill_existing_rows(added: AddColumnOp) -> None:
    """Give a new column that may not be NULL its model's default, for the rows that are there already."""
    if added.column.nullable or added.column.server_default is not None:
        return
    where = f"{added.table_name}.{added.column.name}"
    models = [m.class_ for m in SQLModel._sa_registry.mappers if getattr(m.local_table, "name", "") == added.table_name]
    default = models[0].model_fields[added.column.name].default if models else None
    if isinstance(default, bool):
        added.column.server_default = DefaultClause(text(str(default).lower()))
    elif isinstance(default, str | int | float | Decimal):
        added.column.server_default = DefaultClause(str(getattr(default, "value", default)))
    else:
        raise UserError(f"{where} needs a default, or `| None`, for the rows that are there already")


def differences(connection: Connection, history: History) -> list[Any]:
    """What autogenerate would still change for this history; empty when models and tables agree."""
    with _alembic(connection, history, _script(history)) as environment:
        return list(compare_metadata(environment.get_context(), SQLModel.metadata))


@contextmanager
def _alembic(
    connection: Connection,
    history: History,
    script: ScriptDirectory,
    step: Callable[..., list[Any]] | None = None,
) -> Iterator[EnvironmentContext]:
    """Alembic's machinery for one history on our connection, without an env.py or alembic.ini."""

    def include(_object: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        return kind != "table" or (history.owns(name or "") and not _is_shadow(connection, name or ""))

    with EnvironmentContext(Config(), script, fn=step, destination_rev="head") as environment:
        environment.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            version_table=history.version_table,
            include_object=include,
            render_as_batch=True,
            transactional_ddl=False,  # the transaction is ours
            render_item=_render,
            user_module_prefix="sqlmodel.",
        )
        yield environment


def _missing(history: History, current: str | None) -> list[str]:
    try:
        revisions = list(_script(history).iterate_revisions("head", current or "base"))
    except (CommandError, RevisionError) as error:
        raise UserError(
            f"the database is at {history.name} revision {current!r}, which this version does not know: "
            "it was made by a newer one. Deploy that version, or restore a snapshot from data/backups/."
        ) from error
    return [revision.revision for revision in reversed(revisions)]


def _next_id(history: History) -> str:
    numbers = [int(r.revision) for r in _script(history).walk_revisions() if r.revision.isdecimal()]
    return f"{max(numbers, default=0) + 1:04d}"


def _render(kind: str, value: Any, _context: object) -> str | Literal[False]:
    """A column type of our own as the plain type that it is stored as, so that a revision outlives our code."""
    is_ours = kind == "type" and isinstance(value, TypeDecorator) and not type(value).__module__.startswith("sqlmodel")
    return f"sa.{value.impl_instance!r}" if is_ours else False


def _is_shadow(connection: Connection, table: str) -> bool:
    """Whether a table is a full-text index of SQLite, or one that SQLite made itself for it."""
    if connection.dialect.name != "sqlite":
        return False
    made = "SELECT 1 FROM pragma_table_list WHERE name = ? AND type IN ('virtual', 'shadow')"
    return connection.exec_driver_sql(made, (table,)).first() is not None


def _snapshot(database: Database, folder: Path) -> None:
    """Copy a SQLite database that has tables, with its online backup, before it changes."""
    if not database.is_sqlite:
        return
    with database.reader.connect() as connection:
        if not inspect(connection).get_table_names():
            return
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"before-migration-{now():%Y%m%d-%H%M%S}-{os.getpid()}.db"
        draft = target.with_suffix(".part")
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        copy = sqlite3.connect(draft)
        source.backup(copy)
        copy.close()
        draft.rename(target)
    for old in sorted(folder.glob("before-migration-*.db"))[:-SNAPSHOTS_KEPT]:
        old.unlink(missing_ok=True)  # another process may migrate at the same time
    logger.info("snapshot", file=str(target))


def _script(history: History) -> ScriptDirectory:
    """The revision files of this history; UserError unless they are one line."""
    here, quiet = Path(__file__).parent, MessagingOptions(quiet=True)
    script = ScriptDirectory(here, version_locations=[str(history.folder)], messaging_opts=quiet)
    try:
        with warnings.catch_warnings(action="error"):  # Alembic merely warns of two files with one revision
            heads = script.get_heads()
    except (CommandError, RevisionError, UserWarning) as error:
        raise UserError(f"the revisions in {history.folder} do not fit together: {error}") from error
    if len(heads) > 1:
        raise UserError(
            f"the revisions in {history.folder} end in {' and '.join(sorted(heads))}: "
            "let one follow the other (its down_revision), so that they are one line again"
        )
    return script
