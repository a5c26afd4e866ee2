"""Due times: when a job's `cron` or `every` says it is due, the same in every process."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from ..jobs import Due
from ..marks import JobMark
from ..time import period

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
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
        timezone = UTC if self.on_wall_clock else zone
        days = [(day, "*"), ("*", _weekdays(weekday))] if day != "*" and weekday != "*" else [(day, _weekdays(weekday))]
        self.triggers = [
            CronTrigger(minute=minute, hour=hour, day=d, month=month, day_of_week=w, timezone=timezone) for d, w in days
        ]

    def latest(self, at: datetime) -> datetime | None:
        """The last due time not after `at`; None when there was none in four years."""
        clock = self._to_clock(at)
        for window in _WINDOWS:
            fire = self._next(clock - window)
            if fire is None or fire > clock:
                continue
            while (after := self._next(fire + timedelta(microseconds=1))) and after <= clock:
                fire = after
            return self._from_clock(fire)
        return None

    def following(self, at: datetime) -> datetime | None:
        """The first due time after `at`."""
        clock = self._to_clock(at)
        while (fire := self._next(clock + timedelta(microseconds=1))) is not None:
            due = self._from_clock(fire)
            if due > at:
                return due
            clock = fire
        return None

    def _next(self, clock: datetime) -> datetime | None:
        fires = [fire for t in self.triggers if (fire := t.get_next_fire_time(None, clock))]
        return min(fires, default=None)

    def _to_clock(self, at: datetime) -> datetime:
        local = at.astimezone(self.zone)
        return local.replace(tzinfo=UTC, fold=0) if self.on_wall_clock else local

    def _from_clock(self, clock: datetime) -> datetime:
        if not self.on_wall_clock:
            return clock.astimezone(UTC)
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
    return Cron(mark.cron, zone) if mark.cron else None


class Clock(BaseTrigger):  # type: ignore[misc]
    """A Due as APScheduler's trigger."""

    def __init__(self, due: Due) -> None:
        self.due = due

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime | None:
        """The first due time after now: what was missed before is the scheduler's to catch up."""
        return self.due.following(now)


def _fields(line: str) -> list[str]:
    fields = line.split()
    if len(fields) != 5:
        raise ValueError(f'the crontab line {line!r} has {len(fields)} fields; write five: "0 6 * * 1"')
    return fields


def _weekdays(text: str) -> str:
    """Cron's weekdays as APScheduler's names, for its numbers start on Monday."""
    if text == "*":
        return text
    days: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first = 0 if span == "*" else _weekday(low)
        last = 6 if span == "*" or (step and not high) else _weekday(high) if high else first
        last += 7 if last < first else 0
        days.update(day % 7 for day in range(first, last + 1, int(step or 1)))
    return ",".join(_WEEKDAYS[day] for day in sorted(days))


def _weekday(text: str) -> int:
    return _WEEKDAYS.index(text) if text in _WEEKDAYS else int(text)
