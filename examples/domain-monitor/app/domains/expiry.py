"""How soon a domain expires, in days, words and colours."""

from datetime import date, datetime, timedelta
from typing import Literal

from core import days_in_words

RED_DAYS = 30  # somebody must act
AMBER_DAYS = 90  # somebody should know

Urgency = Literal["", "warn", "bad", "unknown"]


def days_left(expires: datetime | date | None, today: date) -> int | None:
    """Whole days until the day it expires: 0 on that day, negative after it; None when nobody knows."""
    if expires is None:
        return None
    return ((expires.date() if isinstance(expires, datetime) else expires) - today).days


def urgency(days: int | None) -> Urgency:
    """Red under 30 days and once expired, amber under 90."""
    if days is None:
        return "unknown"
    return "bad" if days < RED_DAYS else "warn" if days < AMBER_DAYS else ""


def in_words(days: int | None) -> str:
    """The days left as people say them: "in 12 days", "expired 3 days ago"."""
    if days is None:
        return "unknown"
    return f"expired {days_in_words(days)}" if days < 0 else days_in_words(days)


def last_day_under(days: int, today: date) -> date:
    """The last day that is less than so many days away, to link to a filter of the table."""
    return today + timedelta(days=days - 1)


def first_days(day: date, count: int) -> list[date]:
    """The first days of so many months, from the month of a day on."""
    at = [day.month - 1 + ahead for ahead in range(count)]
    return [date(day.year + month // 12, month % 12 + 1, 1) for month in at]
