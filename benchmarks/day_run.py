"""A simulated day of a cloud, in a process of its own: guests come, work, and go, by the clock.

The real engine, log and simulated hosts, on a clock that jumps to the next moment at which anybody
has work. Guests are asked for at random moments, more by day than by night; each lives for a random
time, some are stopped and started meanwhile, and all are destroyed and expunged. One line of JSON
on standard input says how large the cloud is; lines of JSON tell of each stretch of the day.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.cloud import BY, Bed, deploy, engine_in, furnish, named, network
from drivers.sim import SimDriver, SimFaults, SimWorld
from engine.collector import settle
from engine.intents.vm import DestroyVm, ExpungeVm, StartVm, StopVm
from engine.reconcilers.sweep import Sweeper
from projections.vm import vms
from tests.sim.loop import VirtualLoop, counted_writer
from tests.sim.mortal import SimClock

DAY_S = 86_400.0
STRETCHES = 48
# A guest lives 2.4 hours in the mean, so 100,000 are there at a time when a million come in a day.
LIFE_S = DAY_S / 10
STOPPED_SHARE, STOPPED_S = 0.3, 600.0
BY_DAY = 0.6
GUESTS_A_NETWORK = 20_000
# What hosts take for it: most calls 50 ms, a start two seconds, a shutdown five.
DELAYS_S = {"*": 0.05, "start_guest": 2.0}
SHUTDOWN_S = 5.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
Row = dict[str, Any]
Act = Coroutine[Any, Any, None]


@dataclass
class Stretch:
    """What was seen in one stretch of the day."""

    running_s: list[float] = field(default_factory=list)
    ended: int = 0


class Day:
    def __init__(self, bed: Bed, home: Path, lifecycles: int, networks: list[UUID]) -> None:
        self._bed, self._home, self._lifecycles = bed, home, lifecycles
        self._networks = networks
        self._rng = random.Random(lifecycles)
        self._stretch = Stretch()
        self._ended = 0
        self._over = asyncio.Event()

    async def run(self) -> None:
        """The whole day, then the evening until the last guest is gone."""
        loop = asyncio.get_running_loop()
        self._began_s = loop.time()
        async with asyncio.TaskGroup() as group:
            self._group = group
            telling = group.create_task(self._tell())
            for number, at_s in enumerate(self._arrivals()):
                await asyncio.sleep(self._began_s + at_s - loop.time())
                group.create_task(self._live(number))
            await self._over.wait()
            telling.cancel()
        self._say(loop.time())

    def _arrivals(self) -> list[float]:
        """Seconds of the day: a wave that is highest in the afternoon."""
        found: list[float] = []
        while len(found) < self._lifecycles:
            at_s = self._rng.random() * DAY_S
            wave = 1 - BY_DAY * math.cos(2 * math.pi * (at_s / DAY_S - 3 / 24))
            if self._rng.random() * (1 + BY_DAY) < wave:
                found.append(at_s)
        return sorted(found)

    def _later(self, wait_s: float, act: Callable[[UUID], Act], vm_id: UUID) -> None:
        """Begin something then. A guest that only lives costs no task."""
        loop = asyncio.get_running_loop()
        loop.call_later(wait_s, lambda: self._group.create_task(act(vm_id)))

    async def _live(self, number: int) -> None:
        """A guest from its deploy to Running, and what is to become of it."""
        loop, network_id = asyncio.get_running_loop(), self._networks[number % len(self._networks)]
        ask = deploy(f"day-{number}", network_id=network_id)
        asked_s = loop.time()
        await self._bed.engine.perform(ask, BY)
        self._stretch.running_s.append(loop.time() - asked_s)
        life_s = self._rng.expovariate(1 / LIFE_S)
        if self._rng.random() < STOPPED_SHARE:
            self._later(life_s / 2, self._pause, ask.vm_id)
        else:
            self._later(life_s, self._end, ask.vm_id)

    async def _pause(self, vm_id: UUID) -> None:
        await self._bed.engine.perform(StopVm(vm_id=vm_id), BY)
        await asyncio.sleep(STOPPED_S)
        await self._bed.engine.perform(StartVm(vm_id=vm_id), BY)
        self._later(self._rng.expovariate(2 / LIFE_S), self._end, vm_id)

    async def _end(self, vm_id: UUID) -> None:
        await self._bed.engine.perform(DestroyVm(vm_id=vm_id), BY)
        await self._bed.engine.perform(ExpungeVm(vm_id=vm_id), BY)
        self._stretch.ended += 1
        self._ended += 1
        if self._ended == self._lifecycles:
            self._over.set()

    async def _tell(self) -> None:
        """A line for each stretch; what it cost is real time, when it was is the clock's."""
        self._cpu_s, self._real_s = time.process_time(), time.perf_counter()
        while True:
            await asyncio.sleep(DAY_S / STRETCHES)
            self._say(asyncio.get_running_loop().time())

    def _say(self, now_s: float) -> None:
        seen, self._stretch = self._stretch, Stretch()
        cpu_s, real_s = time.process_time(), time.perf_counter()
        waits = sorted(seen.running_s) or [0.0]
        told = {
            "hour": (now_s - self._began_s) / 3600,
            "deployed": len(seen.running_s),
            "ended": seen.ended,
            "p50_s": waits[len(waits) // 2],
            "p99_s": waits[int(len(waits) * 0.99)],
            "cpu_s": cpu_s - self._cpu_s,
            "real_s": real_s - self._real_s,
            "guests": len(self._bed.engine.cloud[vms]),
            "events": self._bed.engine.cloud.position,
            "log_bytes": sum(one.stat().st_size for one in self._home.glob("log.db*")),
            "resident_bytes": resident_bytes(),
        }
        self._cpu_s, self._real_s = cpu_s, real_s
        print(json.dumps(told), flush=True)


def resident_bytes() -> int:
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * PAGE_BYTES


async def simulate(asked: Row, home: Path) -> None:
    clock, world = SimClock(), SimWorld()
    world.pool("sim://pool?capacity_gib=1000000")
    faults = SimFaults(shutdown_s=SHUTDOWN_S)
    driver = SimDriver(world, faults, now_s=lambda: clock.now_ms() / 1000)
    async with engine_in(home, driver, clock=clock) as bed:
        cpu_s = time.process_time()
        await furnish(bed.engine, host_count=asked["hosts"])
        hosts_s = time.process_time() - cpu_s
        networks = [named(f"day {at}") for at in range(-(-asked["alive"] // GUESTS_A_NETWORK))]
        for at in range(len(networks)):
            await bed.engine.decide(network(f"day {at}"), BY)
        settle()
        told = {"furnished_s": hosts_s, "empty_bytes": resident_bytes()}
        print(json.dumps({**told, "events": bed.engine.cloud.position}), flush=True)
        for verb, delay_s in DELAYS_S.items():
            faults.slow(verb, delay_s)
        await Day(bed, home, asked["lifecycles"], networks).run()
        faults.clear()
        sweeper = Sweeper(bed.engine, bed.hosts, clock, every_s=DAY_S)
        cpu_s = time.process_time()
        await sweeper.sweep()
        print(json.dumps({"swept_s": time.process_time() - cpu_s}))


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        loop = VirtualLoop(turns_max=sys.maxsize)
        with counted_writer(), asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(simulate(asked, Path(folder)))
        assert not loop.unexpected, loop.unexpected[0]


if __name__ == "__main__":
    main()
