"""Fixtures for a project's tests: `pytest_plugins = ["core.testing"]` in conftest.py."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from . import alerts, auth, cli, crypto, http, marks, migrations, scheduler, time
from .app import App
from .db import Actor, Database, Session
from .jobs import JobRun, Run, RunLog
from .settings import Channel, Settings

TESTER = Actor("test", "test")


@dataclass(frozen=True)
class Ran:
    """What became of a job: how many of its steps failed, and its log as "level: text"."""

    failures: int
    log: list[str]


class Outside(dict[str, Any]):
    """What other servers answer: a URL (or "POST URL") to a status, a body, (status, body) or an error."""

    def __call__(self, method: str, url: str) -> http.Reply:
        """The answer to one request; an AssertionError for an address that the test did not name."""
        said = self.get(f"{method} {url}", self.get(url, self.get(url.partition("?")[0])))
        if said is None or isinstance(said, Exception):
            raise said or AssertionError(f"no answer to {method} {url}; write: outside[{url!r}] = 200")
        status, body = said if isinstance(said, tuple) else (said, "") if isinstance(said, int) else (200, said)
        return http.Reply(status, {}, (body if isinstance(body, str) else json.dumps(body)).encode(), url)


class Html:
    """An answer's HTML, to select from with CSS selectors."""

    def __init__(self, node: Tag) -> None:
        self.node = node

    def one(self, selector: str) -> "Html":
        """The one element that matches; an AssertionError unless exactly one does."""
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} elements match {selector!r} in:\n{self.node.prettify()[:3000]}"
        return found[0]

    def all(self, selector: str) -> list["Html"]:
        """Every element that matches."""
        return [Html(node) for node in self.node.select(selector)]

    @property
    def text(self) -> str:
        """The text inside, white space folded."""
        return " ".join(self.node.get_text(" ").split())

    def attribute(self, name: str) -> str:
        """An attribute's value, "" when it is not there."""
        return str(self.node.get(name, ""))


def html(response: Any) -> Html:
    """The HTML of an answer."""
    return Html(BeautifulSoup(response.text, "html.parser"))


@pytest.fixture(scope="session")
def app() -> App:
    """The project's app."""
    return cli.load_app()


@pytest.fixture(scope="session")
def migrated(app: App, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an empty, migrated database, made once; each test gets a copy."""
    folder = tmp_path_factory.mktemp("migrated")
    with closing(Database(f"sqlite:///{folder / 'app.db'}", keyring=crypto.Keyring.load(folder))) as database:
        migrations.upgrade(database, app.histories, snapshots=folder)
    return folder


@pytest.fixture
def settings(app: App, migrated: Path, tmp_path: Path) -> Settings:
    """The app's settings with a data folder of the test's own."""
    given: dict[str, Any] = {"environment": "test", "database_url": "", "tool_name": "Test tool"}
    return app.settings_class(_env_file=None, data_dir=shutil.copytree(migrated, tmp_path / "data"), **given)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The test's database."""
    with closing(Database(settings.database, keyring=crypto.Keyring.load(settings.data_dir))) as opened:
        yield opened


@pytest.fixture
def db(database: Database) -> Iterator[Session]:
    """A session that writes; commit what a page or a job should see."""
    with database.writing(TESTER) as session:
        yield session


@pytest.fixture
def run_job(database: Database, settings: Settings) -> Callable[..., Ran]:
    """Run a job or an alert in this process, `run_job(read_sources, source=3)`; commit first what it should see."""

    def execute(function: Callable[..., Any], **params: Any) -> Ran:
        with database.write(TESTER) as db:
            db.add(row := JobRun(job=function.__name__, state="running", started_by="test"))
        run = Run(database, row.id or 0, job=function.__name__, did=marks.summary(function))
        with database.reading_each() as db:
            scheduler.perform(function, db, run, settings, params)
            said = select(RunLog).where(col(RunLog.run_id) == row.id).order_by(col(RunLog.id))
            return Ran(run.failures, [f"{line.level}: {line.text}" for line in db.execute(said).scalars()])

    return execute


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    """Every other server: `outside["https://example.com/health"] = 200`; nothing else is answered."""
    monkeypatch.setattr(http, "outside", found := Outside())
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Stops `now()` and `today()`; `clock("2027-03-15")`, `clock("2027-03-15 08:30")`; without an offset in UTC."""

    def stop_at(text: str) -> None:
        moment = datetime.fromisoformat(text)
        monkeypatch.setattr(time, "frozen", moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC))

    return stop_at


@pytest.fixture
def sent(database: Database, settings: Settings) -> Callable[[], list[alerts.Message]]:
    """Lists the messages that would go out by now."""
    settings.notify = [Channel(name="tests", url=SecretStr("json://localhost"))]

    def messages() -> list[alerts.Message]:
        with database.read() as db:
            return list(db.execute(select(alerts.Message).order_by(col(alerts.Message.id))).scalars())

    return messages


@pytest.fixture
def served(app: App, settings: Settings) -> Iterator[TestClient]:
    """The running app, asked by nobody in particular (a browser that has not signed in)."""
    app.configured = settings
    browser = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    with TestClient(app, headers=browser, follow_redirects=False) as client:
        yield client
    app.configured = None


@pytest.fixture
def client_as(served: TestClient, database: Database) -> Callable[[marks.Role], TestClient]:
    """The running app, asked by somebody with a role: `client_as("viewer").get("/")`."""

    def sign_in(role: marks.Role) -> TestClient:
        with database.write(TESTER) as db:
            token = auth.make_token(db, role, role)
        headers = {**served.headers, "Authorization": f"Bearer {token}"}
        return TestClient(served.app, headers=headers, follow_redirects=False)

    return sign_in


@pytest.fixture
def client(client_as: Callable[[marks.Role], TestClient]) -> TestClient:
    """The running app, asked by an admin."""
    return client_as("admin")
