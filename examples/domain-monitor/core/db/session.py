"""The session every handler gets: reads, writes that are recorded, and upserts that diff."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, event, inspect, select, tuple_
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import Session as SQLModelSession
from sqlmodel import SQLModel

from .. import log
from ..crypto import Encrypted
from ..errors import CoreError

LONGEST_WRITE_S = 0.5
BATCH = 500
MASK = "••••"
_SECRET_WORDS = ("password", "secret", "token", "credential")
_BULK = "pyops_bulk"
logger = log.get("core.db")


@dataclass(frozen=True)
class Actor:
    """Who is writing: a person, a token, a job, the command line."""

    name: str
    kind: str = "system"
    request_id: str = ""
    address: str = ""
    did: str = ""


@dataclass(frozen=True)
class Change:
    """One row that was created, updated or deleted, or one bulk statement."""

    op: str
    table: str
    key: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


@dataclass
class Upserted:
    """What an upsert did: numbers of rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


class Session(SQLModelSession):
    """A SQLModel session that knows who writes, and what was written."""

    actor: Actor = Actor("system")
    before_commit: Callable[["Session"], None] | None = None
    changes: list[Change]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changes = []
        self._began = 0.0

    def commit(self) -> None:
        """Flush, let the audit write its rows, commit."""
        self.flush()
        if self.changes and self.before_commit:
            self.before_commit(self)
        self.changes = []
        super().commit()
        held = time.monotonic() - self._began
        if self._began and held > LONGEST_WRITE_S:
            logger.warning("long write transaction", seconds=round(held, 3), by=self.actor.name)
        self._began = 0.0

    def rollback(self) -> None:
        """Undo, and forget what would have been recorded."""
        self.changes = []
        self._began = 0.0
        super().rollback()

    def bulk(self, statement: UpdateBase, *, why: str) -> int:
        """Execute an insert, update or delete of many rows; recorded as one change. Returns the row count."""
        result = self.execute(statement, execution_options={_BULK: True, "synchronize_session": False})
        rows = int(getattr(result, "rowcount", 0))
        table = statement.entity_description.get("table")
        if isinstance(table, Table) and _is_audited(table):
            values = {k: v for k, v in statement.compile().params.items() if k in table.c}
            after = {"why": why, "rows": rows, **_shown(table, values)}
            self.changes.append(Change(statement.__visit_name__, table.name, "", {}, after))
        return rows

    def upsert(
        self, model: type[SQLModel], rows: Iterable[Mapping[str, Any]], *, key: str | tuple[str, ...]
    ) -> Upserted:
        """Insert the rows whose key is new, update those that differ, leave the others alone.

        `rows` map column names to values, all with the same names; `key` names the unique column(s).
        Columns that a row does not name keep their value. A key given twice counts once, the last row wins.
        """
        table: Table = inspect(model).local_table
        names = (key,) if isinstance(key, str) else key
        wanted = {tuple(row[name] for name in names): dict(row) for row in rows}
        done = Upserted()
        keys = list(wanted)
        for start in range(0, len(keys), BATCH):
            part = {k: wanted[k] for k in keys[start : start + BATCH]}
            self._upsert_part(model, table, names, part, done)
        return done

    def _upsert_part(
        self,
        model: type[SQLModel],
        table: Table,
        names: tuple[str, ...],
        wanted: dict[tuple[Any, ...], dict[str, Any]],
        done: Upserted,
    ) -> None:
        columns = [table.c[name] for name in names]
        given = list(next(iter(wanted.values())))
        primary = [column.name for column in table.primary_key]
        shown = dict.fromkeys([*primary, *given])
        match = columns[0].in_([k[0] for k in wanted]) if len(names) == 1 else tuple_(*columns).in_(list(wanted))
        found = self.connection().execute(select(*(table.c[n] for n in shown)).where(match)).mappings().all()
        old = {tuple(row[name] for name in names): row for row in found}
        new = [_with_defaults(model, row) for k, row in wanted.items() if k not in old]
        if new:
            self.connection().execute(table.insert(), new)
        self.changes += [Change("create", table.name, _key(names, row), {}, _shown(table, row)) for row in new]
        for k, row in wanted.items():
            if k not in old:
                continue
            changed = [name for name in given if old[k][name] != row[name]]
            done.unchanged += not changed
            if changed:
                done.updated += 1
                where = [table.c[p] == old[k][p] for p in primary]
                self.connection().execute(table.update().where(*where).values({n: row[n] for n in changed}))
                before = _shown(table, {n: old[k][n] for n in changed})
                after = _shown(table, {n: row[n] for n in changed})
                self.changes.append(Change("update", table.name, _key(names, row), before, after))
        done.created += len(new)


def _with_defaults(model: type[SQLModel], row: dict[str, Any]) -> dict[str, Any]:
    """The row with the model's defaults for the columns it does not name."""
    columns = {c.name for c in inspect(model).local_table.c}
    left_out = {n: f for n, f in model.model_fields.items() if n in columns and n not in row}
    return {
        **{n: f.get_default(call_default_factory=True) for n, f in left_out.items() if not _is_generated(model, n)},
        **row,
    }


def _is_generated(model: type[SQLModel], name: str) -> bool:
    column = inspect(model).local_table.c[name]
    return bool(column.primary_key or column.server_default is not None)


def _key(names: tuple[str, ...], row: Mapping[str, Any]) -> str:
    return " ".join(str(row[name]) for name in names)


def _is_audited(table: Table) -> bool:
    return bool(table.info.get("audited", not table.name.startswith("core_")))


def _shown(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values fit for the audit: secrets masked, the rest as JSON can hold it."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        column = table.c.get(name)
        hidden = column is not None and (isinstance(column.type, Encrypted) or any(w in name for w in _SECRET_WORDS))
        plain = value if isinstance(value, str | int | float | bool | None) else str(value)
        shown[name] = MASK if hidden and value is not None else plain
    return shown


def _record_flush(session: Session, _context: object) -> None:
    """After a flush, before states are reset: note each created, updated and deleted row."""
    for op, rows in (("create", session.new), ("update", session.dirty), ("delete", session.deleted)):
        for row in rows:
            state = inspect(row)
            table = state.mapper.local_table
            if not isinstance(table, Table) or not _is_audited(table):
                continue
            names = [attribute.key for attribute in state.mapper.column_attrs]
            if op == "update":
                names = [name for name in names if state.attrs[name].history.has_changes()]
                if not names:
                    continue
            history = {name: state.attrs[name].history for name in names}
            before = {n: (h.deleted or h.unchanged or (None,))[0] for n, h in history.items()} if op != "create" else {}
            after = {name: getattr(row, name) for name in names} if op != "delete" else {}
            key = " ".join(str(v) for v in state.mapper.primary_key_from_instance(row))
            session.changes.append(Change(op, table.name, key, _shown(table, before), _shown(table, after)))


def _refuse_bulk(state: ORMExecuteState) -> None:
    if (state.is_insert or state.is_update or state.is_delete) and not state.execution_options.get(_BULK):
        raise CoreError("a statement that writes many rows must say why: db.bulk(statement, why='…')")


def _note_begin(session: Session, *_: object) -> None:
    session._began = time.monotonic()


event.listen(Session, "after_flush", _record_flush)
event.listen(Session, "do_orm_execute", _refuse_bulk)
event.listen(Session, "after_begin", _note_begin)
