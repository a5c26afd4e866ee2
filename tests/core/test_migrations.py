import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, String, text

from core.crypto import Keyring
from core.db import Database
from core.errors import CoreError, UserError
from core.migrations import CORE, SNAPSHOTS_KEPT, History, alembic, app_history, differences, pending, upgrade
from core.migrations.alembic import new_revision
from core.settings import PROJECT
from core.testing import TESTER
from tests.core.samples import Item, full_disk, join, start

REVISION = """
import sqlalchemy as sa
from alembic import op
revision = {id!r}
down_revision = {after!r}
def upgrade():
    {body}
"""
NOTES = (
    "op.execute('CREATE TABLE note (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES core_user ON DELETE CASCADE)')"
)
ADD_EMAIL = """
    with op.batch_alter_table("core_user", recreate="always") as batch:
        batch.add_column(sa.Column("email", sa.String()))
"""
ORPHAN = "op.execute('INSERT INTO note VALUES (2, 99)')"
BROKEN = "op.execute('CREATE TABLE half (id INTEGER)'); op.execute('nonsense')"


@pytest.fixture
def core(tmp_path: Path) -> History:
    """Core's history, copied so that a revision can be added."""
    shutil.copytree(CORE.folder, tmp_path / "core-versions", ignore=shutil.ignore_patterns("__pycache__"))
    return History("core", tmp_path / "core-versions", "core_version")


@pytest.fixture
def own(tmp_path: Path) -> History:
    """An app's history with one table that points to core's users."""
    (tmp_path / "migrations").mkdir()
    history = app_history(tmp_path / "migrations")
    add(history, "0001", NOTES)
    return history


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    """A database without a table."""
    (tmp_path / "fresh").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'fresh' / 'app.db'}", keyring=Keyring.load(tmp_path / "fresh"))
    yield database
    database.close()


@pytest.fixture
def migrate(fresh: Database, core: History, own: History, tmp_path: Path) -> Callable[[], dict[str, list[str]]]:
    """Brings the fresh database to the newest revision of both histories."""
    return lambda: upgrade(fresh, [core, own], snapshots=tmp_path / "snapshots")


OURS = sorted(path.name[:4] for path in CORE.folder.glob("[0-9]*.py"))
NEXT = f"{int(OURS[-1]) + 1:04d}"


def add(history: History, id: str, body: str = "pass", *, after: str | None = None) -> None:
    previous = f"{int(id) - 1:04d}" if id > "0001" else None
    written = REVISION.format(id=id, after=after or previous, body=body)
    (history.folder / f"{id}_{abs(hash(body))}.py").write_text(written)


def ask(database: Database, sql: str) -> Any:
    with database.reader.connect() as connection:
        return connection.execute(text(sql)).scalar()


def add_user_with_note(database: Database) -> None:
    with database.write(TESTER) as db:
        columns = "(id, name, role, password_hash, is_active, created_at)"
        db.connection().execute(
            text(f"INSERT INTO core_user {columns} VALUES (1, 'ann', 'viewer', '', 1, '2026-01-01')")
        )
        db.connection().execute(text("INSERT INTO note VALUES (1, 1)"))


def migrate_elsewhere(url: str, keys: Path, histories: list[History], results: Any) -> None:
    """In a process of its own."""
    database = Database(url, keyring=Keyring.load(keys))
    results.put(upgrade(database, histories, snapshots=keys / "snapshots"))
    database.close()


def test_both_histories_run_and_keep_their_own_versions(fresh: Database, migrate: Callable[[], Any]) -> None:
    assert migrate() == {"core": OURS, "app": ["0001"]}
    assert ask(fresh, "SELECT version_num FROM core_version") == OURS[-1]
    assert ask(fresh, "SELECT version_num FROM alembic_version") == "0001"
    assert migrate() == {"core": [], "app": []}


def test_each_history_goes_on_for_itself(migrate: Callable[[], Any], core: History, own: History) -> None:
    migrate()
    add(core, NEXT)
    assert migrate() == {"core": [NEXT], "app": []}
    add(own, "0002")
    add(own, "0003")
    assert migrate() == {"core": [], "app": ["0002", "0003"]}


def test_what_is_pending_is_listed_oldest_first(fresh: Database, core: History, own: History) -> None:
    add(own, "0002")
    assert pending(fresh, [core, own]) == {"core": OURS, "app": ["0001", "0002"]}


def test_a_change_of_a_core_table_keeps_the_rows_that_point_to_it(
    fresh: Database, migrate: Callable[[], Any], core: History
) -> None:
    migrate()
    add_user_with_note(fresh)
    add(core, NEXT, ADD_EMAIL)
    migrate()
    assert ask(fresh, "SELECT count(*) FROM note") == 1
    assert ask(fresh, "SELECT count(email) FROM core_user") == 0


def test_with_foreign_keys_on_the_same_change_would_delete_them(fresh: Database, migrate: Callable[[], Any]) -> None:
    migrate()
    add_user_with_note(fresh)
    with fresh.writer.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("core_user", recreate="always") as batch:
            batch.add_column(Column("email", String()))
    assert ask(fresh, "SELECT count(*) FROM note") == 0


def test_a_row_that_would_point_nowhere_undoes_everything(
    fresh: Database, migrate: Callable[[], Any], own: History, core: History
) -> None:
    migrate()
    add(core, NEXT, ADD_EMAIL)
    add(own, "0002", ORPHAN)
    with pytest.raises(CoreError, match="rows would point nowhere, the first in table note"):
        migrate()
    assert ask(fresh, "SELECT version_num FROM core_version") == OURS[-1]
    assert ask(fresh, "SELECT count(*) FROM note") == 0


def test_a_revision_that_fails_undoes_everything_and_gives_the_seat_back(
    fresh: Database, migrate: Callable[[], Any], own: History
) -> None:
    migrate()
    add(own, "0002", BROKEN)
    with pytest.raises(Exception, match="nonsense"):
        migrate()
    assert ask(fresh, "SELECT count(*) FROM sqlite_master WHERE name = 'half'") == 0
    with fresh.write(TESTER) as db:
        assert db.connection().exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


FIRST = """
INSERT INTO core_user VALUES (1, 'ann', 'admin', 'hash', 1, NULL, '2026-01-01');
INSERT INTO core_token VALUES (1, 'backup', 'viewer', 'print', '2026-01-02', NULL);
INSERT INTO core_session VALUES ('cookie', 1, '2026-01-03', '2026-01-03', '2026-01-17', '10.0.0.1', 'Firefox');
INSERT INTO core_job VALUES ('services.check', '2026-01-04');
INSERT INTO core_run (id, job, state, started_by, cancel_asked_by, doing, error, queued_at, attempt, done, total,
    failures) VALUES (1, 'services.check', 'succeeded', 'ann', '', '', '', '2026-01-04', 1, 2, 2, 0);
INSERT INTO core_run_log VALUES (1, 1, '2026-01-04', 'info', 'checked');
INSERT INTO core_audit VALUES (1, '2026-01-05', 'ann', 'user', 'add', 'create', 'item', '1', '{}', '{"a": 1}', '', '')
"""
KEPT = {
    "SELECT name, is_active, issuer FROM core_user": ("ann", 1, None),
    "SELECT name, fingerprint, scopes, user_id FROM core_token": ("backup", "print", "", None),
    "SELECT user_id, agent FROM core_session": (1, "Firefox"),
    "SELECT since, paused_at, paused_by FROM core_job": ("2026-01-04", None, ""),
    "SELECT job, total, params, steps FROM core_run": ("services.check", 2, "{}", "[]"),
    "SELECT run_id, text, step, detail FROM core_run_log": (1, "checked", "", ""),
    "SELECT actor, after FROM core_audit": ("ann", '{"a": 1}'),
}


def test_a_database_of_the_first_revision_comes_to_the_newest_with_its_rows(fresh: Database, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    shutil.copy(CORE.folder / "0001_core_s_first_tables.py", tmp_path / "first")
    upgrade(fresh, [History("core", tmp_path / "first", "core_version")], snapshots=tmp_path)
    with sqlite3.connect(str(fresh.url.database)) as file:
        file.executescript(FIRST)
    file.close()
    assert upgrade(fresh, [CORE], snapshots=tmp_path) == {"core": OURS[1:]}
    with fresh.reader.connect() as connection:
        assert {sql: connection.exec_driver_sql(sql).one() for sql in KEPT} == KEPT


def test_foreign_keys_hold_again_after_a_migration(fresh: Database, migrate: Callable[[], Any]) -> None:
    migrate()
    with fresh.writer.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_snapshot_is_taken_before_and_not_of_nothing(
    fresh: Database, migrate: Callable[[], Any], own: History, tmp_path: Path
) -> None:
    migrate()
    assert not (tmp_path / "snapshots").exists()
    add_user_with_note(fresh)
    add(own, "0002", "op.execute('DROP TABLE note')")
    migrate()
    (snapshot,) = (tmp_path / "snapshots").iterdir()
    assert snapshot.name.startswith("before-migration-2")
    assert snapshot.name.endswith("-app-0002.db")
    with sqlite3.connect(snapshot) as copy:
        assert copy.execute("SELECT user_id FROM note").fetchall() == [(1,)]
    copy.close()


def test_a_snapshot_that_breaks_off_leaves_nothing_behind(
    fresh: Database, migrate: Callable[[], Any], own: History, tmp_path: Path
) -> None:
    migrate()
    add(own, "0002")
    with pytest.raises(sqlite3.OperationalError, match="disk"), full_disk():
        migrate()
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert migrate()["app"] == ["0002"]


def test_only_the_newest_snapshots_are_kept(
    fresh: Database, migrate: Callable[[], Any], own: History, tmp_path: Path
) -> None:
    migrate()
    (tmp_path / "snapshots").mkdir()
    old = [tmp_path / "snapshots" / f"before-migration-2020010{day}-000000-1.db" for day in range(1, 8)]
    assert [path.write_text("") for path in old] == [0] * 7
    add(own, "0002")
    migrate()
    kept = sorted(path.name for path in (tmp_path / "snapshots").iterdir())
    assert kept[:4] == [path.name for path in old[3:]] and len(kept) == SNAPSHOTS_KEPT


@pytest.mark.parametrize("table", ["core_version", "alembic_version"])
def test_a_newer_database_is_refused(fresh: Database, migrate: Callable[[], Any], table: str) -> None:
    migrate()
    with fresh.write(TESTER) as db:
        db.connection().execute(text(f"UPDATE {table} SET version_num = '9999'"))
    with pytest.raises(UserError, match=r"revision '9999', which this version does not know"):
        migrate()


def test_two_files_with_one_revision_are_refused(migrate: Callable[[], Any], own: History) -> None:
    shutil.copy(next(own.folder.glob("0001*")), own.folder / "0001_twin.py")
    with pytest.raises(UserError, match=r"migrations are not one line \(one is there twice\): let each follow another"):
        migrate()


def test_two_revisions_after_the_same_one_are_refused(migrate: Callable[[], Any], own: History) -> None:
    add(own, "0002")
    add(own, "0003", after="0001")
    with pytest.raises(UserError, match=r"not one line \(000[23]\): let each follow another by its down_revision"):
        migrate()


def test_a_revision_after_one_that_is_missing_is_refused(migrate: Callable[[], Any], own: History) -> None:
    add(own, "0003")
    with pytest.raises(UserError, match=r"not one line \(0003\)"):
        migrate()


@pytest.mark.parametrize("_round", range(4))
def test_two_processes_that_migrate_at_once_both_succeed(
    fresh: Database, core: History, own: History, tmp_path: Path, processes: ForkServerContext, _round: int
) -> None:
    results = processes.Queue()
    arguments = (str(fresh.url), tmp_path / "fresh", [core, own], results)
    both = [processes.Process(target=migrate_elsewhere, args=arguments) for _ in range(2)]
    start(both)
    done = sorted([results.get(timeout=30), results.get(timeout=30)], key=str)
    join(both)
    assert done == [{"core": OURS, "app": ["0001"]}, {"core": [], "app": []}]


def changes(database: Database, history: History) -> list[tuple[str, str]]:
    """What autogenerate would do to tables that no model has."""
    with database.reader.connect() as connection:
        found: list[Any] = differences(connection, history)
    return [(change[0], change[1].name) for change in found if change[0] == "remove_table"]


def test_each_history_sees_its_own_tables_only(fresh: Database, migrate: Callable[[], Any], core: History) -> None:
    migrate()
    add(core, NEXT, "op.execute('CREATE TABLE core_extra (id INTEGER PRIMARY KEY)')")
    migrate()
    assert changes(fresh, CORE) == [("remove_table", "core_extra")]
    assert changes(fresh, app_history()) == [("remove_table", "note")]


def test_a_full_text_index_is_left_alone_but_not_its_namesakes(
    fresh: Database, migrate: Callable[[], Any], own: History
) -> None:
    index = "op.execute('CREATE VIRTUAL TABLE note_text USING fts5(body)')"
    namesake = "op.execute('CREATE TABLE note_text_history (id INTEGER PRIMARY KEY)')"
    add(own, "0002", f"{index}; {namesake}")
    migrate()
    assert ask(fresh, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'note_text%'") == 7
    assert sorted(changes(fresh, app_history())) == [("remove_table", "note"), ("remove_table", "note_text_history")]


@pytest.mark.usefixtures("app")
def test_a_new_revision_brings_the_tables_to_the_models(fresh: Database, tmp_path: Path) -> None:
    history = app_history(tmp_path / "written")
    upgrade(fresh, [CORE, history], snapshots=tmp_path)
    path = new_revision(fresh, history, "Add the services")
    assert path and path.name == "0001_add_the_services.py"
    assert '"""Add the services."""' in path.read_text() and "op.create_table('service'" in path.read_text()
    assert "core_" not in path.read_text()
    assert upgrade(fresh, [CORE, history], snapshots=tmp_path) == {"core": [], "app": ["0001"]}
    with fresh.reader.connect() as connection:
        assert "add_table', Table('service'" not in repr(differences(connection, history))


def test_a_new_revision_waits_until_the_database_is_up_to_date(fresh: Database, own: History) -> None:
    with pytest.raises(UserError, match=r"the database is behind: run `python -m core migrate` first"):
        new_revision(fresh, own, "too early")


def test_a_new_revision_takes_the_next_number_even_after_a_gap(
    fresh: Database, migrate: Callable[[], Any], own: History
) -> None:
    add(own, "0007", after="0001")
    migrate()
    path = new_revision(fresh, own, "next")
    assert path and path.name.startswith("0008_")


def test_a_column_type_of_our_own_is_written_as_what_it_is_stored_as() -> None:
    assert alembic._render("type", Item.__table__.c.credentials.type, None) == "sa.Text()"  # type: ignore[attr-defined]
    assert alembic._render("type", Item.__table__.c.name.type, None) is False  # type: ignore[attr-defined]
    assert alembic._render("table", Item.__table__, None) is False  # type: ignore[attr-defined]


AGREE = """
import sys
from pathlib import Path
import app.main
from core.crypto import Keyring
from core.db import Database
from core.migrations import differences, upgrade
from core.migrations.alembic import new_revision
folder = Path(sys.argv[1])
database = Database(f"sqlite:///{folder / 'app.db'}", keyring=Keyring.load(folder))
upgrade(database, app.main.app.histories, snapshots=folder)
with database.reader.connect() as connection:
    print([differences(connection, history) for history in app.main.app.histories])
print(new_revision(database, app.main.app.histories[1], "nothing"))
"""


def test_models_and_migrations_agree_for_core_and_for_the_starter(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGREE, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-2:] == ["[[], []]", "None"], done.stderr
