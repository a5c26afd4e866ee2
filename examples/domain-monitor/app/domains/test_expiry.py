"""How days left become words and colours."""

from datetime import UTC, date, datetime

import pytest

from . import days_left, first_days, in_words, last_day_under, shown_name, urgency

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("expires", "words", "tone"),
    [
        pytest.param(date(2026, 11, 20), "expired 3 days ago", "bad", id="expired"),
        pytest.param(date(2026, 11, 23), "today", "bad", id="today"),
        pytest.param(datetime(2026, 11, 24, 0, 1, tzinfo=UTC), "tomorrow", "bad", id="a moment counts as its day"),
        pytest.param(date(2026, 12, 22), "in 29 days", "bad", id="last red day"),
        pytest.param(date(2026, 12, 23), "in 30 days", "warn", id="first amber day"),
        pytest.param(date(2027, 2, 20), "in 89 days", "warn", id="last amber day"),
        pytest.param(date(2027, 2, 21), "in 90 days", "", id="nothing to do"),
        pytest.param(None, "unknown", "unknown", id="nobody knows"),
    ],
)
def test_an_expiry_is_told_in_words_and_a_colour(expires: date | None, words: str, tone: str) -> None:
    days = days_left(expires, TODAY)
    assert (in_words(days), urgency(days)) == (words, tone)


def test_a_link_to_the_red_domains_ends_on_the_last_red_day() -> None:
    last = last_day_under(30, TODAY)
    assert (urgency(days_left(last, TODAY)), last) == ("bad", date(2026, 12, 22))


def test_an_international_name_is_shown_as_people_write_it() -> None:
    assert shown_name("xn--mnchen-3ya.de") == "münchen.de"


def test_a_name_that_does_not_decode_is_shown_as_it_is() -> None:
    assert shown_name("xn--a.de") == "xn--a.de"


def test_the_next_months_go_over_the_year() -> None:
    assert [str(day) for day in first_days(date(2026, 11, 23), 3)] == ["2026-11-01", "2026-12-01", "2027-01-01"]
