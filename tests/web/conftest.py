"""The app that the web tests ask: the starter's feature, and a shop with a page for each thing that can happen."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine
from sqlmodel import select
from starlette.testclient import TestClient

from app import services
from app.settings import Settings
from core import App, auth, security
from core.db import Database
from core.testing import TESTER
from tests.web import shop
from tests.web.shop.models import Base, Item


@pytest.fixture(scope="session")
def app() -> App:
    return App(features=[services.feature, shop.feature], settings=Settings)


@pytest.fixture(scope="session")
def more_tables() -> MetaData:
    return Base.metadata


@pytest.fixture(scope="session")
def migrated(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "data"
    shutil.copytree(migrated, folder)
    engine = create_engine(f"sqlite:///{folder / 'app.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return folder


@pytest.fixture
def browser_as(served: TestClient, database: Database, settings: Settings) -> Callable[[str], TestClient]:
    """A browser that has signed in, with a session cookie and no token."""

    def sign_in(role: str) -> TestClient:
        with database.write(TESTER) as db:
            user = auth.add_user(db, f"{role}-in-a-browser", role)
            secret = auth.sign_in(db, user, days=1, address="", agent="")
        browser = TestClient(served.app, headers=served.headers, follow_redirects=False)
        browser.cookies.set(security.cookie_name(settings), secret)
        return browser

    return sign_in


@pytest.fixture
def hasty(served: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the running app wait a moment for its turn to write, not ten seconds."""
    monkeypatch.setattr(served.app.runtime.database.turnstile, "_wait_s", 0.1)


@pytest.fixture
def sell(database: Database) -> Callable[..., None]:
    """Puts things into the shop: `sell(Item(name="chair"))`."""

    def add(*rows: object) -> None:
        with database.write(TESTER) as db:
            db.add_all(rows)

    return add


@pytest.fixture
def names(database: Database) -> Callable[[], set[str]]:
    """The names of what is in the shop by now."""

    def read() -> set[str]:
        with database.read() as db:
            return set(db.exec(select(Item.name)).all())

    return read
