"""How fast the past is read: decoding the log, and folding all of it into every projection.

The limit of the rebuild is decoding alone, which no rebuild can avoid.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cloud import engine_in, furnish
from benchmarks.deploy_overhead import deploy_many
from drivers.sim import SimDriver, SimWorld

DEPLOYS = 1_000
HOSTS = 30
ROUNDS = 5


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with engine_in(Path(folder), SimDriver(SimWorld())) as bed:
            await furnish(bed.engine, host_count=HOSTS)
            await deploy_many(bed, DEPLOYS, "guest")
            decode_s, rebuild_s, events = [], [], 0
            await bed.history.rebuild()  # The first reader warms the caches of the store.
            for _ in range(ROUNDS):
                began = time.perf_counter()
                events = sum([len(batch) async for batch in bed.log.read()])
                read = time.perf_counter()
                rebuilt = await bed.history.rebuild()
                decode_s.append(read - began)
                rebuild_s.append(time.perf_counter() - read)
                assert rebuilt.position == events
            assert rebuilt.digest() == bed.engine.cloud.digest(), "the rebuild differs"
    decoding, rebuilding = (events / statistics.median(took) for took in (decode_s, rebuild_s))
    return [
        {"name": "replay.decode", "value": round(decoding), "unit": "events/s"},
        {
            "name": "replay.rebuild",
            "value": round(rebuilding),
            "unit": "events/s",
            "limit": round(decoding),
            "ratio": round(rebuilding / decoding, 2),
        },
        {"name": "replay.events", "value": events, "unit": "events"},
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
