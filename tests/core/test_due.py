import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core import Run, job, marks
from core.errors import DeclarationError
from core.jobs import Cron, Every, due_of
from core.marks import JobMark

BERLIN, LONDON, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/London"), ZoneInfo("Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)
FRIDAY = "2026-05-01 00:00"  # a first of the month


def at(text: str, zone: ZoneInfo | None = None) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone or UTC)


def shown(moment: datetime | None) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M}" if moment else "never"


def next_ones(due: Cron | Every, start: datetime, count: int) -> Iterator[str]:
    for _ in range(count):
        start = due.following(start) or start
        yield f"{start:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("line", "due"),
    [
        ("0 6 * * *", "Fri 2026-05-01 06:00"),
        ("*/15 * * * *", "Fri 2026-05-01 00:15"),
        ("5,35 1-3 * * *", "Fri 2026-05-01 01:05"),
        ("0 6 * * 0", "Sun 2026-05-03 06:00"),
        ("0 6 * * 7", "Sun 2026-05-03 06:00"),
        ("0 6 * * 1", "Mon 2026-05-04 06:00"),
        ("0 6 * * SUN", "Sun 2026-05-03 06:00"),
        ("0 6 * * wed", "Wed 2026-05-06 06:00"),
        ("0 6 * * 1-5", "Fri 2026-05-01 06:00"),
        ("0 6 * * 6-7", "Sat 2026-05-02 06:00"),
        ("0 6 * * sat,sun,mon", "Sat 2026-05-02 06:00"),
        ("0 6 L * *", "Sun 2026-05-31 06:00"),
        ("0 6 * * mon#2", "Mon 2026-05-11 06:00"),
        ("0 6 * * */3", "Sat 2026-05-02 06:00"),
        ("0 6 * * 1-5/2", "Fri 2026-05-01 06:00"),
        ("0 6 * * 2/2", "Sat 2026-05-02 06:00"),
        ("0 6 * * 1,3", "Mon 2026-05-04 06:00"),
        ("0 6 15 * *", "Fri 2026-05-15 06:00"),
        ("0 6 15 * 1", "Mon 2026-05-04 06:00"),
        ("0 6 4 * 2", "Mon 2026-05-04 06:00"),
        ("0 6 */2 * 1", "Mon 2026-05-11 06:00"),
        ("0 6 1-7 * */2", "Sat 2026-05-02 06:00"),
        ("0 6 1 jan *", "Fri 2027-01-01 06:00"),
        ("0 6 1 JUN-aug *", "Mon 2026-06-01 06:00"),
        ("0 6 29 2 *", "Tue 2028-02-29 06:00"),
        ("59 23 31 12 *", "Thu 2026-12-31 23:59"),
    ],
)  # fmt: skip
def test_a_crontab_line_means_what_cron_means(line: str, due: str) -> None:
    assert shown(Cron(line, ZoneInfo("UTC")).following(at(FRIDAY))) == due


def declared(cron: str | None = None, every: str | None = None) -> JobMark:
    """The mark of a job that is declared so."""

    @job(cron=cron, every=every)
    def tidy(run: Run) -> None:
        """Tidy up."""

    mark = marks.of(tidy)
    assert isinstance(mark, JobMark)
    return mark


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "it has 0 fields, not five"),
        ("0 6 * *", "it has 4 fields, not five"),
        ("0 0 6 * * *", "it has 6 fields, not five"),
        ("@daily", "it has 1 fields, not five"),
        ("60 6 * * *", "Bad minute"),
        ("0 24 * * *", "Bad hour"),
        ("0 6 0 * *", "Bad day-of-month"),
        ("0 6 * 13 *", "Bad month"),
        ("0 6 30 2 *", "Bad day-of-month"),
        ("*/0 6 * * *", "Bad minute"),
        ("0 6 last * *", "Bad day-of-month"),
        ("0 6 * mai *", "Bad month"),
        ("0 6 * * 8", "Bad day-of-week"),
        ("0 6 * * monday", "Bad day-of-week"),
        ("0 6 * * 1-", "Bad day-of-week"),
        ("0 6 * * 1/0", "Bad day-of-week"),
        ("0 6 * * 1/", "Bad day-of-week"),
        ("0 6 * * 1-2-3", "Bad day-of-week"),
        ("0 6 ? * *", "Bad day-of-month"),
        ("nonsense 6 * * *", "Bad minute"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=r'the crontab line .* is wrong: .*; write it like "0 6 \* \* 1"') as caught:
        due_of(declared(cron=line), BERLIN)
    assert said in str(caught.value)


def test_a_job_with_two_ways_to_be_due_is_refused_with_its_place() -> None:
    with pytest.raises(DeclarationError, match=r"test_due\.py:\d+: give cron= or every=, not both"):
        declared(cron="0 6 * * *", every="1h")


def test_a_wrong_period_says_what_to_write() -> None:
    with pytest.raises(ValueError, match="'hourly' is no duration; write it like 90s, 15m, 1h or 2d"):
        due_of(declared(every="hourly"), BERLIN)


@pytest.mark.parametrize(
    ("options", "kind"),
    [({"cron": "0 6 * * *"}, Cron), ({"every": "5m"}, Every), ({}, type(None))],
    ids=["cron", "every", "by hand"],
)
def test_a_mark_says_when(options: dict[str, str], kind: type) -> None:
    assert isinstance(due_of(declared(**options), BERLIN), kind)


@pytest.mark.parametrize(
    ("length", "latest", "following"),
    [("15m", "10:00", "10:15"), ("1h", "10:00", "11:00"), ("7m", "10:04", "10:11"), ("1d", "00:00", "00:00")],
)
def test_every_is_counted_from_the_epoch(length: str, latest: str, following: str) -> None:
    due = due_of(declared(every=length), BERLIN)
    assert due
    assert f"{due.latest(at('2026-05-01 10:07')):%H:%M}" == latest
    assert f"{due.following(at('2026-05-01 10:07')):%H:%M}" == following


def test_every_counts_a_due_time_as_reached() -> None:
    due = Every(timedelta(hours=1))
    assert due.latest(at("2026-05-01 10:00")) == at("2026-05-01 10:00")
    assert due.following(at("2026-05-01 10:00")) == at("2026-05-01 11:00")


@pytest.mark.parametrize(
    ("line", "start", "due"),
    [
        ("30 2 * * *", "2026-03-28 12:00", ["03-29 01:00", "03-30 00:30"]),
        ("0,30 2 * * *", "2026-03-28 12:00", ["03-29 01:00", "03-30 00:00"]),
        ("0 3 * * *", "2026-03-28 12:00", ["03-29 01:00", "03-30 01:00"]),
        ("30 2 * * *", "2026-10-24 12:00", ["10-25 00:30", "10-26 01:30"]),
        ("*/30 2 * * *", "2026-10-24 12:00", ["10-25 00:00", "10-25 00:30", "10-26 01:00"]),
        ("0 3 * * *", "2026-10-24 12:00", ["10-25 02:00", "10-26 02:00"]),
        ("30 * * * *", "2026-10-25 00:00", ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),
        ("30 * * * *", "2026-03-29 00:00", ["03-29 00:30", "03-29 01:30", "03-29 02:30"]),
        ("15 */2 * * *", "2026-03-29 00:00", ["03-29 02:15", "03-29 04:15"]),
        ("15 */2 * * *", "2026-10-24 23:00", ["10-25 00:15", "10-25 01:15", "10-25 03:15"]),
    ],
    ids=[
        "skipped", "two skipped are one", "right after the jump", "repeated", "repeated twice an hour",
        "after the repeated hour", "wildcard, autumn", "wildcard, spring", "every other hour, spring",
        "every other hour, autumn",
    ],
)  # fmt: skip
def test_daylight_saving_runs_what_it_repeats_once_and_what_it_skips_after(
    line: str, start: str, due: list[str]
) -> None:
    assert list(next_ones(Cron(line, BERLIN), at(start), len(due))) == due


@pytest.mark.parametrize(
    ("line", "moment", "latest"),
    [
        ("30 2 * * *", "2026-10-25 01:15", "Sun 2026-10-25 00:30"),
        ("30 2 * * *", "2026-10-25 00:15", "Sat 2026-10-24 00:30"),
        ("30 2 * * *", "2026-03-29 00:59", "Sat 2026-03-28 01:30"),
        ("30 2 * * *", "2026-03-29 01:00", "Sun 2026-03-29 01:00"),
        ("*/5 * * * *", "2026-10-25 01:07", "Sun 2026-10-25 01:05"),
        ("0 0 29 2 *", "2026-05-01 00:00", "Wed 2024-02-28 23:00"),
    ],
    ids=["second pass", "first pass", "before the jump", "at the jump", "wildcard in the second pass", "leap day"],
)
def test_the_last_due_time_is_found_across_daylight_saving(line: str, moment: str, latest: str) -> None:
    assert shown(Cron(line, BERLIN).latest(at(moment))) == latest


LINES = [
    "30 2 * * *",
    "*/7 1-3 * * *",
    "*/20 * * * *",
    "45 */3 * * 0",
    "0 0 * * *",
    "10 2 1-7 * 0",
    "59 1,2,23 * * *",
]
# Days around the changes of 2026: Europe's, and Lord Howe's of half an hour; and one without.
CHANGES = ["2026-03-28", "2026-10-24", "2026-04-04", "2026-10-03", "2026-07-01"]


def minutes(zone: ZoneInfo, day: str) -> list[datetime]:
    """Each minute of three days."""
    start = at(day) - timedelta(hours=12)
    return [start + MINUTE * n for n in range(3 * 24 * 60)]


def hands_at(moment: datetime, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows, written as UTC."""
    return moment.astimezone(zone).replace(tzinfo=UTC, fold=0)


def by_hand(line: str, zone: ZoneInfo, day: str) -> list[datetime]:
    """The due times of three days, found minute by minute: what the hands have passed is due, once."""
    cron = Cron(line, ZoneInfo("UTC"))
    said = list(cron_times(cron, at(day) - timedelta(days=2), at(day) + timedelta(days=4)))
    passed, found = hands_at(minutes(zone, day)[0] - MINUTE, zone), list[datetime]()
    for moment in minutes(zone, day):
        hands = hands_at(moment, zone)
        before = passed if cron.on_wall_clock else hands - MINUTE
        if bisect_right(said, before) < bisect_right(said, hands):
            found.append(moment)
        passed = max(passed, hands)
    return found


def cron_times(cron: Cron, start: datetime, end: datetime) -> Iterator[datetime]:
    while (start := cron.following(start) or end) < end:
        yield start


@pytest.mark.parametrize("day", CHANGES)
@pytest.mark.parametrize("zone", [BERLIN, LONDON, LORD_HOWE], ids=str)
@pytest.mark.parametrize("line", LINES)
def test_both_directions_agree_with_a_clock_that_is_watched(line: str, zone: ZoneInfo, day: str) -> None:
    due, expected = Cron(line, zone), by_hand(line, zone, day)
    some = random.Random(line + day).sample(minutes(zone, day)[1440:2880], 25)
    moments = [moment + timedelta(seconds=second) for moment in some for second in (0, 31)]
    assert [due.following(moment) for moment in moments] == [following_in(expected, due, moment) for moment in moments]
    assert [due.latest(moment) for moment in moments] == [latest_in(expected, due, moment) for moment in moments]


def following_in(expected: list[datetime], due: Cron, moment: datetime) -> datetime | None:
    """The first of the times found by hand after a moment; beyond the days that were watched, what `due` says."""
    return next((fire for fire in expected if fire > moment), due.following(moment))


def latest_in(expected: list[datetime], due: Cron, moment: datetime) -> datetime | None:
    return next((fire for fire in reversed(expected) if fire <= moment), due.latest(moment))


@pytest.mark.parametrize("seed", range(40))
def test_what_follows_the_last_due_time_is_still_to_come(seed: int) -> None:
    chance = random.Random(seed)
    due = Cron(chance.choice(LINES), chance.choice([BERLIN, LONDON, LORD_HOWE]))
    moment = at("2024-01-01") + timedelta(seconds=chance.randrange(3 * 365 * 86_400))
    latest, following = due.latest(moment), due.following(moment)
    assert latest and following and latest <= moment < following
    assert due.following(latest) == following and due.latest(following) == following
    assert due.latest(following - timedelta(microseconds=1)) == latest
