"""The cyclic collector stops the loop often and briefly, never seldom and for long."""

from __future__ import annotations

import gc

from engine.collector import at_rest, settle

# A third of a second was measured for 400,000 objects, on a machine of two slow cores.
WALKED_AT_ONCE = 50_000
MADE = 100_000


def test_what_came_since_the_start_is_walked_once_and_in_small_parts() -> None:
    before = gc.get_threshold()
    gc.collect()
    try:
        settle(sweep=False)
        young, _, old = gc.get_threshold()
        assert young <= WALKED_AT_ONCE
        assert young * old >= 20_000_000, "all that came since is walked too often"
        counts = [one["collections"] for one in gc.get_stats()]
        made: list[list[int]] = [[number] for number in range(MADE)]
        walks = [one["collections"] - n for one, n in zip(gc.get_stats(), counts, strict=True)]
        assert walks[0] == walks[2] == 0, "only the young and the middle together are walked"
        assert abs(walks[1] - len(made) / young) <= 1
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def test_what_was_made_at_rest_is_not_walked_when_the_rest_is_over() -> None:
    before, walked = gc.get_threshold(), list[int]()

    def see(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            walked.append(len(gc.get_objects()))

    gc.callbacks.append(see)
    try:
        with at_rest():
            made: list[list[int]] = [[] for _ in range(WALKED_AT_ONCE)]
            settle(sweep=False)
        made.append([])
        assert all(count < WALKED_AT_ONCE for count in walked), "all that was made is walked"
    finally:
        gc.callbacks.remove(see)
        gc.set_threshold(*before)
        gc.unfreeze()
