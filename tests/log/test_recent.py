"""Rows of late are told from memory exactly as the store tells them, and only what it holds."""

from __future__ import annotations

from uuid import uuid4

from engine.log import Log, Stored
from engine.log.recent import CUT, KEPT, Recent
from tests.log.conftest import Clock
from tests.log.toys import unit


def rows(first: int, last: int) -> list[Stored]:
    return [Stored(n, uuid4(), 1, "logtoy.made", b"{}") for n in range(first, last + 1)]


async def test_what_was_written_is_read_without_the_store(log: Log, url: str, clock: Clock) -> None:
    for _ in range(3):
        await log.append(unit(None, 0, "a", "b"))
    store = log._store
    held = store.rows(0, None, 10)
    log._store = None  # type: ignore[assignment]  # Whoever asks it fails.
    try:
        assert await log.read_next(0) == held
        assert await log.read_stored(2, limit=3) == held[2:5]
        assert await log.read_next(2, limit=3) == held[2:5]
        assert await log.read_stored(1, until=4) == held[1:4]
    finally:
        log._store = store
    assert await log.read_stored(6) == [] == await log.read_next(6)
    other = await Log.open(url, now_ms=clock, read_only=True)
    assert await other.read_stored(0) == held
    await other.close()


def test_what_is_not_kept_is_asked_of_the_store() -> None:
    recent = Recent()
    assert not recent.behind(0, None, 10)
    recent.add(rows(5, 9))
    assert not recent.behind(3, None, 10) and not recent.behind(9, None, 10)
    assert [row.position for row in recent.behind(4, None, 10)] == [5, 6, 7, 8, 9]
    assert not recent.behind(6, 5, 10)


def test_rows_behind_a_gap_begin_anew() -> None:
    recent = Recent()
    recent.add(rows(1, 3))
    recent.add(rows(6, 8))
    assert not recent.behind(0, None, 10) and not recent.behind(4, None, 10)
    assert [row.position for row in recent.behind(5, None, 2)] == [6, 7]


def test_a_hole_within_one_read_is_never_told_over() -> None:
    """Logs of before may have holes, and places are no positions there."""
    recent = Recent()
    recent.add(rows(1, 2) + rows(4, 6))
    assert not recent.behind(1, None, 2)
    assert not recent.behind(4, None, 1)
    assert [row.position for row in recent.behind(0, None, 2)] == [1, 2]


def test_only_the_last_are_kept() -> None:
    recent = Recent()
    for first in range(1, 2 * (KEPT + CUT), 64):
        recent.add(rows(first, first + 63))
        assert len(recent._rows) < KEPT + CUT
    assert recent.behind(2 * (KEPT + CUT) - KEPT, None, 1)
