from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core.audit import AuditEntry
from core.auth import User
from core.db import Database, Session
from core.db.session import MASK
from core.errors import CoreError
from core.testing import TESTER
from tests.core.samples import NOON, Item, Place

LOGIN = {"key": "k-1"}
Audited = Callable[[], list[AuditEntry]]


def upsert(database: Database, rows: list[dict[str, Any]], **options: Any) -> tuple[int, ...]:
    """Upsert items; the numbers of created, updated and unchanged rows."""
    with database.write(TESTER) as db:
        return db.upsert(options.pop("model", Item), rows, key=options.pop("key", "name"))


def item(database: Database, name: str) -> Item:
    with database.read() as db:
        return db.exec(select(Item).where(Item.name == name)).one()


def test_new_rows_are_inserted_others_updated_or_left_alone(store: Database) -> None:
    assert upsert(store, [{"name": "a", "note": "x"}, {"name": "b", "note": "x"}]) == (2, 0, 0)
    rows = [{"name": "a", "note": "x"}, {"name": "b", "note": "y"}, {"name": "c", "note": "z"}]
    assert upsert(store, rows) == (1, 1, 1)
    assert item(store, "b").note == "y"


def test_no_rows_are_no_work(store: Database) -> None:
    assert upsert(store, []) == (0, 0, 0)


def test_a_new_row_gets_the_models_defaults(store: Database) -> None:
    upsert(store, [{"name": "a"}])
    made = item(store, "a")
    assert (made.note, made.count, made.is_on, made.price, made.login) == ("nothing yet", 7, False, None, None)


def test_columns_that_a_row_does_not_name_keep_their_value(store: Database) -> None:
    upsert(store, [{"name": "a", "note": "kept", "count": 3}])
    upsert(store, [{"name": "a", "count": 4}])
    assert (item(store, "a").note, item(store, "a").count) == ("kept", 4)


def test_of_a_key_that_is_given_twice_the_last_row_wins(store: Database) -> None:
    assert upsert(store, [{"name": "a", "note": "first"}, {"name": "a", "note": "last"}]) == (1, 0, 0)
    assert item(store, "a").note == "last"


def test_a_key_may_have_several_columns(store: Database) -> None:
    rows = [{"city": "Bonn", "street": "A", "people": 1}, {"city": "Köln", "street": "A", "people": 2}]
    assert upsert(store, rows, model=Place, key=("city", "street")) == (2, 0, 0)
    changed = [rows[0], {**rows[1], "people": 3}]
    assert upsert(store, changed, model=Place, key=("city", "street")) == (0, 1, 1)


def test_more_rows_than_a_batch_are_all_there(store: Database) -> None:
    rows = [{"name": f"n{number}", "count": number} for number in range(1201)]
    assert upsert(store, rows) == (1201, 0, 0)
    assert upsert(store, [{**row, "count": 5} for row in rows]) == (0, 1200, 1)


@pytest.mark.parametrize(
    ("column", "value", "same"),
    [
        ("price", Decimal("1.50"), Decimal("1.5")),
        ("price", None, None),
        ("seen_at", NOON, NOON.astimezone(timezone(timedelta(hours=5)))),
        ("seen_at", None, None),
        ("is_on", True, 1),
        ("login", LOGIN, {"key": "k-1"}),
        ("login", None, None),
        ("note", "", ""),
    ],
)
def test_an_equal_value_is_no_change(store: Database, column: str, value: object, same: object) -> None:
    upsert(store, [{"name": "a", column: value}]) if column != "login" else upsert(
        store, [{"name": "a", "credentials": value}]
    )
    name = {"login": "credentials"}.get(column, column)
    assert upsert(store, [{"name": "a", name: same}]) == (0, 0, 1)


@pytest.mark.parametrize(
    ("column", "value", "other"),
    [
        ("price", Decimal("1.50"), Decimal("1.51")),
        ("price", Decimal("1.50"), None),
        ("seen_at", NOON, datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)),
        ("seen_at", None, NOON),
        ("is_on", True, False),
        ("credentials", LOGIN, {"key": "k-2"}),
        ("credentials", LOGIN, None),
        ("note", "x", "X"),
    ],
)
def test_another_value_is_a_change(store: Database, column: str, value: object, other: object) -> None:
    upsert(store, [{"name": "a", column: value}])
    assert upsert(store, [{"name": "a", column: other}]) == (0, 1, 0)
    assert upsert(store, [{"name": "a", column: other}]) == (0, 0, 1)


@pytest.mark.parametrize(
    "rows",
    [
        [{"name": "a"}, {"name": "b", "note": "x"}],
        [{"name": "a", "note": "x"}, {"name": "b"}],
        [{"note": "x"}],
        [{"name": "a", "colour": "red"}],
    ],
    ids=["more", "fewer", "no key", "unknown column"],
)
def test_rows_unlike_the_first_are_refused(store: Database, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(CoreError, match=r"upsert into item: every row names the same columns of the table, the key"):
        upsert(store, rows)


def test_none_is_no_key(store: Database) -> None:
    with pytest.raises(CoreError, match=r"upsert into place: a row has no city, street; None is no key"):
        upsert(store, [{"city": "Bonn", "street": None, "people": 1}], model=Place, key=("city", "street"))


@pytest.mark.sqlite("its words")
def test_a_new_row_without_a_required_column_is_refused_by_the_database(store: Database) -> None:
    with pytest.raises(IntegrityError, match=r"NOT NULL constraint failed: place\.people"):
        upsert(store, [{"city": "Bonn", "street": "A"}], model=Place, key=("city", "street"))


def test_rows_that_were_added_before_count_as_there(write: Session) -> None:
    write.add(Item(name="a", note="added"))
    assert write.upsert(Item, [{"name": "a", "note": "upserted"}], key="name") == (0, 1, 0)


def test_created_and_changed_rows_are_audited_with_secrets_masked(store: Database, audited: Audited) -> None:
    upsert(store, [{"name": "a", "count": 1, "api_key": "k1", "credentials": LOGIN, "price": Decimal("1.50")}])
    upsert(store, [{"name": "a", "count": 2, "api_key": "k2", "credentials": None, "price": Decimal("1.50")}])
    created, updated = audited()
    assert (created.op, created.table, created.key, created.before) == ("create", "item", "a", {})
    assert created.after | {"api_key": MASK, "credentials": MASK, "price": "1.50", "count": 1} == created.after
    assert (updated.op, updated.before, updated.after) == (
        "update",
        {"count": 1, "api_key": MASK, "credentials": MASK},
        {"count": 2, "api_key": MASK, "credentials": None},
    )


def test_a_row_that_stays_is_not_audited(store: Database, audited: Audited) -> None:
    upsert(store, [{"name": "a"}])
    upsert(store, [{"name": "a"}])
    assert [entry.op for entry in audited()] == ["create"]


def test_cores_own_bookkeeping_is_upserted_without_an_audit(store: Database, audited: Audited) -> None:
    from core.jobs import Job

    rows = [{"name": "a.b", "since": NOON}]
    assert upsert(store, rows, model=Job) == (1, 0, 0)
    assert upsert(store, [{**rows[0], "since": NOON + timedelta(days=1)}], model=Job) == (0, 1, 0)
    assert audited() == []


def test_users_are_cores_but_audited(store: Database, audited: Audited) -> None:
    upsert(store, [{"name": "ann", "password_hash": "argon"}], model=User)
    assert [(entry.table, entry.after["password_hash"]) for entry in audited()] == [("core_user", MASK)]
