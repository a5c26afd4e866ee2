from pathlib import Path

from sqlalchemy import text

from core.app import App, ready
from core.crypto import Keyring
from core.db import Database
from core.pages import Runtime
from core.settings import Settings
from core.testing import TESTER


def test_a_migrated_database_is_ready(app: App, database: Database) -> None:
    answer = ready(Runtime(app, Settings(), database, None))
    assert answer == []


def test_pending_migrations_are_told(app: App, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}", keyring=Keyring.load(tmp_path))
    answer = ready(Runtime(app, Settings(), database, None))
    assert answer == ["core migrations are pending: 0001, 0002", "app migrations are pending: 0001"]
    database.close()


def test_a_newer_database_is_not_ready(app: App, database: Database) -> None:
    with database.write(TESTER) as db:
        db.connection().execute(text("UPDATE core_version SET version_num = '9999'"))
    (problem,) = ready(Runtime(app, Settings(), database, None))
    assert "revision '9999', which this version does not know" in problem


def test_a_database_that_does_not_answer_is_not_ready(app: App, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    database = Database(f"sqlite:///{tmp_path / 'broken.db'}", keyring=Keyring.load(tmp_path))
    assert ready(Runtime(app, Settings(), database, None)) == ["the database does not answer: DatabaseError"]
    database.close()
