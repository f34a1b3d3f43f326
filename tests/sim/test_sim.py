"""Some seeds of the whole-cloud simulation, and that a seed is all there is to a run.

`make sim` runs longer ones; a failure there names the seed that repeats it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from tests.sim.loop import Stalled, VirtualLoop
from tests.sim.seeds import Ills
from tests.sim.simulation import simulate

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(1, 25)
STEPS = 200
HANG_S = 300.0  # Another process takes what time it takes.


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloud_survives(seed: int) -> None:
    verdict = simulate(seed, steps=STEPS)
    heard = verdict.told["accepted"] + verdict.told["decided"]
    assert heard > STEPS / 8, "hardly anything was asked: nothing is proved"
    assert verdict.events > 2 * STEPS


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Also in another process, where hashes of strings are others."""
    seed, steps = _that_dies_often(), 100
    here = simulate(seed, steps=steps)
    assert here.lives > 3, "the controller should have died in this run"
    command = [sys.executable, "-m", "tests.sim", "--seed", str(seed), "--steps", str(steps)]
    there = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert f"sha256 {here.digest}" in there.stdout, there.stdout + there.stderr


def _that_dies_often() -> int:
    """A seed's ills change whenever a driver learns a verb; the first that fits is looked for."""
    return next(seed for seed in count(1) if 0 < Ills.of(seed).crash_every_commits < 50)


def test_another_seed_is_another_run() -> None:
    assert simulate(1, steps=20).digest != simulate(2, steps=20).digest


def test_time_jumps_when_everybody_sleeps() -> None:
    async def nap() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(nap()) == 86_400


def test_a_deadlock_is_found_at_once() -> None:
    async def wait_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(wait_for_nobody())
