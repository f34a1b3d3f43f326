"""When a schedule falls due, around summer time and the ends of months."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.errors import Invalid
from aggregates.schedule import INTERVALS, schedule_of

BERLIN = "Europe/Berlin"


def ms(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(at.timestamp()) * 1000


def local(at_ms: int, zone: str) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).isoformat()


@pytest.mark.parametrize(
    ("interval", "words", "after", "due"),
    [
        ("HOURLY", "15", "2026-03-01T10:14:59", "2026-03-01T10:15:00"),
        ("HOURLY", "15", "2026-03-01T10:15:00", "2026-03-01T11:15:00"),
        ("DAILY", "30:02", "2026-03-01T02:30:00", "2026-03-02T02:30:00"),
        ("WEEKLY", "0:0:1", "2026-03-01T12:00:00", "2026-03-08T00:00:00"),  # a Sunday
        ("WEEKLY", "0:0:7", "2026-03-01T12:00:00", "2026-03-07T00:00:00"),
        ("MONTHLY", "0:23:28", "2026-01-29T00:00:00", "2026-02-28T23:00:00"),
        ("MONTHLY", "0:23:28", "2026-02-28T23:00:00", "2026-03-28T23:00:00"),
        ("MONTHLY", "0:0:1", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_the_next_run(interval: str, words: str, after: str, due: str) -> None:
    assert schedule_of(interval, words, "UTC").next_after(ms(after)) == ms(due)


def test_a_time_that_is_skipped_is_an_hour_later() -> None:
    """On 29 March 2026 there is no 02:30 in Berlin."""
    daily = schedule_of("DAILY", "30:02", BERLIN)
    first = daily.next_after(ms("2026-03-28T12:00:00", BERLIN))
    assert local(first, BERLIN) == "2026-03-29T03:30:00+02:00"
    assert local(daily.next_after(first), BERLIN) == "2026-03-30T02:30:00+02:00"


def test_a_time_that_comes_twice_is_its_first() -> None:
    """On 25 October 2026 there are two 02:30 in Berlin."""
    daily = schedule_of("DAILY", "30:02", BERLIN)
    first = daily.next_after(ms("2026-10-24T12:00:00", BERLIN))
    assert local(first, BERLIN) == "2026-10-25T02:30:00+02:00"
    assert local(daily.next_after(first), BERLIN) == "2026-10-26T02:30:00+01:00"


def test_every_hour_that_passes_has_its_run() -> None:
    for begin in ("2026-10-25T00:00:00", "2026-03-29T00:00:00"):
        hourly, at = schedule_of("HOURLY", "30", BERLIN), ms(begin)
        runs = []
        for _ in range(4):
            at = hourly.next_after(at)
            runs.append(at)
        assert [b - a for a, b in itertools.pairwise(runs)] == [3_600_000] * 3


def test_a_zone_off_by_half_an_hour() -> None:
    due = schedule_of("HOURLY", "0", "Asia/Kolkata").next_after(ms("2026-03-01T10:00:00"))
    assert due == ms("2026-03-01T10:30:00")


@given(
    at_s=st.integers(1_500_000_000, 2_000_000_000),
    interval=st.sampled_from(INTERVALS),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    day=st.integers(1, 7),
)
def test_last_and_next_are_neighbours(
    at_s: int, interval: str, zone: str, minute: int, hour: int, day: int
) -> None:
    """Nothing falls between the last run and the next, and each finds the other."""
    parts = {"HOURLY": 1, "DAILY": 2}.get(interval, 3)
    words = ":".join(str(one) for one in (minute, hour, day)[:parts])
    when, at = schedule_of(interval, words, zone), at_s * 1000
    last, after = when.last_until(at), when.next_after(at)
    assert last <= at < after
    assert when.next_after(last) == after
    assert when.last_until(after - 1) == last


@pytest.mark.parametrize(
    ("interval", "words", "zone", "field"),
    [
        ("YEARLY", "0", "UTC", "intervaltype"),
        ("HOURLY", "60", "UTC", "schedule"),
        ("HOURLY", "1:1", "UTC", "schedule"),
        ("DAILY", "0:24", "UTC", "schedule"),
        ("WEEKLY", "0:0:8", "UTC", "schedule"),
        ("WEEKLY", "0:0:0", "UTC", "schedule"),
        ("MONTHLY", "0:0:29", "UTC", "schedule"),
        ("MONTHLY", "0:0:-1", "UTC", "schedule"),
        ("DAILY", "", "UTC", "schedule"),
        ("DAILY", "0:0", "Mars/Olympus", "timezone"),
        ("DAILY", "0:0", "../../etc/passwd", "timezone"),
        ("DAILY", "0:0", "", "timezone"),
    ],
)
def test_what_is_no_schedule(interval: str, words: str, zone: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        schedule_of(interval, words, zone)
    assert refused.value.field == field
