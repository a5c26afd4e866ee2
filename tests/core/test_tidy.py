from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select
from sqlmodel import SQLModel

from core import auth, in_days
from core.auth import SignedIn, SignInLink
from core.builtin.jobs.pages import RUNS_KEPT, tidy
from core.db import Database, Session
from core.jobs import JobRun, RunLog
from core.testing import Ran


@pytest.fixture
def history(db: Session) -> Callable[..., None]:
    """Puts runs of a job into the history, each with two lines: `history(60, days=100)`."""

    def add(count: int, days: int, state: str = "succeeded", lines: int = 2) -> None:
        runs = [JobRun(job="a.b", started_by="ann", state=state, queued_at=in_days(-days)) for _ in range(count)]
        db.add_all(runs)
        db.flush()
        said = [{"run_id": run.id, "at": in_days(-days), "level": "info", "text": "x"} for run in runs] * lines
        db.connection().execute(insert(RunLog), said)
        db.commit()

    return add


def count(database: Database, model: type[SQLModel]) -> int:
    with database.read() as db:
        return int(db.execute(select(func.count()).select_from(model)).scalar_one())


@pytest.fixture
def slowest(database: Database) -> Iterator[list[int]]:
    """How many rows each delete took."""
    rows: list[int] = []

    def note(_connection: Any, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            rows.append(cursor.rowcount)

    event.listen(database.writer, "after_cursor_execute", note)
    yield rows
    event.remove(database.writer, "after_cursor_execute", note)


def test_old_runs_go_with_their_logs_and_the_last_fifty_of_a_job_stay(
    database: Database, history: Callable[..., None], run_job: Callable[..., Ran]
) -> None:
    history(RUNS_KEPT + 10, days=100)
    assert run_job(tidy).log == ["info: 10 runs deleted that were asked more than 90 days ago"]
    assert (count(database, JobRun), count(database, RunLog)) == (RUNS_KEPT + 1, 2 * RUNS_KEPT + 1)


@pytest.mark.parametrize(("days", "state"), [(89, "failed"), (100, "queued"), (100, "running")])
def test_what_is_not_old_or_not_over_stays(
    database: Database, history: Callable[..., None], run_job: Callable[..., Ran], days: int, state: str
) -> None:
    history(1, days=days, state=state)
    history(RUNS_KEPT, days=1)
    run_job(tidy)
    assert count(database, JobRun) == RUNS_KEPT + 2


def test_no_delete_takes_more_rows_than_a_short_transaction_may(
    history: Callable[..., None], run_job: Callable[..., Ran], slowest: list[int]
) -> None:
    history(600, days=100, lines=3)
    history(RUNS_KEPT, days=1)
    run_job(tidy)
    assert sum(slowest) == 4 * 600 and max(slowest) <= 500


def test_expired_sign_ins_go(database: Database, db: Session, run_job: Callable[..., Ran]) -> None:
    user = auth.add_user(db, "ann", "viewer")
    auth.make_link(db, user)
    auth.sign_in(db, user, days=1, address="", agent="")
    past = {"user_id": user.id, "expires_at": in_days(-1)}
    db.add(SignInLink(fingerprint="old", **past))
    db.add(SignedIn(fingerprint="old", created_at=in_days(-9), seen_at=in_days(-9), address="", agent="", **past))
    db.commit()
    run_job(tidy)
    assert (count(database, SignInLink), count(database, SignedIn)) == (1, 1)
