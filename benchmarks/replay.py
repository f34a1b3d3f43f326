"""How fast the past is read: folding a million events, and being ready again after a SIGKILL.

The limit of the rebuild is decoding alone, which no rebuild can avoid. Ready is from the start of
the controller's process until it serves, on the log of one that was killed.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cloud import Bed, engine_in, network
from benchmarks.data_centre import build
from benchmarks.long_past import live_long
from drivers.sim import SimDriver, SimWorld
from engine.intents import SYSTEM
from sagastack.settings import ENDPOINT_FILE

EVENTS, HOSTS, NETWORKS = 1_000_000, 1_000, 2
ROUNDS, STARTS = 3, 3
DEADLINE_S = 300.0
Row = dict[str, Any]


async def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        home = Path(folder)
        async with engine_in(home, SimDriver(SimWorld())) as bed:
            await build(bed.engine, bed.log, hosts=HOSTS)
            for number in range(NETWORKS):
                await bed.engine.decide(network(f"net-{number}"), SYSTEM)
            await live_long(bed.engine, bed.log, events=EVENTS, hosts=HOSTS)
            rows = await _rebuild(bed)
        without = [await _ready_s(home) for _ in range(STARTS)]
        await _checkpoint(home)
        with_one = [await _ready_s(home) for _ in range(STARTS)]
    return [
        *rows,
        _row("ready_without_checkpoint", statistics.median(without), "s"),
        _row("ready_with_checkpoint", statistics.median(with_one), "s"),
    ]


def _row(name: str, value: float, unit: str) -> Row:
    return {"name": f"replay.{name}", "value": round(value, 3), "unit": unit}


async def _rebuild(bed: Bed) -> list[Row]:
    decode_s, rebuild_s, events = [], [], 0
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        events = sum([len(batch) async for batch in bed.log.read_past()])
        read = time.perf_counter()
        rebuilt = await bed.history.rebuild()
        decode_s.append(read - began)
        rebuild_s.append(time.perf_counter() - read)
        assert rebuilt.position == events
    assert rebuilt.digest() == bed.engine.cloud.digest(), "the rebuild differs"
    guests = len(rebuilt.table("vm"))
    decoding, rebuilding = (events / statistics.median(took) for took in (decode_s, rebuild_s))
    return [
        _row("decode", round(decoding), "events/s"),
        _row("rebuild", round(rebuilding), "events/s")
        | {"limit": round(decoding), "ratio": round(rebuilding / decoding, 2)},
        _row("events", events, "events") | {"note": f"{guests:,} guests are left of them"},
    ]


async def _ready_s(home: Path) -> float:
    """Start a controller on this log, wait until it serves, and kill it."""
    served = home / ENDPOINT_FILE
    served.unlink(missing_ok=True)
    began = time.perf_counter()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sagastack.cli", "--home", str(home), "serve", "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not served.exists():
                assert server.returncode is None, "the controller did not start"
                await asyncio.sleep(0.005)
        return time.perf_counter() - began
    finally:
        server.kill()
        await server.wait()


async def _checkpoint(home: Path) -> None:
    saver = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sagastack.tools.checkpoint", str(home), f"sqlite://{home}/log.db")
    )
    async with asyncio.timeout(DEADLINE_S):
        assert await saver.wait() == 0, "no checkpoint could be saved"


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
