import json
import math
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Column, Float, MetaData, String, Table, delete, insert, text, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError, OperationalError
from sqlmodel import col, select

from core.audit import AuditEntry
from core.auth import SignedIn
from core.db import Actor, Database, Session
from core.db.session import MASK, MOST_KEYS, _shown
from core.errors import CoreError
from core.time import now
from tests.core.samples import Item, Note, Tag

ANN = Actor("ann", "user", "request-7", "10.0.0.1", "Change an item.")
Audited = Callable[[], list[AuditEntry]]


@pytest.fixture
def ann(store: Database) -> Session:
    """A session in which Ann writes, with one item already there."""
    with store.write(Actor("setup")) as db:
        db.add(Item(name="old", api_key="k", login={"key": 1}))
        db.flush()
        db.changes.clear()
    return store.writing(ANN)


@pytest.fixture(autouse=True)
def closed(ann: Session) -> object:
    yield
    ann.close()


def old(db: Session) -> Item:
    return db.exec(select(Item).where(Item.name == "old")).one()


def test_a_created_row_is_recorded_with_who_and_what(ann: Session, audited: Audited) -> None:
    ann.add(Item(name="new", api_key="k", login="s"))
    ann.commit()
    (entry,) = audited()
    assert (entry.actor, entry.actor_kind, entry.request_id, entry.address) == ("ann", "user", "request-7", "10.0.0.1")
    assert (entry.did, entry.op, entry.table, entry.key) == ("Change an item.", "create", "item", "2")
    assert now() - entry.at < timedelta(minutes=1)
    assert entry.before == {} and entry.after["name"] == "new"
    assert (entry.after["api_key"], entry.after["credentials"]) == (MASK, MASK)


def test_an_updated_row_is_recorded_with_what_differs(ann: Session, audited: Audited) -> None:
    item = old(ann)
    item.note, item.login, item.count = "changed", {"key": 2}, item.count
    ann.commit()
    (entry,) = audited()
    assert (entry.op, entry.before, entry.after) == (
        "update",
        {"note": "nothing yet", "credentials": MASK},
        {"note": "changed", "credentials": MASK},
    )


def test_a_deleted_row_is_recorded_with_what_it_was(ann: Session, audited: Audited) -> None:
    ann.delete(old(ann))
    ann.commit()
    (entry,) = audited()
    assert (entry.op, entry.key, entry.after) == ("delete", "1", {})
    assert (entry.before["name"], entry.before["api_key"], entry.before["price"]) == ("old", MASK, None)


def test_a_row_that_is_touched_without_a_change_is_not_recorded(ann: Session, audited: Audited) -> None:
    item = old(ann)
    item.note = str(item.note)
    ann.commit()
    assert audited() == []


@pytest.mark.parametrize(
    ("statement", "op", "after"),
    [
        (insert(Item).values(name="x", api_key="k"), "insert", {"name": "x", "api_key": MASK}),
        (update(Item).values(note="all", login="s"), "update", {"note": "all", "credentials": MASK}),
        (delete(Item).where(col(Item.name) == "old"), "delete", {}),
    ],
    ids=["insert", "update", "delete"],
)
def test_a_bulk_statement_is_one_entry_with_its_reason(
    ann: Session, audited: Audited, statement: object, op: str, after: dict[str, object]
) -> None:
    assert ann.bulk(statement, why="spring cleaning") == 1  # type: ignore[arg-type]
    ann.commit()
    (entry,) = audited()
    assert (entry.op, entry.table, entry.after) == (op, "item", {"why": "spring cleaning", "rows": 1, **after})


@pytest.mark.parametrize(("rows", "named"), [(3, "1, 2, 3"), (MOST_KEYS, "1, 2,"), (MOST_KEYS + 1, "")])
def test_a_bulk_statement_names_its_rows_unless_they_are_many(
    ann: Session, audited: Audited, rows: int, named: str
) -> None:
    ann.bulk(delete(Item), why="begin anew")
    ann.bulk(insert(Item).values([{"name": f"n{n}", "id": n} for n in range(1, rows + 1)]), why="fill")
    ann.bulk(update(Item).where(col(Item.name) != "").values(note="same"), why="test")
    ann.commit()
    assert audited()[-1].key.startswith(named) and (not named) == (audited()[-1].key == "")


@pytest.mark.parametrize("statement", ["bulk_save_objects", "bulk_insert_mappings", "bulk_update_mappings"])
def test_what_writes_without_a_flush_is_refused(ann: Session, statement: str) -> None:
    given = ([Item(name="new")],) if statement == "bulk_save_objects" else (Item, [{"id": 1, "name": "new"}])
    with pytest.raises(CoreError, match=r"must say why: db\.bulk\("):
        getattr(ann, statement)(*given)


def test_links_between_rows_are_recorded_with_their_keys(ann: Session, audited: Audited) -> None:
    old, new = Tag(name="old"), Tag(name="new")
    ann.add(note := Note(text="x", tags=[old]))
    ann.commit()
    note.tags = [new]
    ann.commit()
    noted = [(e.op, e.before.get("tags"), e.after.get("tags")) for e in audited() if e.table == "note"]
    assert noted == [("create", None, "1"), ("update", "1", "2")]


def test_what_is_not_known_any_more_is_not_recorded_as_nothing(ann: Session, audited: Audited) -> None:
    item = old(ann)
    with pytest.raises(ZeroDivisionError), ann.begin_nested():
        item.note = "undone"
        ann.flush()
        raise ZeroDivisionError
    item.note = "new"
    ann.commit()
    (entry,) = audited()
    assert (entry.before, entry.after) == ({}, {"note": "new"})


@pytest.mark.parametrize("name", ["apiKey", "Password", "smtp_passwd", "webhook_url", "ssh_key", "accessKey"])
def test_a_column_that_is_called_like_a_secret_is_masked(name: str) -> None:
    assert _shown(Table("any", MetaData(), Column(name, String)), {name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf], ids=str)
def test_a_figure_that_json_lacks_is_recorded_as_a_word(figure: float) -> None:
    shown = _shown(Table("any", MetaData(), Column("measured", Float)), {"measured": figure})
    assert json.dumps(shown, allow_nan=False) == json.dumps({"measured": str(figure)})


def test_a_bulk_statement_on_cores_bookkeeping_is_not_recorded(ann: Session, audited: Audited) -> None:
    ann.bulk(delete(SignedIn), why="expired")
    ann.commit()
    assert audited() == []


def test_the_audit_is_undone_with_the_change(ann: Session, audited: Audited) -> None:
    ann.add(Item(name="new"))
    ann.flush()
    ann.rollback()
    ann.commit()
    assert audited() == []


@pytest.mark.sqlite("tables are dropped in a transaction")
def test_the_change_is_undone_with_the_audit(ann: Session, store: Database) -> None:
    ann.add(Item(name="new"))
    ann.connection().execute(text("DROP TABLE core_audit"))
    with pytest.raises(OperationalError, match="no such table: core_audit"):
        ann.commit()
    ann.close()
    with store.read() as db:
        assert [item.name for item in db.exec(select(Item))] == ["old"]


def test_what_a_closed_session_left_undone_is_not_recorded(ann: Session, audited: Audited) -> None:
    ann.add(Item(name="lost"))
    ann.flush()
    ann.close()
    assert audited() == []


def test_a_closed_session_stays_closed(ann: Session) -> None:
    ann.close()
    with pytest.raises(InvalidRequestError, match="permanently closed"):
        ann.execute(text("SELECT 1"))


def test_what_a_savepoint_undid_is_not_recorded(ann: Session, audited: Audited) -> None:
    ann.add(Item(name="before"))
    with pytest.raises(ZeroDivisionError), ann.begin_nested():
        ann.add(Item(name="undone"))
        ann.flush()
        raise ZeroDivisionError
    with ann.begin_nested():
        ann.add(Item(name="inside"))
    ann.add(Item(name="after"))
    ann.commit()
    assert [entry.after["name"] for entry in audited()] == ["before", "inside", "after"]


def test_each_commit_records_its_own_changes(ann: Session, audited: Audited) -> None:
    ann.add(Item(name="first"))
    ann.commit()
    ann.add(Item(name="second"))
    ann.commit()
    assert [entry.after["name"] for entry in audited()] == ["first", "second"]


@pytest.mark.sqlite("its REPLACE")
def test_no_entry_is_replaced(ann: Session, audited: Audited) -> None:
    ann.add(Item(name="x", api_key="k"))
    ann.commit()
    with pytest.raises(IntegrityError, match="core_audit is only appended to"):
        ann.connection().execute(text("INSERT OR REPLACE INTO core_audit SELECT * FROM core_audit"))
    ann.rollback()
    assert [entry.op for entry in audited()] == ["create"]
