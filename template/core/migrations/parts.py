"""What core's revisions are written with. Old revisions rely on it, so it only ever grows."""

from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlmodel import AutoString, UTCDateTime


def columns(type_: Any, *names: str, **options: Any) -> list[sa.Column[Any]]:
    """Columns of one type that are never NULL, unless the options say so."""
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
