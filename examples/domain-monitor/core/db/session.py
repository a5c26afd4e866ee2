"""The session every handler gets: reads, writes that are recorded, and upserts that diff."""

import re
import time
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

from pydantic.fields import FieldInfo
from sqlalchemy import Engine, Insert, Table, TextClause, bindparam, event, inspect, select, tuple_
from sqlalchemy.engine import Result
from sqlalchemy.orm import ORMExecuteState, SessionTransaction
from sqlalchemy.orm.attributes import History
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import Session as SQLModelSession
from sqlmodel import SQLModel

from .. import audit, log
from ..audit import Actor, Change
from ..crypto import Encrypted
from ..errors import CoreError, Refused

LONGEST_WRITE_S = 0.5
BATCH = 500
MOST_KEYS = 50  # that the audit names of a bulk statement
MASK = "••••"
_SECRET = re.compile("passw|passphrase|secret|token|credential|webhook|(api|private|access|ssh)_?key", re.IGNORECASE)
_BULK = "pyops_bulk"
_WRITES = re.compile(r"(?is)(\s|--[^\n]*|/\*.*?\*/)*+(with\b.*\)\s*)?(insert|update|delete|replace)\b")
_SAY_WHY = "what writes many rows must say why: db.bulk(delete(Model).where(…), why='…')"
_PLAIN, _NO_JSON = (str, int, float, bool, type(None)), {"nan", "inf", "-inf"}
Model = TypeVar("Model", bound=SQLModel)
_Given = Mapping[str, Any]
_Row = dict[str, Any]
_Key = tuple[Any, ...]
_Rows = dict[_Key, _Row]
logger = log.get("core.db")


class Upserted(NamedTuple):
    """What an upsert did: numbers of rows."""

    created: int
    updated: int
    unchanged: int


class Session(SQLModelSession):
    """A SQLModel session that knows who writes, and what was written."""

    def __init__(self, bind: Engine, *, actor: Actor | None = None) -> None:
        # A closed session stays closed: used again, as by an answer that streams, it would begin anew, for ever.
        super().__init__(bind, expire_on_commit=False, close_resets_only=False)
        self.actor, self.changes = actor or Actor("system"), list[Change]()
        self.began = 0.0  # when the open transaction did; 0 for none, so that ending it waits for nobody
        self._savepoints: dict[SessionTransaction, int] = {}  # how many changes there were before

    def commit(self) -> None:
        """Flush, record in the audit what was written, commit."""
        self.flush()
        audit.record(self.connection, self.actor, self.changes)
        began = self.began or time.monotonic()
        super().commit()
        if (held := time.monotonic() - began) > LONGEST_WRITE_S:
            logger.warning("long write transaction", seconds=round(held, 3), by=self.actor.name)

    def get_or_404(self, model: type[Model], key: object, what: str) -> Model:
        """The row of a key; Refused (404) when there is none, saying what is not there."""
        if (row := self.get(model, key)) is None:
            raise Refused(404, f"There is no {what} {key}; it may have been deleted.")
        return row

    def bulk(self, statement: UpdateBase, *, why: str) -> int:
        """Execute an insert, update or delete of many rows; recorded as one change. Returns the row count."""
        table, where, keys = statement.entity_description["table"], getattr(statement, "whereclause", None), list[str]()
        is_told = table.info.get("audited", not table.name.startswith("core_"))
        if is_told and where is not None:  # before it is executed, which may change what it looks for
            which = select(*table.primary_key).where(where).order_by(*table.primary_key)
            keys = [" ".join(map(str, key)) for key in self.execute(which.limit(MOST_KEYS + 1))]
        told = {_BULK: True, "synchronize_session": False, "preserve_rowcount": True}
        result = self.execute(statement, execution_options=told)
        if rows := int(getattr(result, "rowcount", 0)):
            given = statement.compile().params.items()
            # An insert also names the columns that it leaves to their default, as None.
            values = {k: v for k, v in given if k in table.c and (v is not None or not isinstance(statement, Insert))}
            key = (", ".join(keys),) if len(keys) <= MOST_KEYS else ()
            self.note(table, statement.__visit_name__, key, after={"why": why, "rows": rows, **values})
        return rows

    def _bulk_save_mappings(self, *_: Any, **__: Any) -> None:  # of bulk_save_objects and its like, which flush nothing
        raise CoreError(_SAY_WHY)

    def upsert(self, model: type[SQLModel], rows: Iterable[_Given], *, key: str | tuple[str, ...]) -> Upserted:
        """Insert the rows whose key is new, update those that differ, leave the others alone.

        `rows` map column names to values, all with the same names; `key` names the unique column(s).
        Columns that a row does not name keep their value. A key given twice counts once, the last row wins.
        """
        self.flush()
        table: Table = inspect(model).local_table
        names = (key,) if isinstance(key, str) else key
        wanted, old = _by_key(table, rows, names), _Rows()
        for start in range(0, len(wanted), BATCH):
            query = select(*(table.c[name] for name in next(iter(wanted.values()))))
            is_part = tuple_(*(table.c[name] for name in names)).in_([*wanted][start : start + BATCH])
            found = self.connection().execute(query.where(is_part)).mappings()
            old |= {tuple(row[name] for name in names): dict(row) for row in found}
        if new := {k: row for k, row in wanted.items() if k not in old}:
            self._create(model, table, new)
        if differing := {k: wanted[k] for k, row in old.items() if row != wanted[k]}:
            self._change(table, names, old, differing)
        return Upserted(len(new), len(differing), len(old) - len(differing))

    def _create(self, model: type[SQLModel], table: Table, rows: _Rows) -> None:
        """Insert rows; what they do not name takes the model's default, unless the database fills it itself."""
        named = next(iter(rows.values()))
        empty = {c.name for c in table.c if c.name not in named and not c.primary_key and c.server_default is None}
        fields = {n: field for n, field in model.model_fields.items() if n in empty and not field.is_required()}
        default = partial(FieldInfo.get_default, call_default_factory=True, validated_data={})
        new = [{**{name: default(field) for name, field in fields.items()}, **row} for row in rows.values()]
        self.connection().execute(table.insert(), new)
        for key, row in zip(rows, new, strict=True):
            self.note(table, "create", key, after=row)

    def _change(self, table: Table, names: tuple[str, ...], old: _Rows, rows: _Rows) -> None:
        """Update rows from what they were to what they are to be; noted is what differs."""
        # A parameter that is named like a column is a new value; those of the key only say which row.
        match = [table.c[name] == bindparam(f"key_{name}") for name in names]
        new = [{f"key_{n}" if n in names else n: value for n, value in row.items()} for row in rows.values()]
        self.connection().execute(table.update().where(*match), new)
        for key, row in rows.items():
            before = {name: was for name, was in old[key].items() if was != row[name]}
            self.note(table, "update", key, before=before, after={name: row[name] for name in before})

    def note(self, table: Table, op: str, key: _Key = (), *, before: _Row | None = None, after: _Row) -> None:
        """Record a change at the commit, secrets masked; core's bookkeeping is left out."""
        if table.info.get("audited", not table.name.startswith("core_")):
            shown = _shown(table, before or {}), _shown(table, after)
            self.changes.append(Change(op, table.name, " ".join(map(str, key)), *shown))


def _by_key(table: Table, rows: Iterable[_Given], names: tuple[str, ...]) -> _Rows:
    """The rows by their key; CoreError for one without it, with an unknown column, or unlike the first."""
    given, columns = [dict(row) for row in rows], set(table.c.keys())
    for row in given:
        if row.keys() != given[0].keys() or not {*names} <= row.keys() <= columns:
            rule = f"every row names the same columns of the table, the key ({', '.join(names)}) among them"
            raise CoreError(f"upsert into {table.name}: {rule}; this one names {', '.join(row)}")
        if None in [row[name] for name in names]:
            raise CoreError(f"upsert into {table.name}: a row has no {', '.join(names)}; None is no key")
    return {tuple(row[name] for name in names): row for row in given}


def _shown(table: Table, values: _Row) -> _Row:
    """Values fit for the audit: secrets masked, the rest as JSON can hold it."""
    told = {n: v if isinstance(v, _PLAIN) and str(v) not in _NO_JSON else str(v) for n, v in values.items()}
    return told | {name: MASK for name in _secret_columns(table) if values.get(name) is not None}


@cache
def _secret_columns(table: Table) -> frozenset[str]:
    """The columns whose values are not written to the audit."""
    return frozenset(c.name for c in table.c.values() if isinstance(c.type, Encrypted) or _SECRET.search(c.name))


@event.listens_for(Session, "after_flush")
def _record_flush(session: Session, _context: object) -> None:
    """After a flush, before states are reset: note each created, updated and deleted row."""
    for op, rows in (("create", session.new), ("update", session.dirty), ("delete", session.deleted)):
        for row in rows:
            state = inspect(row)
            told = {a.columns[0].name: state.attrs[a.key].history for a in state.mapper.column_attrs}
            told = {name: history for name, history in told.items() if op != "update" or history.has_changes()}
            for link in (one for one in state.mapper.relationships if one.secondary is not None):
                if (change := state.attrs[link.key].history).has_changes():
                    told[link.key] = History(_keys(change.added), (), _keys(change.deleted))
            # What was expired before it was set is not known any more; None would be a wrong answer.
            before = {n: was[0] for n, h in told.items() if op != "create" and (was := h.deleted or h.unchanged)}
            after = {n: (h.added or h.unchanged or (None,))[0] for n, h in told.items() if op != "delete"}
            if told:
                key = state.mapper.primary_key_from_instance(row)
                session.note(state.mapper.local_table, op, key, before=before, after=after)


def _keys(rows: Iterable[Any]) -> list[str]:
    """The keys of rows that another is linked with by a table between them, as one value."""
    return [", ".join(" ".join(map(str, inspect(row).mapper.primary_key_from_instance(row))) for row in rows)]


@event.listens_for(Session, "do_orm_execute")
def _refuse_bulk(state: ORMExecuteState) -> None:
    written = _WRITES.match(state.statement.text) if isinstance(state.statement, TextClause) else None
    if (written or state.is_insert or state.is_update or state.is_delete) and not state.execution_options.get(_BULK):
        raise CoreError(_SAY_WHY)


@event.listens_for(Session, "do_orm_execute")
def _fetch_at_once(state: ORMExecuteState) -> Result[Any] | None:
    """Where each statement reads for itself: a result that is read row by row would hold its snapshot meanwhile."""
    is_query = state.is_select and not state.is_column_load and not state.is_relationship_load
    has_snapshot = state.session.get_bind().get_execution_options().get("snapshot", True)
    return state.invoke_statement().freeze()() if is_query and not has_snapshot else None


@event.listens_for(Session, "after_begin")
def _note_begin(session: Session, transaction: SessionTransaction, _connection: object) -> None:
    session.began = session.began or time.monotonic()
    if transaction.nested:
        session._savepoints[transaction] = len(session.changes)


@event.listens_for(Session, "after_transaction_end")
def _note_end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:  # committed and recorded, or undone
        session.changes, session._savepoints, session.began = [], {}, 0.0


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    """After a rollback to a savepoint: what was undone is not recorded."""
    del session.changes[session._savepoints.get(transaction, len(session.changes)) :]
