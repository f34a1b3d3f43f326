"""When a checkpoint is saved: after so many events, those of an earlier life included."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.checkpoints import LOOK_S, REST, Checkpointer
from engine.history import History
from tests.sagas.rig import new_sim, rig
from tests.sagas.seed import seed

EVERY, LOOKS, SAVE_MS = 5, 3, 10_000


class Over(Exception):
    """The test has seen enough."""


class Ticks:
    """A clock that passes at once, for a few looks."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == LOOKS:
            raise Over
        self.slept.append(seconds)


class Counting(Checkpointer):
    """Counts what it would save, by the look at which it does."""

    def __init__(self, clock: Ticks, behind: int) -> None:
        super().__init__("home", "sqlite:///log.db", every=EVERY, clock=clock, behind=behind)
        self._ticks, self.saved_at = clock, list[int]()

    async def _save(self) -> None:
        self._ticks.at_ms += SAVE_MS
        self.saved_at.append(len(self._ticks.slept))


@pytest.mark.parametrize(("behind", "saved_at"), [(0, []), (EVERY - 1, []), (EVERY, [1])])
async def test_what_lies_behind_the_last_one_at_a_start_counts(
    behind: int, saved_at: list[int]
) -> None:
    clock = Ticks()
    saver = Counting(clock, behind)
    with pytest.raises(Over):
        await saver.run()
    assert saver.saved_at == saved_at
    rests = [max(LOOK_S, REST * SAVE_MS / 1000) for _ in saved_at]
    assert clock.slept == [LOOK_S, *rests, LOOK_S, LOOK_S][:LOOKS]


async def test_a_history_knows_how_many_events_lie_behind_its_checkpoint(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        past = History(r.log, tmp_path / "checkpoints")  # type: ignore[arg-type]
        assert await past.checkpoint() is not None
        assert past.behind == r.cloud.position > 0
        await past.latest()
        assert past.behind == 0
    assert set(past.took) == {"checkpoint read", "checkpoint decoded", "events", "indexes"}
