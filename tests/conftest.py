"""`pytest tests/core tests/web --postgres`: each test that asks for a database gets one on a PostgreSQL server."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, create_engine, event, inspect, text
from sqlalchemy.pool import NullPool

from core import App, migrations
from core.crypto import Keyring
from core.db import Database, Session
from core.settings import Settings

VERSIONS, HEADS = {"core_version", "alembic_version"}, migrations.CORE.revisions()[-1:]
_unused: dict[App, list[str]] = defaultdict(list)  # the addresses of empty databases that were made for an app


def pytest_configure() -> None:
    """Whoever starts the tests in the background, or under nohup, lets all that they start ignore these signals."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", action="store_true", help="run on PostgreSQL what is not of SQLite alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, leave out the tests of what SQLite alone has, and those that ask for no database."""
    if config.getoption("--postgres"):
        kept = [one for one in items if "settings" in one.fixturenames and not one.get_closest_marker("sqlite")]
        config.hook.pytest_deselected(items=[one for one in items if one not in {*kept}])
        items[:] = kept


def program(name: str) -> str:
    """Where one of the server's programs lies; without it these tests are skipped, in CI they fail."""
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"]]))
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is missing: apt-get install postgresql")
    return found


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of the tests' own, which listens in its folder only; the address of its databases."""
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []  # it refuses to run as root
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        if as_user:
            shutil.chown(name, "postgres")
        control = [*as_user, program("pg_ctl"), "-D", f"{name}/data", "-w"]
        run([*as_user, program("initdb"), "-A", "trust", "-U", "postgres", "-N", "--locale=C.UTF-8", f"{name}/data"])
        options = f"-k {name} -c listen_addresses= -c fsync=off -c max_connections=300"
        run([*control, "-o", options, "-l", f"{name}/log", "start"])
        yield f"postgresql://postgres@/{{}}?host={name}"
        run([*control, "-m", "immediate", "stop"])


@pytest.fixture(scope="session")
def more_tables() -> MetaData:
    """The tables that no migration makes."""
    return MetaData()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, app: App, migrated: Path, more_tables: MetaData) -> Iterator[str]:
    """The address of the test's database, "" for the SQLite file in its data folder."""
    if not request.config.getoption("--postgres"):
        yield ""
        return
    server: str = request.getfixturevalue("server")
    url = _unused[app].pop() if _unused[app] else made(server, app, migrated, more_tables)
    yield url
    if clear(url):
        _unused[app].append(url)


def made(server: str, app: App, folder: Path, more_tables: MetaData) -> str:
    """The address of a new, migrated database."""
    with on_server(server.format("postgres")).connect() as connection:
        name = f"tool_{connection.execute(text('SELECT count(*) FROM pg_database')).scalar()}"
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = server.format(name)
    with closing(Database(url, keyring=Keyring.load(folder))) as database:
        migrations.upgrade(database, app.histories, snapshots=folder)
        more_tables.create_all(database.writer)
    return url


def clear(url: str) -> bool:
    """Take every row out of a database, let its keys begin at 1 again; False when its revision is another now."""
    with on_server(url).connect() as connection:
        tables = ", ".join(f'"{name}"' for name in inspect(connection).get_table_names() if name not in VERSIONS)
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        return connection.execute(text("SELECT version_num FROM core_version")).scalars().all() == HEADS


def on_server(url: str) -> Engine:
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


@pytest.fixture
def settings(app: App, migrated: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The app's settings with a data folder and a database of the test's own."""
    folder = shutil.copytree(migrated, tmp_path / "data")
    if database_url:
        (folder / "app.db").unlink()
        monkeypatch.setenv("DATABASE_URL", database_url)
    given = {"environment": "test", "database_url": database_url, "tool_name": "Test tool"}
    return app.settings_class(_env_file=None, data_dir=folder, **given)


@event.listens_for(Session, "before_flush")
def _note_chosen_keys(session: Session, *_: object) -> None:
    """Where a test chooses a row's key, the sequence of PostgreSQL would give it out again."""
    session.info["chosen"] = {row.__tablename__ for row in session.new if getattr(row, "id", None) is not None}


@event.listens_for(Session, "after_flush_postexec")
def _go_on_after_them(session: Session, *_: object) -> None:
    for table in session.info.pop("chosen", ()) if session.get_bind().dialect.name == "postgresql" else ():
        last = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
        session.connection().execute(text(last))
