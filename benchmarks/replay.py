"""How fast the past is read: folding a million events, and being ready again after a SIGKILL.

The limit of the rebuild is decoding alone, which no rebuild can avoid. Ready is from the start of
the controller's process until it serves, on the log of one that was killed. Where that time goes is
told beside it, in processor time, as the controller itself tells it.
"""

from __future__ import annotations

import asyncio
import gc
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aggregates.base import Recorded
from benchmarks.cloud import Bed, engine_in, network
from benchmarks.data_centre import build
from benchmarks.long_past import live_long
from drivers.sim import SimDriver, SimWorld
from engine.collector import at_rest
from engine.intents import SYSTEM
from engine.log import Log, codec
from engine.log import past as decoded
from engine.log.stores import open_store
from projections.cloud import Cloud
from sagastack.backups.home import CHECKPOINTS
from sagastack.settings import ENDPOINT_FILE, Settings

EVENTS, HOSTS, NETWORKS = 1_000_000, 1_000, 2
# So many come between two checkpoints at most, while a controller writes them no faster than that.
BEHIND = Settings(home=Path()).checkpoint_events
ROUNDS, STARTS, PAGE = 3, 3, 2_000
DEADLINE_S = 300.0
PARTS = re.compile(r"ready after ([\d.]+) s of processor time: (.*)")
Row = dict[str, Any]


async def measure() -> list[Row]:
    await _compile()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        home = Path(folder)
        async with engine_in(home, SimDriver(SimWorld())) as bed:
            await build(bed.engine, bed.log, hosts=HOSTS)
            for number in range(NETWORKS):
                await bed.engine.decide(network(f"net-{number}"), SYSTEM)
            lived = await live_long(bed.engine, bed.log, events=EVENTS - BEHIND, hosts=HOSTS)
            await save_checkpoint(home)
            (home / CHECKPOINTS).rename(home / "older")
            await live_long(bed.engine, bed.log, events=EVENTS, hosts=HOSTS, first=lived)
            rows = await _rebuild(bed) + phases(home)
        rows.append(await _ready("ready_without_checkpoint", home))
        (home / "older").rename(home / CHECKPOINTS)
        rows.append(await _ready("ready_with_older_checkpoint", home))
        await save_checkpoint(home)
        rows.append(await _ready("ready_with_checkpoint", home))
    return rows


def _row(name: str, value: float, unit: str) -> Row:
    return {"name": f"replay.{name}", "value": round(value, 3), "unit": unit}


async def _rebuild(bed: Bed) -> list[Row]:
    decode_s, rebuild_s, events = [], [], 0
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        events = await _decode(bed.log)
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


async def _decode(log: Log) -> int:
    """How many events there are, each made and let go of."""
    count = 0

    def counted(batch: Sequence[Recorded]) -> None:
        nonlocal count
        count += len(batch)

    with at_rest():  # as a rebuild is
        await log.fold_past(counted)
    return count


def phases(home: Path) -> list[Row]:
    """What an event costs of CPU in each part of a rebuild, and what the fold of a live one costs.

    CPU time says much the same on a machine that has other things to do. SQLite makes a text
    without the interpreter, so of a rebuild on two cores that part is for nothing.
    """
    took: dict[str, float] = defaultdict(float)
    past, live = Cloud().defer(), Cloud()
    store = open_store(f"sqlite://{home}/log.db", read_only=True)
    decoded.events(decoded.join(store.rows(0, None, 1)))  # make the decoder
    with at_rest():
        while True:
            with _timed(took, "in.sqlite"):
                text = store.joined(past.position, None, PAGE)
            if not text:
                break
            with _timed(took, "in.decode"):
                told = decoded.events(text)
            with _timed(took, "in.fold"):
                past.fold(told or ())
            again = codec.decode_all(store.rows(live.position, None, PAGE))
            with _timed(took, "live_fold"):
                live.fold(again)
        with _timed(took, "in.settle"):
            past.settle()
    store.close()
    return [_row(part, 1e6 * s / past.position, "us CPU an event") for part, s in took.items()]


@contextmanager
def _timed(took: dict[str, float], part: str) -> Iterator[None]:
    began = time.thread_time()
    yield
    took[part] += time.thread_time() - began


async def _ready(name: str, home: Path) -> Row:
    """The median of several starts, and where the time of that one went."""
    starts = sorted([await _ready_s(home) for _ in range(STARTS)])
    took_s, where = starts[len(starts) // 2]
    return _row(name, took_s, "s") | {"note": where}


async def _ready_s(home: Path) -> tuple[float, str]:
    """Start a controller on this log, wait until it serves, and kill it; what it said of that."""
    served = home / ENDPOINT_FILE
    served.unlink(missing_ok=True)
    began = time.perf_counter()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sagastack.cli", "--home", str(home), "--log-level", "info"),
        *("serve", "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not served.exists():
                assert server.returncode is None, "the controller did not start"
                await asyncio.sleep(0.005)
        took_s = time.perf_counter() - began
        server.kill()
        said = PARTS.search((await server.stderr.read()).decode())
        assert said is not None, "the controller does not say what its start took"
        return took_s, f"{said[1]} s of processor time: {said[2]}"
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()


async def _compile() -> None:
    """An image holds compiled modules; a clone keeps them from its first start, where it may."""
    compiler = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "compileall", "-q"),
        *("aggregates", "api", "drivers", "engine", "projections", "sagastack"),
    )
    async with asyncio.timeout(DEADLINE_S):
        assert await compiler.wait() == 0, "some module does not compile"


async def save_checkpoint(home: Path) -> None:
    """As the controller has it made beside itself while it runs."""
    saver = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sagastack.tools.checkpoint", str(home), f"sqlite://{home}/log.db")
    )
    async with asyncio.timeout(DEADLINE_S):
        assert await saver.wait() == 0, "no checkpoint could be saved"


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
