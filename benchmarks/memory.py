"""What 100,000 guests and 30,000 hosts take of memory, and what a guest costs where.

Controllers of their own are started on three logs: an empty cloud, one with the hosts, and one with
the guests as well, each with a card, a disk, and all its promises. Each starts from a checkpoint of
all that, as a controller does that has run before. Every guest is listed once, so the JSON of its
answers is kept. The difference of what is resident is what hosts and guests cost. What the whole
takes that has no checkpoint to start from, and has only begun to pack its rows, is told beside it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cloud import engine_in
from benchmarks.data_centre import build, inhabit
from benchmarks.replay import save_checkpoint
from drivers.sim import SimDriver, SimWorld

HOSTS, GUESTS = 30_000, 100_000
MB = 1e6
DEADLINE_S = 400.0
PARTS_SHOWN = 12
Row = dict[str, Any]


async def measure() -> list[Row]:
    told = [await _weighed(*size) for size in ((1, 0), (HOSTS, 0), (HOSTS, GUESTS))]
    empty, with_hosts, whole = told
    assert whole["guests"] == GUESTS, f"{whole['guests']} guests were listed"
    guests = whole["served"] - with_hosts["served"]
    rows = [
        _row("guests", guests / MB, "MB", f"{guests / GUESTS:,.0f} bytes a guest"),
        _row("hosts", (with_hosts["served"] - empty["served"]) / MB, "MB"),
        _row("empty", empty["served"] / MB, "MB", "an empty cloud, code included"),
        _row("whole", whole["served"] / MB, "MB", f"{HOSTS:,} hosts and {GUESTS:,} guests"),
        _row("without_checkpoint", whole["unsaved"] / MB, "MB", "the whole, of its log alone"),
        _row("answers", whole["answers"] / GUESTS, "bytes/guest", "the JSON that is kept"),
    ]
    grown = {
        name: (size - with_hosts["parts"].get(name, 0)) / GUESTS
        for name, size in whole["parts"].items()
    }
    largest = sorted(grown.items(), key=lambda pair: -pair[1])[:PARTS_SHOWN]
    return rows + [_row(f"in.{name}", size, "bytes/guest") for name, size in largest]


def _row(name: str, value: float, unit: str, note: str = "") -> Row:
    made = {"name": f"memory.{name}", "value": round(value, 1), "unit": unit}
    return made | ({"note": note} if note else {})


async def _weighed(hosts: int, guests: int) -> dict[str, Any]:
    """What a controller of its own says of itself on such a cloud."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        home = Path(folder)
        async with engine_in(home, SimDriver(SimWorld())) as bed:
            await build(bed.engine, bed.log, hosts=hosts)
            await inhabit(bed.engine, bed.log, guests=guests, hosts=hosts)
        unsaved = await _served(home) if guests else {"served": 0}
        await save_checkpoint(home)
        return await _served(home) | {"unsaved": unsaved["served"]}


async def _served(home: Path) -> dict[str, Any]:
    """What a controller says of itself that starts on what is there."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.memory_child", str(home)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        told, _ = await child.communicate()
    assert child.returncode == 0, f"it ended with {child.returncode}"
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
