"""Alembic at work, without an env.py, and what core's revisions are written with; imported at the first need: 0.3 s."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic import op
from alembic.autogenerate.api import RevisionContext
from alembic.config import Config, MessagingOptions
from alembic.operations.ops import AddColumnOp
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlmodel import AutoString, SQLModel, UTCDateTime

from ..db import Database
from ..errors import UserError
from . import History


@contextmanager
def environment(connection: sa.Connection, history: History) -> Iterator[EnvironmentContext]:
    """Alembic's machinery for one history on our connection."""
    options = MessagingOptions(quiet=True)
    script = ScriptDirectory(Path(__file__).parent, version_locations=[str(history.folder)], messaging_opts=options)
    made = "SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow')"  # a full-text index, and its parts
    shadows = connection.exec_driver_sql(made).scalars().all() if connection.dialect.name == "sqlite" else []
    with EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs("head", at)) as alembic:
        alembic.configure(
            connection=connection, target_metadata=SQLModel.metadata, version_table=history.version_table,
            include_object=lambda _, name, kind, *more: kind != "table" or (history.owns(name) and name not in shadows),
            render_as_batch=True, render_item=_render, user_module_prefix="sqlmodel.",
            transactional_ddl=False,  # the transaction is ours
        )  # fmt: skip
        yield alembic


def new_revision(database: Database, history: History, message: str) -> Path | None:
    """Write the revision that brings the tables to what the models say; None when they agree already."""
    history.folder.mkdir(exist_ok=True)
    next_id = max((int(id) for id in history.revisions() if id.isdecimal()), default=0) + 1
    options: dict[str, Any] = {
        "message": message, "autogenerate": True, "sql": False, "head": "head", "splice": False,
        "branch_label": None, "version_path": str(history.folder), "rev_id": f"{next_id:04d}", "depends_on": None,
    }  # fmt: skip
    with database.reader.connect() as connection, environment(connection, history) as alembic:
        if history.missing(connection):
            raise UserError("the database is behind: run `python -m core migrate` first")
        revision = RevisionContext(Config(), alembic.script, options)
        migration = alembic.get_context()
        revision.run_autogenerate(migration.get_current_heads(), migration)
    operations = revision.generated_revisions[-1].upgrade_ops
    if operations is None or operations.is_empty():
        return None
    for added in (inner for changed in operations.ops for inner in getattr(changed, "ops", [])):
        if isinstance(added, AddColumnOp) and not added.column.nullable and added.column.server_default is None:
            _fill_existing_rows(added)
    return [Path(made.path) for made in revision.generate_scripts() if made][-1]


def _fill_existing_rows(added: AddColumnOp) -> None:
    """Give a new column that may not be NULL its model's default, for the rows that are there already."""
    models = [m.class_ for m in SQLModel._sa_registry.mappers if getattr(m.local_table, "name", "") == added.table_name]
    default = models[0].model_fields[added.column.name].default if models else None
    default = getattr(default, "value", default)  # of an Enum
    if not isinstance(default, str | int | float | Decimal):
        where = f"{added.table_name}.{added.column.name}"
        raise UserError(f"{where} needs a default, or `| None`, for the rows that are there already")
    shown = sa.text(str(default).lower()) if isinstance(default, bool) else str(default)
    added.column.server_default = sa.DefaultClause(shown)


def _render(kind: str, value: Any, _context: object) -> str | Literal[False]:
    """A column type of our own as the plain type that it is stored as, so that a revision outlives our code."""
    is_ours = isinstance(value, sa.TypeDecorator) and not type(value).__module__.startswith("sqlmodel")
    return f"sa.{value.impl_instance!r}" if kind == "type" and is_ours else False


def columns(type_: Any, *names: str, **options: Any) -> list[sa.Column[Any]]:
    """Columns of one type, never NULL unless the options say so. Old revisions rely on this and on what follows."""
    return [sa.Column(name, type_, **{"nullable": False, **options}) for name in names]


texts, numbers = partial(columns, AutoString()), partial(columns, sa.Integer())
moments, flags = partial(columns, UTCDateTime()), partial(columns, sa.Boolean())
key, INT = partial(sa.Column[Any], primary_key=True, nullable=False), sa.Integer


def belongs(name: str, to: str) -> sa.Column[Any]:
    """A foreign key; a row goes with the row that it points to."""
    return sa.Column(name, sa.Integer(), sa.ForeignKey(to, ondelete="CASCADE"), nullable=False)


def create(name: str, *parts: Any, index: str = "") -> None:
    """Create a table, and an index of each of the columns that `index` names, separated by spaces."""
    op.create_table(name, *parts)
    for column in index.split():
        op.create_index(f"ix_{name}_{column}", name, [column])
