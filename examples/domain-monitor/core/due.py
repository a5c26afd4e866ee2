"""Due times: when a job's `cron` or `every` says it is due, the same in every process."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from .marks import JobMark
from .time import period

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Every:
    """Every so long, counted from the epoch, so that all processes agree."""

    length: timedelta

    def latest(self, at: datetime) -> datetime:
        """The last due time not after `at`."""
        return _EPOCH + (at - _EPOCH) // self.length * self.length

    def following(self, at: datetime) -> datetime:
        """The first due time after `at`."""
        return self.latest(at) + self.length


class Cron:
    """A crontab line in a time zone, as Debian's cron reads it.

    With a fixed hour it is read on the wall clock: an hour that daylight saving repeats counts once, and a
    time that it skips is due right after the jump. With a wildcard hour it simply goes on.
    """

    def __init__(self, line: str, zone: ZoneInfo) -> None:
        if len(fields := line.split()) != 5:
            raise ValueError(f"it has {len(fields)} fields, not five")
        self.line, self.zone, self.on_wall_clock = line, zone, not fields[1].startswith("*")
        self.in_words = CronSim(line, _EPOCH).explain()  # "At 06:00 every day"

    def latest(self, at: datetime) -> datetime | None:
        """The last due time not after `at`; None when there was none in fifty years."""
        hands = self._hands(at).replace(microsecond=1)  # so that a due time counts as reached
        found = next((due for due in self._dues(hands, reverse=True) if due <= at), None)
        while found and (later := self.following(found)) and later <= at:
            found = later  # where the hands went back, looking back from them misses what they had passed
        return found

    def following(self, at: datetime) -> datetime | None:
        """The first due time after `at`."""
        return next((due for due in self._dues(self._hands(at)) if due > at), None)

    def _hands(self, at: datetime) -> datetime:
        """Where the hands of the clock are, written as UTC; with a wildcard hour, the time itself."""
        local = at.astimezone(self.zone)
        return local.replace(tzinfo=UTC, fold=0) if self.on_wall_clock else local

    def _dues(self, hands: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        for fire in CronSim(self.line, hands, reverse=reverse):
            while self._hands(due := fire.replace(tzinfo=self.zone).astimezone(UTC)) != fire and self.on_wall_clock:
                fire += timedelta(minutes=1)  # the hands jump over this time
            yield due if self.on_wall_clock else fire.astimezone(UTC)


def due_of(mark: JobMark, zone: ZoneInfo) -> Every | Cron | None:
    """When a job is due; None for one that runs by hand. ValueError when its crontab line is wrong."""
    if mark.every:
        return Every(period(mark.every))
    try:
        return Cron(mark.cron, zone) if mark.cron is not None else None
    except (ValueError, CronSimError) as error:
        raise ValueError(f'the crontab line {mark.cron!r} is wrong: {error}; write it like "0 6 * * 1"') from error
