"""Due times: when a job's `cron` or `every` says it is due, the same in every process."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from ..jobs import Due
from ..marks import JobMark
from ..time import period

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)
# To find the last due time we look back through ever wider windows, so that few steps suffice.
_WINDOWS = (
    timedelta(minutes=2),
    timedelta(hours=2),
    timedelta(days=2),
    timedelta(days=62),
    timedelta(days=1500),
)


class Every:
    """Every so long, counted from the epoch, so that all processes agree."""

    def __init__(self, length: timedelta) -> None:
        self.length = length

    def latest(self, at: datetime) -> datetime:
        """The last due time not after `at`."""
        return _EPOCH + (at - _EPOCH) // self.length * self.length

    def following(self, at: datetime) -> datetime:
        """The first due time after `at`."""
        return self.latest(at) + self.length


class Cron:
    """A crontab line in a time zone, with cron's weekdays (0 and 7 are Sunday) and cron's "day or weekday".

    With a fixed hour it is read on the wall clock: an hour that daylight saving repeats counts once, and a
    time that it skips is due right after the jump. With a wildcard hour it simply goes on.
    """

    def __init__(self, line: str, zone: ZoneInfo) -> None:
        minute, hour, day, month, weekday = _fields(line)
        self.zone = zone
        self.on_wall_clock = not hour.startswith("*")
        days = [(day, _weekdays(weekday))]
        if not day.startswith("*") and not weekday.startswith("*"):
            days = [(day, "*"), ("*", _weekdays(weekday))]
        timezone = UTC if self.on_wall_clock else zone
        self.triggers = [
            CronTrigger(minute=minute, hour=hour, day=d, month=month, day_of_week=w, timezone=timezone) for d, w in days
        ]
        if self._next(_EPOCH) is None:
            raise ValueError("there is no such day")

    def latest(self, at: datetime) -> datetime | None:
        """The last due time not after `at`; None when there was none in four years."""
        clock = self._to_clock(at) + self._repeated(at)
        for window in _WINDOWS:
            fire, last = self._next(clock - window), None
            while fire and (due := self._from_clock(fire)) <= at:
                last = due
                fire = self._next(fire + _INSTANT)
            if last:
                return last
        return None

    def following(self, at: datetime) -> datetime | None:
        """The first due time after `at`."""
        clock = self._to_clock(at)
        while (fire := self._next(clock + _INSTANT)) is not None:
            due = self._from_clock(fire)
            if due > at:
                return due
            clock = fire
        return None

    def _next(self, clock: datetime) -> datetime | None:
        return min((fire for trigger in self.triggers if (fire := self._fire(trigger, clock))), default=None)

    def _fire(self, trigger: CronTrigger, clock: datetime) -> datetime | None:
        while (fire := _in_utc(trigger.get_next_fire_time(None, clock))) is not None:
            # APScheduler moves a time that the hands jump over to one at which the line does not say so.
            if self.on_wall_clock or _in_utc(trigger.get_next_fire_time(None, fire)) == fire:
                return fire
            clock = fire + _INSTANT
        return None

    def _to_clock(self, at: datetime) -> datetime:
        """Where the hands are, written as UTC; with a wildcard hour, UTC itself."""
        return at.astimezone(self.zone).replace(tzinfo=UTC, fold=0) if self.on_wall_clock else at.astimezone(UTC)

    def _repeated(self, at: datetime) -> timedelta:
        """How far the hands had been ahead, in an hour that they go through again; zero in any other."""
        local = at.astimezone(self.zone)
        first, again = local.replace(fold=0).utcoffset(), local.utcoffset()
        return first - again if self.on_wall_clock and first and again is not None else timedelta(0)

    def _from_clock(self, clock: datetime) -> datetime:
        if not self.on_wall_clock:
            return clock
        wall = clock.replace(tzinfo=self.zone, fold=0)
        due = wall.astimezone(UTC)
        if due.astimezone(self.zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
            return due
        # The wall clock jumps over this time. Walk back to the jump: before it the offset is another.
        offset = due.astimezone(self.zone).utcoffset()
        while (due - _MINUTE).astimezone(self.zone).utcoffset() == offset:
            due -= _MINUTE
        return due.replace(second=0, microsecond=0)


def due_of(mark: JobMark, zone: ZoneInfo) -> Every | Cron | None:
    """When a job is due; None for one that runs by hand. ValueError when its crontab line is wrong."""
    if mark.every:
        return Every(period(mark.every))
    try:
        return Cron(mark.cron, zone) if mark.cron is not None else None
    except ValueError as error:
        raise ValueError(f'the crontab line {mark.cron!r} is wrong: {error}; write it like "0 6 * * 1"') from error


class Clock(BaseTrigger):  # type: ignore[misc]
    """A Due as APScheduler's trigger."""

    def __init__(self, due: Due) -> None:
        self.due = due

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime | None:
        """The first due time after now: what was missed before is the scheduler's to catch up."""
        return self.due.following(now)


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC)


def _fields(line: str) -> list[str]:
    fields = line.lower().split()
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} fields, not five")
    for field, names in zip(fields, ("", "", "", _MONTHS, " ".join(_WEEKDAYS)), strict=True):
        words = re.findall("[^0-9*,/-]+", field)
        if unknown := [word for word in words if word not in names.split()]:
            raise ValueError(f"{unknown[0]!r} means nothing there")
    return fields


def _weekdays(text: str) -> str:
    """Cron's weekdays as APScheduler's names, for its numbers start on Monday."""
    if text == "*":
        return text
    days: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = span.partition("-")
        first = 0 if span == "*" else _weekday(low)
        last = 6 if span == "*" or (slash and not dash) else _weekday(high) if dash else first
        last += 7 if last < first else 0
        if slash and not (step.isdecimal() and int(step)):
            raise ValueError(f"the step {step!r} is no number above 0")
        days.update(day % 7 for day in range(first, last + 1, int(step or 1)))
    return ",".join(_WEEKDAYS[day] for day in sorted(days))


def _weekday(text: str) -> int:
    if text in _WEEKDAYS:
        return _WEEKDAYS.index(text)
    if text not in tuple("01234567"):
        raise ValueError(f"{text!r} is no weekday; use 0 to 7 or sun to sat")
    return int(text)
