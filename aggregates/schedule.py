"""When something that is repeated falls due: a pure function of its words and the time.

    HOURLY   "MM"         at that minute of every hour
    DAILY    "MM:HH"      at that time of every day
    WEEKLY   "MM:HH:DD"   and on that day of the week, 1 (Sunday) to 7
    MONTHLY  "MM:HH:DD"   and on that day of the month, 1 to 28

Times are of a time zone with its summer time. One that does not exist on a day (the clocks were put
forward over it) is an hour later; one that comes twice is its first. Every hour is an hour that
passes, so an hourly run is taken in both of two hours that have one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aggregates.errors import Invalid

INTERVALS = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY")
LAST_DAY_OF_ANY_MONTH = 28
_PARTS = {"HOURLY": 1, "DAILY": 2, "WEEKLY": 3, "MONTHLY": 3}
_FORMS = {"HOURLY": "MM", "DAILY": "MM:HH", "WEEKLY": "MM:HH:DD", "MONTHLY": "MM:HH:DD"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """`day` is of the week (1 is Sunday) or of the month; 0 where none is said."""

    interval: str
    minute: int
    hour: int
    day: int
    zone: ZoneInfo

    def next_after(self, at_ms: int) -> int:
        """The first run later than `at_ms`."""
        return min(run for run in self._around(at_ms) if run > at_ms)

    def last_until(self, at_ms: int) -> int:
        """The latest run that is not later than `at_ms`."""
        return max(run for run in self._around(at_ms) if run <= at_ms)

    def _around(self, at_ms: int) -> Iterator[int]:
        """Runs on both sides of a moment, the nearest ones among them, in milliseconds."""
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        if self.interval == "HOURLY":
            for hours in range(-3, 4):
                near = at + timedelta(hours=hours)
                local = near.astimezone(self.zone)
                run = near + timedelta(minutes=self.minute - local.minute)
                yield _ms(run.replace(second=0, microsecond=0))
            return
        today = at.astimezone(self.zone).date()
        reach = {"DAILY": 3, "WEEKLY": 9, "MONTHLY": 35}[self.interval]
        for days in range(-reach, reach + 1):
            day = today + timedelta(days=days)
            if self._is_on(day):
                clock = time(self.hour, self.minute, tzinfo=self.zone)
                yield _ms(datetime.combine(day, clock).astimezone(UTC))

    def _is_on(self, day: date) -> bool:
        if self.interval == "WEEKLY":
            return day.isoweekday() % 7 + 1 == self.day
        return self.interval != "MONTHLY" or day.day == self.day


def schedule_of(interval: str, words: str, timezone: str) -> Schedule:
    """Read a schedule; `Invalid` names the part that cannot be."""
    if interval not in INTERVALS:
        raise Invalid(f"intervaltype is one of {', '.join(INTERVALS)}", field="intervaltype")
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"{timezone!r} is no time zone: name one as in Europe/Berlin", field="timezone"
        ) from None
    parts = words.strip().split(":")
    form = _FORMS[interval]
    if len(parts) != _PARTS[interval] or not all(_is_number(part) for part in parts):
        raise Invalid(f"schedule {words!r} is not {form}, as {interval} needs", field="schedule")
    minute, hour, day = (*map(int, parts), 0, 0)[:3]
    _within("minute", minute, 0, 59)
    _within("hour", hour, 0, 23)
    if interval == "WEEKLY":
        _within("day of the week", day, 1, 7)
    elif interval == "MONTHLY":
        _within("day of the month", day, 1, LAST_DAY_OF_ANY_MONTH)
    return Schedule(interval, minute, hour, day, zone)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Invalid(f"the {what} of a schedule is from {low} to {high}", field="schedule")


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1000
