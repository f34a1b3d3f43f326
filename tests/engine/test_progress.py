"""How far a step is goes on being told, whatever happens to the clock."""

from __future__ import annotations

from engine.progress import STEP_MS, Watched

HOUR_MS = 3_600_000


class Hands:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at_ms = 10 * HOUR_MS

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None: ...


async def test_a_clock_that_is_set_back_silences_no_step() -> None:
    clock, told = Hands(), list[int]()

    async def record(percent: int, text: str) -> None:
        told.append(percent)

    watched = Watched(clock, record)
    await watched(1, "")
    await watched(2, "")
    clock.at_ms -= HOUR_MS
    await watched(3, "")
    clock.at_ms += STEP_MS
    await watched(4, "")
    assert told == [1, 3, 4]
