"""Fixtures for the tests of core's data and jobs."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from core.audit import AuditEntry
from core.crypto import Keyring
from core.db import Database, Session
from core.testing import TESTER
from tests.core.samples import Sample


@pytest.fixture
def store(database: Database) -> Database:
    """The test's database, with the sample tables."""
    Sample.metadata.create_all(database.writer)
    return database


@pytest.fixture
def write(store: Database) -> Iterator[Session]:
    """A session that writes to the sample tables."""
    with store.writing(TESTER) as session:
        yield session


@pytest.fixture
def audited(store: Database) -> Callable[[], list[AuditEntry]]:
    """What the audit holds now."""

    def entries() -> list[AuditEntry]:
        with store.read() as db:
            return list(db.exec(select(AuditEntry).order_by(AuditEntry.id)).all())  # type: ignore[arg-type]

    return entries


@pytest.fixture
def again(store: Database, tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Opens the same database once more, as another process would."""
    opened: list[Database] = []

    def reopen(**options: Any) -> Database:
        found = Database(str(store.url), keyring=Keyring.load(tmp_path / "data"), **options)
        opened.append(found)
        return found

    yield reopen
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def serve_forks() -> Callable[[], None]:
    """Starts the server of the forks, with everything loaded."""

    def start() -> None:
        with pytest.MonkeyPatch.context() as patch:  # the server takes its module path from PYTHONPATH only
            patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
            forkserver.ensure_running()

    return start


@pytest.fixture(scope="session")
def processes(serve_forks: Callable[[], None]) -> ForkServerContext:
    """A way to start processes from a server that has everything loaded; it serves the runner too."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.testing", "core.scheduler", "tests.core.samples"])
    serve_forks()
    return context
