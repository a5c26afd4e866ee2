"""Dates and durations, and how they read in words. Every moment is timezone-aware UTC."""

import re
from datetime import UTC, date, datetime, timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
frozen: datetime | None = None  # a test's moment, in the place of the clock's


def now() -> datetime:
    """The current moment, in UTC."""
    return frozen or datetime.now(UTC)


def today() -> date:
    """The current date, in UTC."""
    return now().date()


def in_days(days: int) -> datetime:
    """The moment `days` days from now."""
    return now() + timedelta(days=days)


def period(text: str) -> timedelta:
    """A duration written like "90s", "15m", "1h" or "2d"; ValueError for anything else."""
    if not re.fullmatch("[1-9][0-9]{0,5}[smhd]", text):
        raise ValueError(f"{text!r} is no duration; write it like 90s, 15m, 1h or 2d")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def days_in_words(days: int) -> str:
    """A distance in days: "today", "tomorrow", "in 12 days", "3 days ago"."""
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}
    return near.get(days) or (f"in {days:,} days" if days > 0 else f"{-days:,} days ago")


def duration_in_words(seconds: float) -> str:
    """A length of time: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: datetime, at: datetime) -> str:
    """How long before `at` the moment was: "just now", "5 min ago", "3 days ago"."""
    seconds = (at - moment).total_seconds()
    if seconds < 0:
        return f"in {duration_in_words(-seconds)}"
    if seconds >= 86_400:
        return days_in_words(-int(seconds // 86_400))
    return "just now" if seconds < 10 else f"{' '.join(duration_in_words(seconds).split()[:2])} ago"
