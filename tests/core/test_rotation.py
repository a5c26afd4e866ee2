"""A new key: every stored secret is encrypted with it while the tool runs, and no crash on the way loses one."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Column, MetaData, Table, Text, text
from sqlmodel import select

from core import crypto
from core.audit import AuditEntry
from core.crypto import KEY_FILE, Encrypted, Keyring
from core.db import Database, Session
from core.testing import TESTER
from tests.core.samples import Item

Audited = Callable[[], list[AuditEntry]]


@pytest.fixture
def secrets(write: Session) -> list[str]:
    """Five stored secrets, and a row without one."""
    values = [f"secret {number}" for number in range(5)]
    write.add_all([*(Item(name=one, login=one) for one in values), Item(name="nothing", login=None)])
    write.commit()
    return values


def keys(database: Database) -> list[str]:
    return database.keyring.path.read_text().split()


def rotate(database: Database) -> int:
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


def test_every_secret_is_encrypted_with_a_new_key_before_the_older_one(store: Database, secrets: list[str]) -> None:
    (old,) = keys(store)
    assert rotate(store) == 5
    new, kept = keys(store)
    assert kept == old and new != old
    assert opened_by(new, store) == logins(store) == secrets
    assert stat.S_IMODE(store.keyring.path.stat().st_mode) == 0o600


def test_a_server_that_runs_reads_and_writes_on(
    store: Database, secrets: list[str], again: Callable[..., Database]
) -> None:
    server = again()
    assert logins(server) == secrets
    rotate(store)
    with server.write(TESTER) as db:
        db.add(Item(name="secret 9", login="secret 9"))
    assert logins(server) == logins(store) == [*secrets, "secret 9"]
    assert opened_by(keys(store)[0], store) == [*secrets, "secret 9"]


def test_a_crash_after_the_new_key_loses_nothing(
    store: Database, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(os, "sync", lambda: 1 / 0)
        rotate(store)
    assert len(keys(store)) == 2 and logins(store) == secrets
    assert rotate(store) == 5
    assert opened_by(keys(store)[0], store) == logins(store) == secrets


def test_what_no_key_opens_is_left_alone(store: Database, secrets: list[str]) -> None:
    with store.write(TESTER) as db:
        foreign = Fernet(Fernet.generate_key()).encrypt(b'"lost"').decode()
        db.connection().execute(text("UPDATE item SET credentials = :it WHERE id = 3"), {"it": foreign})
    assert rotate(store) == 4
    assert foreign in stored(store)


def test_the_audit_says_how_many_and_no_value(store: Database, secrets: list[str], audited: Audited) -> None:
    rotate(store)
    entry = audited()[-1]
    assert (entry.op, entry.table, entry.actor) == ("rotate", KEY_FILE, TESTER.name)
    assert (entry.before, entry.after) == ({}, {"encrypted": 5})


def test_a_key_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = Keyring.load(tmp_path / "elsewhere")
    (tmp_path / KEY_FILE).symlink_to(real.path)
    Keyring(tmp_path / KEY_FILE).add(another := Fernet.generate_key().decode())
    assert (tmp_path / KEY_FILE).is_symlink() and real.path.read_text().startswith(another)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_the_key_file_keeps_its_owner_when_root_rotates(tmp_path: Path) -> None:
    keyring = Keyring.load(tmp_path)
    os.chown(keyring.path, 10001, 10002)
    keyring.add(Fernet.generate_key().decode())
    assert (keyring.path.stat().st_uid, keyring.path.stat().st_gid) == (10001, 10002)


def test_only_columns_that_the_database_has_are_asked_for(store: Database) -> None:
    models = MetaData()
    Table("item", models, Column("credentials", Encrypted), Column("later", Encrypted), Column("name", Text))
    Table("to_come", models, Column("credentials", Encrypted))
    with store.reader.connect() as connection:
        assert list(map(str, crypto.encrypted_columns(connection, models))) == ["item.credentials"]
