from datetime import UTC, date, datetime, timedelta

import pytest

from core import time
from core.time import ago, days_in_words, duration_in_words, in_days, now, period, today

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
    ],
)
def test_a_period_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert period(text) == length


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "-5m", "1.5h", "5 m", "5w", "m5", "²s", "9" * 20 + "d"])
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write it like 90s, 15m, 1h or 2d"):
        period(text)


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "today"), (1, "tomorrow"), (-1, "yesterday"), (12, "in 12 days"), (-3, "3 days ago"), (4000, "in 4,000 days")],
)
def test_days_read_as_words(days: int, words: str) -> None:
    assert days_in_words(days) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.42, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (12.3, "12 s"), (59.7, "1 min 0 s"),
        (200, "3 min 20 s"), (7500, "2 h 5 min"),
    ],
)  # fmt: skip
def test_a_duration_reads_as_words(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=3), "just now"), (timedelta(minutes=5), "5 min ago"), (timedelta(hours=3), "3 h ago"),
        (timedelta(days=1, hours=2), "yesterday"), (timedelta(days=3), "3 days ago"),
        (timedelta(seconds=-30), "in 30 s"),
    ],
)  # fmt: skip
def test_a_moment_reads_as_words(before: timedelta, words: str) -> None:
    assert ago(AT - before, AT) == words


def test_every_moment_is_in_utc() -> None:
    assert now().tzinfo is UTC
    assert in_days(30) - now() > timedelta(days=29, hours=23)
    assert isinstance(today(), date) and time.today() == now().date()
