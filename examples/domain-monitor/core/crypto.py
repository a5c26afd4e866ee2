"""Secrets at rest: a key file in the data folder, a column type that encrypts with it, and a new key for both."""

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, Connection, Dialect, MetaData, Text, func, inspect, select, tuple_, type_coerce, update
from sqlalchemy.types import TypeDecorator

from .audit import Actor, Change
from .errors import CoreError, UserError

KEY_FILE = "secret.key"


def new_token(prefix: str = "") -> str:
    """A random URL-safe secret with 256 bits."""
    return prefix + secrets.token_urlsafe(32)


def fingerprint(token: str) -> str:
    """What we store of a random token: its SHA-256, in hex. (Passwords get argon2 instead.)"""
    return hashlib.sha256(token.encode()).hexdigest()


class Keyring:
    """The keys of `secret.key`, one a line: the first encrypts, all decrypt; one more may be put in front any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[tuple[int, ...], MultiFernet] = {}  # by the file's version

    @classmethod
    def load(cls, data_dir: Path) -> "Keyring":
        """The keys of the key file; it is made with a fresh one, readable by its owner only, when there is none."""
        keyring = cls(data_dir / KEY_FILE)
        if not keyring.path.exists():
            with contextlib.suppress(FileExistsError):  # another process's key is the key
                keyring.add(Fernet.generate_key().decode())
        keyring._read()  # a broken file is told at start
        return keyring

    def add(self, key: str) -> None:
        """Put a key in front of those in the file, whole or not at all; its owner stays."""
        path, older = self.path.resolve(), self.path.read_text() if self.path.exists() else ""
        with TemporaryDirectory(dir=path.parent, prefix=KEY_FILE) as folder:
            (draft := Path(folder, KEY_FILE)).touch(0o600)
            draft.write_text(f"{key}\n{older}")
            if older:
                os.chown(draft, path.stat().st_uid, path.stat().st_gid)
            (os.replace if older else os.link)(draft, path)  # a first one, unless another process was faster

    def encrypt(self, text: str) -> str:
        """Ciphertext of a text, as URL-safe base64."""
        return self._read().encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """The text of a ciphertext; CoreError when no key of ours made it."""
        try:
            return self._read().decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise CoreError(f"a stored secret does not decrypt: {KEY_FILE} is not the one it was made with") from error

    def _read(self) -> MultiFernet:
        try:
            file = self.path.stat()  # each time, so that a new key counts at once
            version = file.st_mtime_ns, file.st_ino, file.st_size
            keys = self._known.get(version) or MultiFernet([Fernet(key) for key in self.path.read_text().split()])
            self._known = {version: keys}
            return keys
        except OSError as error:
            raise UserError(f"{self.path} cannot be read ({error.strerror}); it must be a file of this user") from error
        except ValueError as error:
            lost = "without it the secrets in the database cannot be read"
            raise UserError(f"{KEY_FILE} holds no valid key; restore it from your backup, {lost}") from error


def encrypted_columns(connection: Connection, metadata: MetaData) -> list[Column[Any]]:
    """Every Encrypted column that a database has."""
    there = inspect(connection)
    names = {table: {column["name"] for column in there.get_columns(table)} for table in there.get_table_names()}
    columns = [column for table in metadata.tables.values() for column in table.c if isinstance(column.type, Encrypted)]
    return [column for column in columns if column.name in names.get(column.table.name, ())]


def refuse_lost_key(path: Path, connection: Connection, metadata: MetaData) -> None:
    """Raise UserError when a database holds what only a key that is gone can read: a new one would hide the loss."""
    columns = encrypted_columns(connection, metadata)
    if held := [str(one) for one in columns if connection.execute(select(func.count(one))).scalar()]:
        lost = f"{path} is gone, and nothing else reads {', '.join(held)}; put it back from your backup"
        new = f"""python -c "from core.crypto import *; Keyring.load(Path('{path.parent}'))\""""
        raise UserError(f"{lost}, or make a new key and type them again: {new}")


def rotate(database: Any, actor: Actor, metadata: MetaData) -> int:
    """Encrypt every stored secret with a new key, put in front of the older ones; how many. What no key opens stays."""
    done = 0
    with database.write(actor) as db:  # one transaction: nobody writes with the older key meanwhile
        columns = {one: one.table.primary_key.columns for one in encrypted_columns(db.connection(), metadata)}
        database.keyring.add(Fernet.generate_key().decode())
        os.sync()  # the key is on the disk before what needs it
        for column, named in columns.items():
            for *row, token in db.execute(select(*named, type_coerce(column, Text)).where(column.is_not(None))).all():
                with contextlib.suppress(CoreError):
                    secret = json.loads(database.keyring.decrypt(token))
                    mine = update(column.table).where(tuple_(*named) == tuple(row)).values({column: secret})
                    done += db.connection().execute(mine).rowcount
        db.changes.append(Change("rotate", KEY_FILE, "", {}, {"encrypted": done}))
    return done


class Encrypted(TypeDecorator[Any]):
    """A column whose value, anything JSON can hold, is encrypted in the database and masked in the audit."""

    impl, cache_ok = Text, True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encrypt on the way in."""
        return None if value is None else dialect.pyops_keyring.encrypt(json.dumps(value))  # type: ignore[attr-defined]

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decrypt on the way out."""
        try:
            return None if value is None else json.loads(dialect.pyops_keyring.decrypt(value))  # type: ignore[attr-defined]
        except CoreError:  # a page that shows it masked, or takes a new one, goes on
            return {}
