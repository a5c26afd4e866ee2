"""Secrets at rest: a key file in the data folder, a column type that encrypts with it, and a new key for both."""

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, Connection, Dialect, MetaData, Text, func, inspect, select, tuple_, update
from sqlalchemy.types import TypeDecorator

from .audit import Actor, Change
from .errors import CoreError, UserError
from .time import now

KEY_FILE = "secret.key"
BATCH = 100  # secrets that one write transaction encrypts again, so that nobody waits long
GRACE_S = 5.0  # a read that began before may have found what only the old key opens


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
            with contextlib.suppress(FileExistsError):  # another process was first: its key is the key
                keyring.write([Fernet.generate_key().decode()], put=os.link)
        keyring._read()  # a broken file is told at start
        return keyring

    def keys(self) -> list[str]:
        """The keys as they stand in the file."""
        return self.path.read_text().split()

    def write(self, keys: Sequence[str], *, beside: str = "", put: Callable[[Path, Path], None] = os.replace) -> None:
        """Put keys into the file, or into one beside it, whole or not at all; its owner stays."""
        path = self.path.resolve()
        with TemporaryDirectory(dir=path.parent, prefix=KEY_FILE) as folder:
            (draft := Path(folder, KEY_FILE)).touch(0o600)
            with draft.open("w") as file:
                print(*keys, sep="\n", file=file, flush=True)
                os.fsync(file.fileno())
            if path.exists():
                os.chown(draft, path.stat().st_uid, path.stat().st_gid)
            put(draft, path.with_name(beside or path.name))

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
        new = f"""python -c "from core.crypto import *; Keyring.load(Path('{path.parent}'))\""""
        lost = f"{path} is gone, and nothing else reads {', '.join(held)}"
        raise UserError(f"{lost}; put it back from your backup, or make a new key and type them again: {new}")


def rotate(database: Any, actor: Actor, metadata: MetaData) -> str:
    """Encrypt every stored secret with a new key, or go on where that broke off; UserError for what no key opens."""
    keyring, done, lost = database.keyring, 0, list[str]()
    with database.write(actor) as db:  # so nobody else writes now, and whoever does later has the new key
        columns = encrypted_columns(db.connection(), metadata)
        if len(keys := keyring.keys()) == 1:
            keyring.write(keys := [Fernet.generate_key().decode(), *keys])
    os.sync()  # the new key is on the disk before what needs it, and that before the old key goes
    for column in columns:
        named = column.table.primary_key
        with database.read() as db:
            rows = db.execute(select(*named).where(column.is_not(None))).all()
        for batch in (rows[start : start + BATCH] for start in range(0, len(rows), BATCH)):
            with database.write(actor) as db:
                for *row, secret in db.execute(select(*named, column).where(tuple_(*named).in_(batch))).all():
                    if isinstance(secret, Unreadable):
                        lost.append(f"{column} {' '.join(map(str, row))}")
                    else:
                        same = update(column.table).where(tuple_(*named) == tuple(row))
                        done += db.connection().execute(same.values({column: secret})).rowcount
    time.sleep(GRACE_S)
    os.sync()
    kept, said = f"{KEY_FILE}.before-{now():%Y%m%d-%H%M%S}", f"{done} secrets are encrypted with a new key"
    with database.write(actor) as db:
        db.connection()
        if keyring.keys() != keys:
            raise UserError(f"somebody changed {KEY_FILE} meanwhile; run this again")
        if not lost:
            keyring.write(keys[1:], beside=kept)
            keyring.write(keys[:1])
        db.changes.append(Change("rotate", KEY_FILE, "", {}, {"encrypted": done, "cannot be read": len(lost)}))
    if lost:
        mend = f"{KEY_FILE} keeps the older keys; type these again, or add their key to it, and run this once more"
        raise UserError(f"{said}, but no key opens {len(lost)} ({', '.join(lost)}), so {mend}")
    return f"{said}; {kept} holds the old one: store it with the backups made before, and delete it here"


class Unreadable(dict[str, Any]):
    """What stands for an encrypted value that none of our keys opens: empty, so that it is asked for again."""


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
            return Unreadable()
