"""The session every handler gets: reads, writes that are recorded, and upserts that diff."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

from pydantic.fields import FieldInfo
from sqlalchemy import Engine, Insert, Table, TextClause, bindparam, event, inspect, select, tuple_
from sqlalchemy.engine import Result
from sqlalchemy.orm import ORMExecuteState, SessionTransaction
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import Session as SQLModelSession
from sqlmodel import SQLModel

from .. import log
from ..crypto import Encrypted
from ..errors import CoreError

LONGEST_WRITE_S = 0.5
BATCH = 500
MASK = "••••"
_SECRET_WORDS = ("password", "passphrase", "secret", "token", "credential", "api_key", "private_key")
_BULK = "pyops_bulk"
_WRITES = re.compile(r"\s*(insert|update|delete|replace)\b", re.IGNORECASE)
_PLAIN = (str, int, float, bool)
Watch = Callable[["Session"], None]
_Given = Mapping[str, Any]
_Row = dict[str, Any]
_Rows = dict[tuple[Any, ...], _Row]  # by their key
logger = log.get("core.db")


@dataclass(frozen=True)
class Actor:
    """Who is writing: a person, a token, a job, the command line."""

    name: str
    kind: str = "system"
    request_id: str = ""
    address: str = ""
    did: str = ""


SYSTEM = Actor("system")


@dataclass(frozen=True)
class Change:
    """One row that was created, updated or deleted, or one bulk statement."""

    op: str
    table: str
    key: str
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass
class Upserted:
    """What an upsert did: numbers of rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


class Session(SQLModelSession):
    """A SQLModel session that knows who writes, and what was written."""

    def __init__(
        self, bind: Engine, *, actor: Actor = SYSTEM, before_commit: Watch | None = None, fetches_at_once: bool = False
    ) -> None:
        # A closed session stays closed: used again, as by an answer that streams, it would begin anew, for ever.
        super().__init__(bind, expire_on_commit=False, close_resets_only=False)
        self.actor, self.before_commit = actor, before_commit
        self.fetches_at_once = fetches_at_once  # a result that is read row by row would hold its snapshot meanwhile
        self.changes: list[Change] = []
        self._began = 0.0
        self._savepoints: WeakKeyDictionary[SessionTransaction, int] = WeakKeyDictionary()

    @property
    def has_begun(self) -> bool:
        """Whether a transaction is open, so that ending it waits for nobody."""
        return bool(self._began)

    def commit(self) -> None:
        """Flush, let the audit write its rows, commit."""
        self.flush()
        if self.changes and self.before_commit:
            self.before_commit(self)
        began = self._began or time.monotonic()
        super().commit()
        if (held := time.monotonic() - began) > LONGEST_WRITE_S:
            logger.warning("long write transaction", seconds=round(held, 3), by=self.actor.name)

    def bulk(self, statement: UpdateBase, *, why: str) -> int:
        """Execute an insert, update or delete of many rows; recorded as one change. Returns the row count."""
        result = self.execute(statement, execution_options={_BULK: True, "synchronize_session": False})
        rows = int(getattr(result, "rowcount", 0))
        table = statement.entity_description.get("table")
        if isinstance(table, Table) and rows:
            # An insert also names the columns that it leaves to their default, as None.
            named = {k: v for k, v in statement.compile().params.items() if k in table.c}
            values = {k: v for k, v in named.items() if v is not None or not isinstance(statement, Insert)}
            self.note(table, statement.__visit_name__, after={"why": why, "rows": rows, **values})
        return rows

    def upsert(self, model: type[SQLModel], rows: Iterable[_Given], *, key: str | tuple[str, ...]) -> Upserted:
        """Insert the rows whose key is new, update those that differ, leave the others alone.

        `rows` map column names to values, all with the same names; `key` names the unique column(s).
        Columns that a row does not name keep their value. A key given twice counts once, the last row wins.
        """
        self.flush()
        table: Table = inspect(model).local_table
        names = (key,) if isinstance(key, str) else key
        wanted, done = _by_key(table, rows, names), Upserted()
        keys = list(wanted)
        for start in range(0, len(keys), BATCH):
            part = {k: wanted[k] for k in keys[start : start + BATCH]}
            old = self._rows_of(table, names, part)
            new = [row for k, row in part.items() if k not in old]
            differing = [(was, part[k]) for k, was in old.items() if was != part[k]]
            self._create(model, table, names, new)
            self._change(table, names, differing)
            done.created += len(new)
            done.updated += len(differing)
            done.unchanged += len(old) - len(differing)
        return done

    def _rows_of(self, table: Table, names: tuple[str, ...], wanted: _Rows) -> _Rows:
        """What the database holds of these keys: the columns that are given."""
        key = tuple_(*(table.c[name] for name in names))
        given = [table.c[name] for name in next(iter(wanted.values()))]
        found = self.connection().execute(select(*given).where(key.in_(list(wanted)))).mappings()
        return {tuple(row[name] for name in names): dict(row) for row in found}

    def _create(self, model: type[SQLModel], table: Table, names: tuple[str, ...], rows: list[_Row]) -> None:
        """Insert rows; what they do not name takes the model's default, unless the database fills it itself."""
        if not rows:
            return
        left_out = {
            name: field
            for name, field in model.model_fields.items()
            if name in table.c and name not in rows[0] and not field.is_required()
            if not table.c[name].primary_key and table.c[name].server_default is None
        }
        defaults = partial(FieldInfo.get_default, call_default_factory=True, validated_data={})
        new = [{**{name: defaults(field) for name, field in left_out.items()}, **row} for row in rows]
        self.connection().execute(table.insert(), new)
        for row in new:
            self.note(table, "create", _key(names, row), after=row)

    def _change(self, table: Table, names: tuple[str, ...], pairs: list[tuple[_Row, _Row]]) -> None:
        """Update rows from what they were to what they are to be; noted is what differs."""
        if not pairs:
            return
        # A parameter that is named like a column is a new value; those of the key only say which row.
        match = [table.c[name] == bindparam(f"key_{name}") for name in names]
        rows = [{f"key_{n}" if n in names else n: value for n, value in row.items()} for _, row in pairs]
        self.connection().execute(table.update().where(*match), rows)
        for old, row in pairs:
            changed = [name for name in row if old[name] != row[name]]
            before, after = ({name: side[name] for name in changed} for side in (old, row))
            self.note(table, "update", _key(names, row), before=before, after=after)

    def note(self, table: Table, op: str, key: str = "", *, before: _Row | None = None, after: _Row) -> None:
        """Record a change at the commit, secrets masked; core's bookkeeping is left out."""
        if table.info.get("audited", not table.name.startswith("core_")):
            self.changes.append(Change(op, table.name, key, _shown(table, before or {}), _shown(table, after)))


def _by_key(table: Table, rows: Iterable[_Given], names: tuple[str, ...]) -> _Rows:
    """The rows by their key; CoreError for one without it, with an unknown column, or unlike the first."""
    given, columns = [dict(row) for row in rows], set(table.c.keys())
    for row in given:
        if row.keys() != given[0].keys() or not {*names} <= row.keys() <= columns:
            raise CoreError(
                f"upsert into {table.name}: every row names the same columns of the table, the key "
                f"({', '.join(names)}) among them; this one names {', '.join(row)}"
            )
        if None in [row[name] for name in names]:
            raise CoreError(f"upsert into {table.name}: a row has no {', '.join(names)}; None is no key")
    return {tuple(row[name] for name in names): row for row in given}


def _key(names: tuple[str, ...], row: _Given) -> str:
    return " ".join(str(row[name]) for name in names)


def _shown(table: Table, values: _Given) -> dict[str, Any]:
    """Values fit for the audit: secrets masked, the rest as JSON can hold it."""
    shown, secret = dict(values), _secret_columns(table)
    for name, value in values.items():
        if value is not None and (name in secret or not isinstance(value, _PLAIN)):
            shown[name] = MASK if name in secret else str(value)
    return shown


@cache
def _secret_columns(table: Table) -> frozenset[str]:
    """The columns whose values are not written to the audit."""
    is_named = re.compile("|".join(_SECRET_WORDS)).search
    return frozenset(c.name for c in table.c.values() if isinstance(c.type, Encrypted) or is_named(c.name))


@event.listens_for(Session, "after_flush")
def _record_flush(session: Session, _context: object) -> None:
    """After a flush, before states are reset: note each created, updated and deleted row."""
    for op, rows in (("create", session.new), ("update", session.dirty), ("delete", session.deleted)):
        for row in rows:
            state = inspect(row)
            histories = {a.columns[0].name: state.attrs[a.key].history for a in state.mapper.column_attrs}
            if op == "update":
                histories = {name: history for name, history in histories.items() if history.has_changes()}
            before = {n: (h.deleted or h.unchanged or (None,))[0] for n, h in histories.items() if op != "create"}
            after = {n: (h.added or h.unchanged or (None,))[0] for n, h in histories.items() if op != "delete"}
            if histories:
                key = " ".join(str(v) for v in state.mapper.primary_key_from_instance(row))
                session.note(state.mapper.local_table, op, key, before=before, after=after)


@event.listens_for(Session, "do_orm_execute")
def _refuse_bulk(state: ORMExecuteState) -> None:
    written = _WRITES.match(state.statement.text) if isinstance(state.statement, TextClause) else None
    if (written or state.is_insert or state.is_update or state.is_delete) and not state.execution_options.get(_BULK):
        raise CoreError("a statement that writes many rows must say why: db.bulk(statement, why='…')")


@event.listens_for(Session, "do_orm_execute")
def _fetch_at_once(state: ORMExecuteState) -> Result[Any] | None:
    is_query = state.is_select and not state.is_column_load and not state.is_relationship_load
    is_wanted = is_query and isinstance(state.session, Session) and state.session.fetches_at_once
    return state.invoke_statement().freeze()() if is_wanted else None


@event.listens_for(Session, "after_begin")
def _note_begin(session: Session, transaction: SessionTransaction, _connection: object) -> None:
    session._began = session._began or time.monotonic()
    if transaction.nested:
        session._savepoints[transaction] = len(session.changes)


@event.listens_for(Session, "after_transaction_end")
def _note_end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:  # committed and recorded, or undone
        session.changes, session._began = [], 0.0


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    """After a rollback to a savepoint: what was undone is not recorded."""
    if (kept := session._savepoints.pop(transaction, None)) is not None:
        del session.changes[kept:]
