"""The session every handler gets: reads, writes that are recorded, and upserts that diff."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from pydantic.fields import FieldInfo
from sqlalchemy import Insert, Table, TextClause, bindparam, event, inspect, select, tuple_
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
_NOTHING: Mapping[str, Any] = MappingProxyType({})
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

    actor: Actor = Actor("system")
    before_commit: Callable[["Session"], None] | None = None
    changes: list[Change]
    fetches_at_once = False  # a result that is read row by row would hold its snapshot meanwhile

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changes = []
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
        super().commit()
        held = time.monotonic() - self._began
        if self._began and held > LONGEST_WRITE_S:
            logger.warning("long write transaction", seconds=round(held, 3), by=self.actor.name)
        self._began = 0.0

    def bulk(self, statement: UpdateBase, *, why: str) -> int:
        """Execute an insert, update or delete of many rows; recorded as one change. Returns the row count."""
        result = self.execute(statement, execution_options={_BULK: True, "synchronize_session": False})
        rows = int(getattr(result, "rowcount", 0))
        table = statement.entity_description.get("table")
        if isinstance(table, Table):
            # An insert also names the columns that it leaves to their default, as None.
            named = {k: v for k, v in statement.compile().params.items() if k in table.c}
            values = {k: v for k, v in named.items() if v is not None or not isinstance(statement, Insert)}
            self.note(table, statement.__visit_name__, after={"why": why, "rows": rows, **values})
        return rows

    def upsert(
        self, model: type[SQLModel], rows: Iterable[Mapping[str, Any]], *, key: str | tuple[str, ...]
    ) -> Upserted:
        """Insert the rows whose key is new, update those that differ, leave the others alone.

        `rows` map column names to values, all with the same names; `key` names the unique column(s).
        Columns that a row does not name keep their value. A key given twice counts once, the last row wins.
        """
        self.flush()
        table: Table = inspect(model).local_table
        names = (key,) if isinstance(key, str) else key
        wanted = _by_key(table, rows, names)
        done = Upserted()
        keys = list(wanted)
        for start in range(0, len(keys), BATCH):
            part = {k: wanted[k] for k in keys[start : start + BATCH]}
            old = self._rows_of(table, names, part)
            self._create(model, table, names, [row for k, row in part.items() if k not in old])
            updated = self._change(table, names, [(old[k], row) for k, row in part.items() if k in old])
            done.created += len(part) - len(old)
            done.updated += updated
            done.unchanged += len(old) - updated
        return done

    def _rows_of(self, table: Table, names: tuple[str, ...], wanted: _Rows) -> _Rows:
        """What the database holds of these keys: the columns that are given, and the primary key."""
        columns = [table.c[name] for name in names]
        shown = dict.fromkeys([*(c.name for c in table.primary_key), *next(iter(wanted.values()))])
        match = columns[0].in_([k[0] for k in wanted]) if len(names) == 1 else tuple_(*columns).in_(list(wanted))
        found = self.connection().execute(select(*(table.c[n] for n in shown)).where(match)).mappings()
        return {tuple(row[name] for name in names): dict(row) for row in found}

    def _create(self, model: type[SQLModel], table: Table, names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
        if rows:
            left_out = _left_out(model, table, rows[0])
            new = [{**{name: _default(field) for name, field in left_out.items()}, **row} for row in rows]
            self.connection().execute(table.insert(), new)
            for row in new:
                self.note(table, "create", _key(names, row), after=row)

    def _change(self, table: Table, names: tuple[str, ...], pairs: list[tuple[_Row, _Row]]) -> int:
        """Update the rows that differ from what they were; how many did."""
        updates: dict[tuple[str, ...], list[tuple[_Row, _Row]]] = {}  # by the columns that change
        for old, row in pairs:
            if changed := tuple(name for name in row if old[name] != row[name]):
                updates.setdefault(changed, []).append((old, row))
        for changed, differing in updates.items():
            match = [column == bindparam(f"key_{column.name}") for column in table.primary_key]
            statement = table.update().where(*match).values({n: bindparam(f"new_{n}") for n in changed})
            keys = [{f"key_{c.name}": old[c.name] for c in table.primary_key} for old, _ in differing]
            news = [{f"new_{n}": row[n] for n in changed} for _, row in differing]
            self.connection().execute(statement, [key | new for key, new in zip(keys, news, strict=True)])
            for old, row in differing:
                before, after = ({name: side[name] for name in changed} for side in (old, row))
                self.note(table, "update", _key(names, row), before, after)
        return sum(map(len, updates.values()))

    def note(
        self,
        table: Table,
        op: str,
        key: str = "",
        before: Mapping[str, Any] = _NOTHING,
        after: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """Record a change at the commit, secrets masked; core's bookkeeping is left out."""
        if table.info.get("audited", not table.name.startswith("core_")):
            self.changes.append(Change(op, table.name, key, _shown(table, before), _shown(table, after)))


def _by_key(table: Table, rows: Iterable[Mapping[str, Any]], names: tuple[str, ...]) -> _Rows:
    """The rows by their key; CoreError for one without it, with an unknown column, or unlike the first."""
    wanted: _Rows = {}
    first: set[str] | None = None
    for row in rows:
        first = first if first is not None else {*row}
        if {*row} != first or not {*names} <= first <= {*table.c.keys()}:
            raise CoreError(
                f"upsert into {table.name}: every row names the same columns of the table, the key "
                f"({', '.join(names)}) among them; this one names {', '.join(row)}"
            )
        key = tuple(row[name] for name in names)
        if None in key:
            raise CoreError(f"upsert into {table.name}: a row has no {', '.join(names)}; None is no key")
        wanted[key] = dict(row)
    return wanted


def _left_out(model: type[SQLModel], table: Table, row: dict[str, Any]) -> dict[str, FieldInfo]:
    """The model's fields with a default that a row does not name, and that the database does not fill itself."""
    unnamed = {name: table.c[name] for name in model.model_fields if name in table.c and name not in row}
    ours = [name for name, column in unnamed.items() if not column.primary_key and column.server_default is None]
    return {name: field for name in ours if not (field := model.model_fields[name]).is_required()}


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def _key(names: tuple[str, ...], row: Mapping[str, Any]) -> str:
    return " ".join(str(row[name]) for name in names)


def _shown(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values fit for the audit: secrets masked, the rest as JSON can hold it."""
    shown: dict[str, Any] = {}
    secret = _secret_columns(table)
    for name, value in values.items():
        plain = value if value is None or isinstance(value, _PLAIN) else str(value)
        shown[name] = MASK if name in secret and value is not None else plain
    return shown


@cache
def _secret_columns(table: Table) -> frozenset[str]:
    """The columns whose values are not written to the audit."""
    columns = table.c.values()
    return frozenset(
        c.name for c in columns if isinstance(c.type, Encrypted) or any(word in c.name for word in _SECRET_WORDS)
    )


def _record_flush(session: Session, _context: object) -> None:
    """After a flush, before states are reset: note each created, updated and deleted row."""
    for op, rows in (("create", session.new), ("update", session.dirty), ("delete", session.deleted)):
        for row in rows:
            state = inspect(row)
            table = state.mapper.local_table
            if not isinstance(table, Table):
                continue
            columns = {a.key: a.columns[0].name for a in state.mapper.column_attrs}
            if op == "update":
                columns = {a: c for a, c in columns.items() if state.attrs[a].history.has_changes()}
                if not columns:
                    continue
            history = {c: state.attrs[a].history for a, c in columns.items()}
            before = {c: (h.deleted or h.unchanged or (None,))[0] for c, h in history.items()} if op != "create" else {}
            after = {c: getattr(row, a) for a, c in columns.items()} if op != "delete" else {}
            key = " ".join(str(v) for v in state.mapper.primary_key_from_instance(row))
            session.note(table, op, key, before, after)


def _refuse_bulk(state: ORMExecuteState) -> None:
    written = _WRITES.match(state.statement.text) if isinstance(state.statement, TextClause) else None
    if (written or state.is_insert or state.is_update or state.is_delete) and not state.execution_options.get(_BULK):
        raise CoreError("a statement that writes many rows must say why: db.bulk(statement, why='…')")


def _fetch_at_once(state: ORMExecuteState) -> Result[Any] | None:
    is_ours = isinstance(state.session, Session) and state.session.fetches_at_once
    if not is_ours or not state.is_select or state.is_column_load or state.is_relationship_load:
        return None
    return state.invoke_statement().freeze()()


def _note_begin(session: Session, transaction: SessionTransaction, _connection: object) -> None:
    if transaction.nested:
        session._savepoints[transaction] = len(session.changes)
    else:
        session._began = time.monotonic()


def _note_end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:  # committed and recorded, or undone
        session.changes = []


def _forget(session: Session, transaction: SessionTransaction) -> None:
    """After a rollback to a savepoint: what was undone is not recorded."""
    if (kept := session._savepoints.pop(transaction, None)) is not None:
        del session.changes[kept:]


event.listen(Session, "after_flush", _record_flush)
event.listen(Session, "do_orm_execute", _refuse_bulk)
event.listen(Session, "do_orm_execute", _fetch_at_once)
event.listen(Session, "after_begin", _note_begin)
event.listen(Session, "after_transaction_end", _note_end)
event.listen(Session, "after_soft_rollback", _forget)
