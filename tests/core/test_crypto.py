import stat
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import create_engine, text
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel

from core import Column
from core.crypto import KEY_FILE, Keyring, fingerprint, new_token, refuse_lost_key
from core.db import Database, Session
from core.errors import CoreError, UserError
from tests.core.samples import Item, join, start, together

SECRET = {"key": "k-1", "secret": ["s", 2, None]}


def load_and_encrypt(folder: Path, start: Any, made: Any) -> None:
    """In a process of its own."""
    start.wait(20)
    made.put(Keyring.load(folder).encrypt("hello"))


def test_a_token_is_new_each_time_and_kept_as_a_fingerprint() -> None:
    token = new_token("pyops_")
    assert token.startswith("pyops_") and len(token) > 40 and token != new_token("pyops_")
    assert fingerprint(token) == fingerprint(token) and len(fingerprint(token)) == 64


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    ciphertext = Keyring.load(tmp_path).encrypt("hello")
    assert Keyring.load(tmp_path).decrypt(ciphertext) == "hello"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("_round", range(3))
def test_processes_that_race_share_one_key(tmp_path: Path, processes: ForkServerContext, _round: int) -> None:
    made, line = processes.Queue(), processes.Barrier(3)
    racers = [processes.Process(target=load_and_encrypt, args=(tmp_path, line, made)) for _ in range(3)]
    start(racers)
    assert [Keyring.load(tmp_path).decrypt(made.get(timeout=20)) for _ in racers] == ["hello"] * 3
    join(racers)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_threads_that_race_share_one_key(tmp_path: Path) -> None:
    made = together(*[lambda: Keyring.load(tmp_path).encrypt("hello")] * 8)
    assert [Keyring.load(tmp_path).decrypt(each) for each in made] == ["hello"] * 8


def test_the_first_key_encrypts_and_all_decrypt(tmp_path: Path) -> None:
    old = Keyring.load(tmp_path).encrypt("hello")
    keys = [Fernet.generate_key().decode(), (tmp_path / KEY_FILE).read_text().strip()]
    (tmp_path / KEY_FILE).write_text("\n".join(keys) + "\n\n")
    rotated = Keyring.load(tmp_path)
    assert rotated.decrypt(old) == "hello"
    new = rotated.encrypt("new")
    (tmp_path / KEY_FILE).write_text(keys[0])
    assert Keyring.load(tmp_path).decrypt(new) == "new"


def test_the_key_is_read_once_and_a_new_one_counts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring, reads = Keyring.load(tmp_path), list[Path]()
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: reads.append(path) or read(path))
    old = [keyring.encrypt("hello") for _ in range(3)]
    assert reads == []
    (tmp_path / KEY_FILE).write_text(f"{Fernet.generate_key().decode()}\n{read(tmp_path / KEY_FILE)}")
    new = keyring.encrypt("hello")
    assert [keyring.decrypt(each) for each in [*old, new]] == ["hello"] * 4 and len(reads) == 1
    with pytest.raises(InvalidToken):
        Fernet(read(tmp_path / KEY_FILE).split()[1]).decrypt(new)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"not a key\n", b"\xff\xfe\x00"], ids=["empty", "blank", "text", "binary"]
)
def test_a_broken_key_file_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"secret\.key holds no valid key; restore it from your backup"):
        Keyring.load(tmp_path)


def test_a_key_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(UserError, match=r"secret\.key cannot be read"):
        Keyring.load(tmp_path)


def test_an_encrypted_column_comes_back_and_is_ciphertext_in_the_row(store: Database, write: Session) -> None:
    write.add(Item(name="a", login=SECRET))
    write.commit()
    with store.read() as db:
        raw = db.connection().execute(text("SELECT credentials FROM item")).scalar_one()
        assert db.get_one(Item, 1).login == SECRET
    assert raw.startswith("gAAAA") and "k-1" not in raw


def test_nothing_is_stored_as_nothing(write: Session) -> None:
    write.add(Item(name="a", login=None))
    write.commit()
    assert write.connection().execute(text("SELECT credentials FROM item")).scalar_one() is None
    write.expire_all()
    assert write.get_one(Item, 1).login is None


def test_what_another_key_encrypted_reads_and_shows_as_nothing(store: Database, write: Session, tmp_path: Path) -> None:
    write.add(Item(name="a", login=SECRET))
    write.commit()
    (tmp_path / "other").mkdir()
    other = Database(str(store.url), keyring=Keyring.load(tmp_path / "other"))
    with other.read() as db:
        row = db.get_one(Item, 1)
    assert row.login == {} and Column(Item.login, name="login").cell(row.login, {}).text == "—"
    with pytest.raises(CoreError, match=r"does not decrypt: secret\.key is not the one"):
        other.keyring.decrypt(store.keyring.encrypt("hello"))
    other.close()


def test_a_lost_key_is_refused_while_it_is_missed(store: Database, write: Session) -> None:
    with store.reader.connect() as connection:
        refuse_lost_key(store.keyring.path, connection, Item.metadata)
    write.add(Item(name="a", login=SECRET))
    write.commit()
    said = r"secret\.key is gone, and nothing else reads item\.credentials; put it back from your backup, or make"
    with pytest.raises(UserError, match=said), store.reader.connect() as connection:
        refuse_lost_key(store.keyring.path, connection, Item.metadata)


def test_a_secret_that_json_cannot_hold_is_refused_without_showing_it(write: Session) -> None:
    write.add(Item(name="a", login={"key": b"hunter2"}))
    with pytest.raises(StatementError) as caught:
        write.flush()
    assert "hunter2" not in str(caught.value)
    write.rollback()


def test_a_database_without_a_keyring_refuses(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    SQLModel.metadata.create_all(engine, tables=[])
    Item.metadata.create_all(engine)
    with pytest.raises(StatementError, match="no attribute 'pyops_keyring'"), Session(engine) as db:
        db.add(Item(name="a", login=SECRET))
        db.flush()
    engine.dispose()
