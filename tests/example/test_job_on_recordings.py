"""The whole way of real answers: from a replayed registrar, through the job in a process of its own, into the table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from app.domains import Domain
from app.main import app
from app.sources import Source
from core import migrations
from core.crypto import Keyring
from core.db import Actor, Database
from core.jobs import JobRun, RunLog
from core.scheduler import Runner
from core.settings import Settings
from core.time import now
from tests.example.replay import Answer, Replay, serving

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
JOB = "sources.read_sources"
ACCOUNTS = {
    "godaddy": {"key": "gd-key", "secret": "gd-secret"},
    "namecheap": {"api_user": "acme", "api_key": "nc-key", "username": "acme", "client_ip": "192.0.2.7"},
    "namecom": {"username": "acme", "token": "ncom-token"},
}
LISTS = (
    "registrar/godaddy_v1_list_2019a.json",
    "registrar/namecheap_sdk_domains_getList.xml",
    "registrar/namecom_v4_list_2020.json",
)
TESTER = Actor("test", "test")

pytestmark = pytest.mark.skipif(
    not all((RECORDINGS / file).is_file() for file in LISTS), reason="no recordings beside the repository"
)


@pytest.fixture
def replay() -> Iterator[Replay]:
    with serving(RECORDINGS) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return app.settings_class(_env_file=None, data_dir=tmp_path, database_url="", environment="test")  # type: ignore[call-arg]


@pytest.fixture
def database(settings: Settings, replay: Replay) -> Iterator[Database]:
    """A database with an account at each of the three, all of them played by the replay server."""
    opened = Database(settings.database, keyring=Keyring.load(settings.data_dir))
    migrations.upgrade(opened, app.histories, snapshots=settings.data_dir)
    with opened.write(TESTER) as db:
        for kind, credentials in ACCOUNTS.items():
            db.add(Source(name=kind, kind=kind, credentials=credentials, base_url=replay.url))
    yield opened
    opened.close()


def run_job(settings: Settings, database: Database) -> tuple[str, str]:
    """Run the job as the server does, in a process of its own: the state it ended in, and its log."""
    with database.write(TESTER) as db:
        at = now()
        db.add(run := JobRun(job=JOB, state="running", started_by="test", started_at=at, beat_at=at))
    state = Runner(settings, database).execute(app.jobs[JOB], run)
    with database.read() as db:
        lines = db.exec(select(RunLog).where(RunLog.run_id == run.id).order_by(col(RunLog.id))).all()
    return state, "\n".join(f"{line.level} {line.text}" for line in lines)


def table(database: Database) -> list[dict[str, Any]]:
    """Every domain as the index of the recordings describes one."""
    with database.read() as db:
        domains = db.exec(select(Domain).order_by(col(Domain.name))).all()
    return [
        {
            "name": domain.name,
            "expires": domain.expires.isoformat().replace("+00:00", "Z") if domain.expires else None,
            "auto_renew": domain.auto_renew,
            "locked": domain.locked,
            "privacy": domain.privacy,
        }
        for domain in domains
    ]


def everything(database: Database) -> list[dict[str, Any]]:
    """Every column of every domain but when it was seen last."""
    with database.read() as db:
        return [domain.model_dump(exclude={"last_seen_at"}) for domain in db.exec(select(Domain).order_by(Domain.name))]


def source(database: Database, kind: str) -> Source:
    with database.read() as db:
        return db.exec(select(Source).where(Source.kind == kind)).one()


def expected() -> list[dict[str, Any]]:
    index = json.loads((RECORDINGS / "index.json").read_text())
    found = [row for entry in index if entry["file"] in LISTS for row in entry["expect"]]
    return sorted(found, key=lambda row: str(row["name"]))


def test_the_job_ends_with_the_recorded_domains_in_the_table(settings: Settings, database: Database) -> None:
    state, log = run_job(settings, database)
    assert state == "succeeded", log
    assert table(database) == expected()
    assert [source(database, kind).state for kind in ACCOUNTS] == ["complete"] * 3


def test_the_recorded_renewal_price_is_in_the_table(settings: Settings, database: Database) -> None:
    run_job(settings, database)
    priced = [(row["name"], str(row["renewal_price"]), row["currency"]) for row in everything(database)]
    assert ("domain.com", "11.00", "USD") in priced
    assert ("domain2.net", "None", None) in priced


def test_a_failed_read_changes_no_domain_and_stops_no_other(
    settings: Settings, database: Database, replay: Replay
) -> None:
    run_job(settings, database)
    before = everything(database)
    replay.instead = lambda request: (
        Answer(401, b'{"code":"UNABLE_TO_AUTHENTICATE"}') if request.path == "/v1/domains" else None
    )
    state, log = run_job(settings, database)
    assert state == "failed"
    assert "error godaddy: GoDaddy: wrong key" in log
    assert everything(database) == before
    assert [source(database, kind).state for kind in ACCOUNTS] == ["failed", "complete", "complete"]
    assert source(database, "godaddy").trouble(now()).startswith("godaddy: not read to the end since ")


def test_an_incomplete_read_changes_no_domain_and_says_so(
    settings: Settings, database: Database, replay: Replay
) -> None:
    run_job(settings, database)
    before = everything(database)
    replay.has_core = True
    short = b'{"domains":[{"domainName":"aur.im"}],"totalCount":2}'
    replay.instead = lambda request: Answer(200, short) if "core" in request.path else None
    _, log = run_job(settings, database)
    assert everything(database) == before
    assert "2 domains were announced, 1 came" in log
    assert source(database, "namecom").state == "incomplete"


def test_no_secret_is_in_the_log_or_in_the_clear(settings: Settings, database: Database, replay: Replay) -> None:
    replay.instead = lambda request: Answer(401, b"{}")
    _, log = run_job(settings, database)
    stored = (settings.data_dir / "app.db").read_bytes() + (settings.data_dir / "app.db-wal").read_bytes()
    secrets = ["gd-key", "gd-secret", "nc-key", "ncom-token"]
    assert [secret for secret in secrets if secret in log or secret.encode() in stored] == []
