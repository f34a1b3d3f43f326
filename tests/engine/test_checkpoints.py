"""When a checkpoint is saved: after so many events, those of an earlier life included."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.checkpoints import AGAIN_S, LOOK_S, REST, Checkpointer
from engine.history import History
from tests.log.rooms import files_up_to
from tests.sagas.rig import new_sim, rig
from tests.sagas.seed import seed

EVERY, LOOKS, SAVE_S = 5, 3, 10.0
DAY_MS = 24 * 3_600_000


class Over(Exception):
    """The test has seen enough."""


class Ticks:
    """A clock that passes at once, for a few looks, and is set a day ahead by each save."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.at_ms, self.steady_s = 0, 0.0

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == LOOKS:
            raise Over
        self.slept.append(seconds)


class Counting(Checkpointer):
    """Counts what it would save, by the look at which it does."""

    def __init__(self, clock: Ticks, behind: int) -> None:
        how = {"clock": clock, "behind": behind, "steady": lambda: clock.steady_s}
        self.fails = 0
        super().__init__("home", "sqlite:///log.db", every=EVERY, **how)  # type: ignore[arg-type]
        self._ticks, self.saved_at = clock, list[int]()

    async def _save(self) -> str:
        self._ticks.at_ms += DAY_MS
        self._ticks.steady_s += SAVE_S
        self.saved_at.append(len(self._ticks.slept))
        self.fails -= 1
        return "no room" if self.fails >= 0 else ""


@pytest.mark.parametrize(("behind", "saved_at"), [(0, []), (EVERY - 1, []), (EVERY, [1])])
async def test_what_lies_behind_the_last_one_at_a_start_counts(
    behind: int, saved_at: list[int]
) -> None:
    clock = Ticks()
    saver = Counting(clock, behind)
    with pytest.raises(Over):
        await saver.run()
    assert saver.saved_at == saved_at
    rests = [max(LOOK_S, REST * SAVE_S) for _ in saved_at]
    assert clock.slept == [LOOK_S, *rests, LOOK_S, LOOK_S][:LOOKS]


async def test_one_that_failed_is_tried_again_soon_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It was tried again only after as many events more."""
    monkeypatch.setattr("tests.engine.test_checkpoints.LOOKS", 9)
    clock, fails = Ticks(), 6
    saver = Counting(clock, EVERY)
    saver.fails = fails
    caplog.set_level("INFO")
    with pytest.raises(Over):
        await saver.run()
    assert saver.saved_at == [1, 2, 3, 4, 5, 6, 7]
    assert clock.slept == [LOOK_S, *AGAIN_S, AGAIN_S[-1], AGAIN_S[-1], REST * SAVE_S, LOOK_S]
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("ERROR", "no checkpoint could be saved, it will be tried again: no room"),
        ("INFO", "a checkpoint was saved again, after 6 that failed"),
    ]


async def test_a_process_that_ends_badly_or_does_not_begin_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saver = Checkpointer(str(tmp_path), "nonsense://", every=EVERY, clock=Ticks())
    assert await saver._save() != ""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    assert "No such file" in await saver._save()


async def test_a_history_knows_how_many_events_lie_behind_its_checkpoint(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        past = History(r.log, tmp_path / "checkpoints")  # type: ignore[arg-type]
        assert await past.checkpoint() is not None
        assert past.behind == r.cloud.position > 0
        await past.latest()
        assert past.behind == 0
    assert set(past.took) == {"checkpoint read", "checkpoint decoded", "events", "indexes"}


async def test_a_checkpoint_that_found_no_room_leaves_nothing(tmp_path: Path) -> None:
    """Nor does one whose process was killed while it wrote, once the next one is written."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "000000000007-killed.partial").write_bytes(bytes(100_000))
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        past = History(r.log, folder)  # type: ignore[arg-type]
        with files_up_to(1_000), pytest.raises(OSError):
            await past.checkpoint()
        assert list(folder.iterdir()) == []
        made = await past.checkpoint()
        assert list(folder.iterdir()) == [made]
