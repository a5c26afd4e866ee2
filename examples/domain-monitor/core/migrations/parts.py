"""What core's revisions are written with. Old revisions rely on it, so it only ever grows."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem
from sqlmodel import AutoString, UTCDateTime


def columns(type_: Any, *names: str) -> list[sa.Column[Any]]:
    """Columns of one type that are never NULL."""
    return [sa.Column(name, type_, nullable=False) for name in names]


def texts(*names: str) -> list[sa.Column[Any]]:
    """Columns of text, "" where there is none."""
    return columns(AutoString(), *names)


def moments(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """Columns with a moment in UTC."""
    return [sa.Column(name, UTCDateTime(), nullable=nullable) for name in names]


def key(name: str = "id", type_: Any = sa.Integer) -> sa.Column[Any]:
    """The primary key."""
    return sa.Column(name, type_, primary_key=True, nullable=False)


def belongs(name: str, to: str) -> sa.Column[Any]:
    """A foreign key; a row goes with the row that it points to."""
    return sa.Column(name, sa.Integer(), sa.ForeignKey(to, ondelete="CASCADE"), nullable=False)


def unique(table: str, *names: str) -> sa.UniqueConstraint:
    """A unique constraint, named as our convention has it."""
    return sa.UniqueConstraint(*names, name=f"uq_{table}_{'_'.join(names)}")


def create(name: str, *parts: SchemaItem, index: str = "") -> None:
    """Create a table, and an index of each of the columns that `index` names, separated by spaces."""
    op.create_table(name, *parts)
    for column in index.split():
        op.create_index(f"ix_{name}_{column}", name, [column])


def filled(name: str, type_: Any = AutoString, value: str = "") -> sa.Column[Any]:
    """A column that is never NULL, for a table that has rows: they take this value."""
    return sa.Column(name, type_, nullable=False, server_default=value)


def extend(name: str, *new: sa.Column[Any]) -> None:
    """Add columns to a table."""
    with op.batch_alter_table(name) as batch:
        for column in new:
            batch.add_column(column)


def refuse(table: str, change: str) -> None:
    """Let the database refuse every UPDATE, or every DELETE, of a table."""
    name, said = f"{table}_no_{change.lower()}", f"{table} is only appended to"
    body = f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
    if op.get_bind().dialect.name == "postgresql":
        made = f"RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{said}'; END $$"
        op.execute(f"CREATE FUNCTION {name}() {made}")
        body = f"FOR EACH ROW EXECUTE FUNCTION {name}()"
    op.execute(f"CREATE TRIGGER {name} BEFORE {change} ON {table} {body}")
