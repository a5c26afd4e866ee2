"""An alert's findings open, repeat, get worse and resolve; each change is told once, in one message."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import bindparam, update
from sqlmodel import col, select

from core import App, CoreError, DeclarationError, Feature, Finding, alert, marks
from core.alerts import DELIVERY, Found, Message, compare, forget, in_words, look, needs_attention, open_count, put
from core.db import Database
from core.jobs import JobRun, Run
from core.settings import Channel, Settings
from core.testing import TESTER
from core.time import now, today
from tests.web.test_feature import module

WEEK = timedelta(days=7)


@alert(every="1h")
def disks() -> Iterator[Finding]:
    """A disk is nearly full."""
    yield Finding("db1", "93 % full")


def found(*findings: Finding) -> dict[str, Finding]:
    return {one.key: one for one in findings}


@pytest.fixture
def see(database: Database) -> Callable[..., str]:
    """Lets the alert see these findings; what changed, in words."""

    def compared(*findings: Finding) -> str:
        with database.write(TESTER) as db:
            return in_words(compare(db, "disks", found(*findings), remind=WEEK))[1]

    return compared


@pytest.fixture
def rows(database: Database) -> Callable[[], list[Found]]:
    """The findings in the database, the oldest first."""

    def read() -> list[Found]:
        with database.read() as db:
            return list(db.exec(select(Found).order_by(col(Found.id))))

    return read


def change(database: Database, **values: Any) -> None:
    with database.write(TESTER) as db:
        db.bulk(update(Found).values(**values), why="test")


FULL = Finding("db1", "93 % full")


def test_what_is_new_is_told_and_what_stays_is_not(see: Callable[..., str]) -> None:
    assert see(FULL) == "new: db1: 93 % full"
    assert see(FULL) == ""


def test_what_stays_is_kept_up_to_date_in_silence(see: Callable[..., str], rows: Callable[[], list[Found]]) -> None:
    see(FULL)
    assert see(Finding("db1", "94 % full")) == ""
    assert [row.text for row in rows()] == ["94 % full"]


def test_what_is_gone_is_resolved_and_told_once(see: Callable[..., str], rows: Callable[[], list[Found]]) -> None:
    see(FULL)
    assert (see(), see()) == ("resolved: db1: 93 % full", "")
    assert rows()[0].resolved_at is not None


def test_what_comes_back_opens_anew(see: Callable[..., str], rows: Callable[[], list[Found]]) -> None:
    assert [see(FULL), see(), see(FULL)][2] == "new: db1: 93 % full"
    assert [row.resolved_at is None for row in rows()] == [False, True]


def test_what_stays_is_told_again_after_a_while(see: Callable[..., str], database: Database) -> None:
    see(FULL)
    change(database, told_at=now() - WEEK)
    assert (see(FULL), see(FULL)) == ("still: db1: 93 % full", "")


def test_what_was_acknowledged_is_told_again_only_when_it_gets_worse(
    see: Callable[..., str], database: Database, rows: Callable[[], list[Found]]
) -> None:
    see(FULL)
    change(database, told_at=now() - WEEK, acknowledged_by="ann")
    assert see(FULL) == ""
    assert see(Finding("db1", "100 % full", critical=True)) == "worse: db1: 100 % full"
    assert rows()[0].acknowledged_by == ""


@pytest.mark.parametrize(("days", "said"), [(1, ""), (0, "resolved: db1: 93 % full")], ids=["muted", "no longer"])
def test_a_muted_finding_says_nothing_until_its_day(
    days: int, said: str, see: Callable[..., str], database: Database
) -> None:
    see(FULL)
    change(database, muted_until=today() + timedelta(days=days))
    assert see() == said


def test_a_finding_that_nobody_heard_of_while_it_was_muted_is_told_at_the_end(
    see: Callable[..., str], database: Database
) -> None:
    see(FULL)
    change(database, told_at=now() - WEEK, muted_until=today() + timedelta(days=1))
    assert see(FULL) == ""
    change(database, muted_until=today())
    assert (see(FULL), see(FULL)) == ("still: db1: 93 % full", "")


def test_a_muted_finding_that_comes_back_is_still_muted(see: Callable[..., str], database: Database) -> None:
    see(FULL)
    change(database, muted_until=today() + WEEK)
    assert [see(), see(FULL)] == ["", ""]


def test_only_what_is_open_unmuted_and_not_acknowledged_wants_attention(
    see: Callable[..., str], database: Database
) -> None:
    see(FULL, Finding("db2", "full"), Finding("db3", "full"))
    with database.write(TESTER) as db:
        db.bulk(update(Found).where(col(Found.key) == "db2").values(acknowledged_by="ann"), why="test")
        db.bulk(update(Found).where(col(Found.key) == "db3").values(muted_until=today() + WEEK), why="test")
        assert open_count(db) == 1


def test_findings_of_an_alert_that_was_removed_are_resolved(
    see: Callable[..., str], database: Database, rows: Callable[[], list[Found]]
) -> None:
    see(FULL)
    with database.write(TESTER) as db:
        forget(db, ["shop.other"])
    assert rows()[0].resolved_at is not None


def channel(**values: Any) -> Channel:
    return Channel(name="ops", url=SecretStr("json://127.0.0.1:9"), **values)


@pytest.mark.parametrize(
    ("values", "critical", "taken"),
    [
        pytest.param({}, False, 1, id="all"),
        pytest.param({"only_critical": True}, False, 0, id="only critical ones"),
        pytest.param({"only_critical": True}, True, 1, id="a critical one"),
    ],
)
def test_a_message_goes_to_the_channels_that_take_it(
    values: dict[str, bool], critical: bool, taken: int, database: Database, settings: Settings
) -> None:
    settings.notify = [channel(**values)]
    with database.write(TESTER) as db:
        assert put(db, settings, "title", "body", is_critical=critical) == taken


def test_many_messages_queue_one_delivery(database: Database, settings: Settings) -> None:
    settings.notify = [channel()]
    with database.write(TESTER) as db:
        put(db, settings, "one", "body"), put(db, settings, "two", "body")
        assert len(db.exec(select(JobRun)).all()) == 1


def test_a_new_message_gives_the_delivery_that_waits_all_its_tries_back(database: Database, settings: Settings) -> None:
    settings.notify = [channel()]
    with database.write(TESTER) as db:
        db.add(JobRun(job=DELIVERY, started_by="alerts", attempt=70, not_before=now() + WEEK))
        db.flush()
        put(db, settings, "two", "body")
        assert [(run.attempt, run.not_before) for run in db.exec(select(JobRun))] == [(1, None)]


def test_one_look_is_one_message(database: Database, settings: Settings) -> None:
    settings.notify = [channel()]
    with database.write(TESTER) as db:
        db.add(row := JobRun(job="disks", state="running", started_by="test"))
    run = Run(database, row.id or 0, job="disks", did="A disk is nearly full.")
    mark = marks.of(disks)
    assert isinstance(mark, marks.AlertMark)
    look(mark, [FULL, Finding("db2", "full")], run=run, settings=settings)
    with database.read() as db:
        message = db.exec(select(Message)).one()
    assert message.title == "[Test tool] A disk is nearly full. (2 new)"
    assert message.body.splitlines()[:2] == ["new: db1: 93 % full", "new: db2: full"]


@pytest.mark.parametrize(
    "findings",
    [[FULL, FULL], ["full"], [Finding(7, "full")], None],  # type: ignore[arg-type]
    ids=["one key twice", "no Finding", "a key that is no text", "nothing returned"],
)
def test_a_wrong_finding_fails_the_run_and_resolves_nothing(
    findings: Any, database: Database, settings: Settings, see: Callable[..., str], rows: Callable[[], list[Found]]
) -> None:
    see(FULL)
    run = Run(database, 0, job="disks", did="")
    with pytest.raises(CoreError, match=r"disks yields .*; yield Finding"):
        look(marks.AlertMark(every="1h", remind="7d"), findings, run=run, settings=settings)
    assert rows()[0].resolved_at is None


@pytest.mark.parametrize("declared", [{"every": "hourly"}, {"every": "1h", "remind": "hourly"}, {}], ids=str)
def test_a_wrong_period_is_refused_at_the_start_with_its_place(declared: dict[str, str]) -> None:
    source = f'@alert(**{declared})\ndef disks() -> None:\n    """Disks."""'
    with pytest.raises(DeclarationError, match=r"shed/pages\.py:1: '.*' is no duration; write it like 90s"):
        App(features=[Feature(module(source))])


def test_an_alert_stays_a_function() -> None:
    assert list(disks()) == [FULL]


def test_a_query_may_have_a_parameter_named_today_beside_ours(database: Database, see: Callable[..., str]) -> None:
    see(Finding("db1", "93 % full"))
    asked = select(col(Found.key)).where(needs_attention(), col(Found.key) == bindparam("today"))
    with database.read() as db:
        assert db.execute(asked, {"today": "db1"}).scalars().all() == ["db1"]
