"""How long the event loop is ever blocked while 500 deploys run, 64 at a time and all at once.

A watchdog asks to be woken every millisecond and notes how late it is. Other programs on the
machine can only make it later, so the best of a few runs is what the engine itself does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cloud import engine_in, furnish
from benchmarks.deploy_overhead import AT_A_TIME, deploy_many
from drivers.sim import SimDriver, SimWorld
from engine.collector import settle

DEPLOYS = 500
HOSTS = 20
RUNS = 3
TICK_S = 0.001


async def watch(late_s: list[float]) -> None:
    """Note each wake-up's lateness until cancelled."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_s.append(time.perf_counter() - asked - TICK_S)


async def stalls(at_a_time: int) -> list[float]:
    """The lateness of every tick of one run, sorted."""
    late_s: list[float] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with engine_in(Path(folder), SimDriver(SimWorld())) as bed:
            await furnish(bed.engine, host_count=HOSTS)
            settle()
            async with asyncio.TaskGroup() as group:
                watchdog = group.create_task(watch(late_s))
                await deploy_many(bed, DEPLOYS, "guest", at_a_time)
                watchdog.cancel()
    return sorted(late_s)


async def measure() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for at_a_time in (AT_A_TIME, DEPLOYS):
        runs = [await stalls(at_a_time) for _ in range(RUNS)]
        best = min(runs, key=lambda late_s: late_s[-1])
        p99 = best[int(len(best) * 0.99)]
        name = f"loop_stall.{at_a_time}_at_a_time"
        rows.append({"name": f"{name}.max", "value": round(1000 * best[-1], 1), "unit": "ms"})
        rows.append({"name": f"{name}.p99", "value": round(1000 * p99, 1), "unit": "ms"})
    return rows


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
