"""A new key: every stored secret is encrypted with it while the tool runs, and no crash on the way loses one."""

import json
import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlmodel import SQLModel, select

from core import crypto
from core.audit import Actor, AuditEntry
from core.crypto import KEY_FILE, Keyring
from core.db import Database, Session
from core.errors import UserError
from core.testing import TESTER
from tests.core.samples import Item

Audited = Callable[[], list[AuditEntry]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, and no waiting for reads that began before."""
    monkeypatch.setattr(crypto, "BATCH", 2)
    monkeypatch.setattr(crypto, "GRACE_S", 0)


@pytest.fixture
def secrets(write: Session) -> list[str]:
    """Five stored secrets, and a row without one."""
    values = [f"secret {number}" for number in range(5)]
    write.add_all([*(Item(name=one, login=one) for one in values), Item(name="nothing", login=None)])
    write.commit()
    return values


def rotate(database: Database) -> str:
    return crypto.rotate(database, TESTER, Item.metadata)


def logins(database: Database) -> list[object]:
    with database.read() as db:
        return list(db.exec(select(Item.login).where(Item.name != "nothing").order_by(Item.name)))


def stored(database: Database) -> list[str]:
    with database.reader.connect() as connection:
        found = connection.execute(text("SELECT credentials FROM item WHERE credentials IS NOT NULL ORDER BY name"))
        return list(found.scalars())


def opened_by(key: str, database: Database) -> list[str]:
    return [json.loads(Fernet(key).decrypt(one)) for one in stored(database)]


def test_every_secret_is_encrypted_with_a_new_key_and_the_old_one_put_beside(
    store: Database, secrets: list[str]
) -> None:
    (old,) = store.keyring.keys()
    said = rotate(store)
    (new,) = store.keyring.keys()
    (kept,) = store.keyring.path.parent.glob(f"{KEY_FILE}.before-*")
    assert said.startswith(f"5 secrets are encrypted with a new key; {kept.name} holds the old one: store it with")
    assert kept.read_text().split() == [old] and new != old
    assert opened_by(new, store) == logins(store) == secrets
    assert {stat.S_IMODE(path.stat().st_mode) for path in (kept, store.keyring.path)} == {0o600}


def test_a_server_that_runs_reads_and_writes_on(
    store: Database, secrets: list[str], again: Callable[..., Database]
) -> None:
    server = again()
    assert logins(server) == secrets
    rotate(store)
    with server.write(TESTER) as db:
        db.add(Item(name="secret 9", login="secret 9"))
    assert logins(server) == logins(store) == [*secrets, "secret 9"]
    assert opened_by(*store.keyring.keys(), store) == [*secrets, "secret 9"]


@pytest.mark.parametrize("batches", range(1, 5))
def test_a_crash_between_two_batches_loses_nothing_and_the_next_try_goes_on(
    store: Database, secrets: list[str], again: Callable[..., Database], monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    begun, write = list[Actor](), store.write

    def crashing(actor: Actor) -> AbstractContextManager[Session]:
        begun.append(actor)
        return write(actor if len(begun) <= batches else 1 / 0)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(store, "write", crashing)
        rotate(store)
    first, second = store.keyring.keys()
    assert logins(again()) == secrets
    rotate(store)
    (kept,) = store.keyring.path.parent.glob(f"{KEY_FILE}.before-*")
    assert store.keyring.keys() == [first] and kept.read_text().split() == [second]
    assert opened_by(first, store) == secrets


@pytest.mark.parametrize("writes", range(3))
def test_a_crash_between_two_files_loses_nothing(
    store: Database, secrets: list[str], monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    written, flush = list[int](), os.fsync

    def crashing(file: int) -> None:
        written.append(file)
        flush(file if len(written) <= writes else -1)

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="descriptor"):
        patch.setattr(os, "fsync", crashing)
        rotate(store)
    assert logins(store) == secrets
    rotate(store)
    assert opened_by(*store.keyring.keys(), store) == logins(store) == secrets
    assert not [path.name for path in store.keyring.path.parent.iterdir() if path.is_dir()]


def test_what_no_key_opens_is_named_and_left_alone_and_the_old_key_stays(
    store: Database, secrets: list[str], audited: Audited
) -> None:
    with store.write(TESTER) as db:
        foreign = Fernet(Fernet.generate_key()).encrypt(b'"lost"').decode()
        db.connection().execute(text("UPDATE item SET credentials = :it WHERE id = 3"), {"it": foreign})
    said = r"4 secrets are encrypted with a new key, but no key opens 1 \(item.credentials 3\), so secret.key keeps"
    with pytest.raises(UserError, match=said):
        rotate(store)
    assert len(store.keyring.keys()) == 2 and foreign in stored(store)
    assert not list(store.keyring.path.parent.glob(f"{KEY_FILE}.before-*"))
    assert audited()[-1].after == {"encrypted": 4, "cannot be read": 1}
    with store.write(TESTER) as db:
        db.get_one(Item, 3).login = "typed again"
    assert rotate(store).startswith("5 secrets")
    assert len(store.keyring.keys()) == 1 and logins(store)[2] == "typed again"


def test_the_audit_says_how_many_and_no_value(store: Database, secrets: list[str], audited: Audited) -> None:
    rotate(store)
    entry = audited()[-1]
    assert (entry.op, entry.table, entry.actor) == ("rotate", KEY_FILE, TESTER.name)
    assert (entry.before, entry.after) == ({}, {"encrypted": 5, "cannot be read": 0})


def test_a_key_file_that_was_changed_meanwhile_is_left_alone(
    store: Database, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    another = Fernet.generate_key().decode()
    monkeypatch.setattr("time.sleep", lambda _: store.keyring.write([another, *store.keyring.keys()]))
    with pytest.raises(UserError, match=r"somebody changed secret\.key meanwhile; run this again"):
        rotate(store)
    assert len(store.keyring.keys()) == 3 and logins(store) == secrets


def test_a_key_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = Keyring.load(tmp_path / "elsewhere")
    (tmp_path / KEY_FILE).symlink_to(real.path)
    Keyring(tmp_path / KEY_FILE).write([another := Fernet.generate_key().decode()])
    assert (tmp_path / KEY_FILE).is_symlink() and real.keys() == [another]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_the_key_file_keeps_its_owner_when_root_rotates(tmp_path: Path) -> None:
    keyring = Keyring.load(tmp_path)
    os.chown(keyring.path, 10001, 10002)
    keyring.write(keyring.keys(), beside="copy")
    keyring.write(keyring.keys())
    assert [(one.stat().st_uid, one.stat().st_gid) for one in tmp_path.iterdir()] == [(10001, 10002)] * 2


def test_only_columns_that_the_database_has_are_asked_for(database: Database) -> None:
    with database.reader.connect() as connection:
        columns = [str(one) for one in crypto.encrypted_columns(connection, Item.metadata)]
        own = crypto.encrypted_columns(connection, SQLModel.metadata)
    assert columns == [] or database.url.get_backend_name() == "postgresql"
    assert not [one for one in own if one.table.name.startswith("core_")]
