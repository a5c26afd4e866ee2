"""Secrets at rest: one key file in the data folder, and a column type that encrypts with it."""

import contextlib
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from .errors import CoreError, UserError

KEY_FILE = "secret.key"


def new_token(prefix: str = "") -> str:
    """A random URL-safe secret with 256 bits."""
    return prefix + secrets.token_urlsafe(32)


def fingerprint(token: str) -> str:
    """What we store of a random token: its SHA-256, in hex. (Passwords get argon2 instead.)"""
    return hashlib.sha256(token.encode()).hexdigest()


class Keyring:
    """The keys of `secret.key`, one a line: the first encrypts, all decrypt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fernet = self._read()

    @classmethod
    def load(cls, data_dir: Path) -> "Keyring":
        """Read the key file; make it with a fresh key, readable by its owner only, when there is none."""
        path = data_dir / KEY_FILE
        if not path.exists():
            with contextlib.suppress(FileExistsError):  # another process was first: its key is the key
                _write(path, [Fernet.generate_key().decode()], os.link)
        return cls(path)

    def add_key(self) -> None:
        """Put a fresh key in front: it encrypts from now on, in every process."""
        _write(self.path, [Fernet.generate_key().decode(), *self._lines()], os.replace)

    def drop_old_keys(self) -> None:
        """Keep the first key only; what another one encrypted can be read no more."""
        _write(self.path, self._lines()[:1], os.replace)

    def encrypt(self, text: str) -> str:
        """Ciphertext of a text, as URL-safe base64."""
        self._fernet = self._read()  # another process may have added a key
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """The text of a ciphertext; CoreError when no key of ours made it."""
        for read_again in (False, True):
            with contextlib.suppress(InvalidToken):
                self._fernet = self._read() if read_again else self._fernet
                return self._fernet.decrypt(token.encode()).decode()
        raise CoreError(f"a stored secret does not decrypt: {KEY_FILE} is not the one it was made with")

    def _lines(self) -> list[str]:
        try:
            lines = self.path.read_bytes().decode(errors="replace").splitlines()
        except OSError as error:
            raise UserError(f"{self.path} cannot be read ({error.strerror}); it must be a file of this user") from error
        return [line for line in lines if line.strip()]

    def _read(self) -> MultiFernet:
        try:
            return MultiFernet([Fernet(key) for key in self._lines()])
        except ValueError as error:
            raise UserError(
                f"{KEY_FILE} holds no valid key; restore it from your backup. "
                "Without it the secrets in the database cannot be read."
            ) from error


def _write(path: Path, keys: list[str], put: Callable[[Path, Path], None]) -> None:
    """Write a key file, readable by its owner only, whole or not at all."""
    draft = path.with_name(f"{KEY_FILE}.{os.getpid()}-{threading.get_ident()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{key}\n" for key in keys)
    try:
        put(draft, path)
    finally:
        draft.unlink(missing_ok=True)


class Encrypted(TypeDecorator[Any]):
    """A column whose value, anything JSON can hold, is encrypted in the database and masked in the audit."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encrypt on the way in."""
        return None if value is None else _keyring(dialect).encrypt(json.dumps(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decrypt on the way out."""
        return None if value is None else json.loads(_keyring(dialect).decrypt(value))


def give_keyring(dialect: Dialect, keyring: Keyring) -> None:
    """Let the Encrypted columns of an engine's dialect use this keyring: no key at module level."""
    dialect.pyops_keyring = keyring  # type: ignore[attr-defined]


def _keyring(dialect: Dialect) -> Keyring:
    keyring = getattr(dialect, "pyops_keyring", None)
    if not isinstance(keyring, Keyring):
        raise CoreError("this database was opened without a keyring; open it with core.db.Database")
    return keyring
