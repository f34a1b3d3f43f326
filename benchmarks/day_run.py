"""A simulated day of a cloud, in a process of its own: guests come, work, and go, by the clock.

The real engine, log and simulated hosts, on a clock that jumps to the next moment at which anybody
has work. Guests are asked for at random moments, more by day than by night; each lives for a random
time, some are stopped and started meanwhile, and all are destroyed and expunged. One line of JSON
on standard input says how large the cloud is; lines of JSON tell of each stretch of the day.

A day that was broken off goes on where its log ends, if that is still there: what is to become of a
guest follows from its number, and how far it has come from its row.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import sys
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from eventsourcing.sqlite import SQLiteConnection

from aggregates.vm import VmState
from benchmarks.cloud import BY, Bed, deploy, engine_in, furnish, named, network
from drivers.sim import SimDriver, SimFaults, SimWorld
from engine.collector import settle
from engine.huge_pages import collapse_all, heap
from engine.intents.vm import DestroyVm, ExpungeVm, StartVm, StopVm
from engine.log import past as decoded
from engine.log.sqlite_store import DurablePool
from engine.log.stores import open_store
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
STRETCH_S = DAY_S / STRETCHES
# Whoever came before the day was broken off is left alone for so long when it goes on.
GO_ON_S = 60.0
# What hosts take for it: most calls 50 ms, a start two seconds, a shutdown five.
DELAYS_S = {"*": 0.05, "start_guest": 2.0}
SHUTDOWN_S = 5.0
# Within the patience that the log has with its writer: there is no real loop to lend it from.
COMMIT_S = 0.004
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
Row = dict[str, Any]
Act = Callable[[int], Coroutine[Any, Any, None]]


@dataclass
class Stretch:
    """What was seen in one stretch of the day."""

    running_s: list[float] = field(default_factory=list)
    ended: int = 0


class Day:
    """`began_ms` is when by the clock the day began, which is before now if it goes on."""

    def __init__(
        self,
        bed: Bed,
        home: Path,
        clock: SimClock,
        lifecycles: int,
        networks: list[UUID],
        began_ms: int,
    ) -> None:
        self._bed, self._home, self._clock = bed, home, clock
        self._networks, self._began_ms = networks, began_ms
        self._arrivals = _arrivals(lifecycles)
        self._stretch = Stretch()
        self._left = lifecycles
        self._over = asyncio.Event()

    async def run(self) -> None:
        """What is left of the day, then the evening until the last guest is gone."""
        self._cpu_s, self._real_s = time.process_time(), time.perf_counter()
        self._position = self._bed.engine.cloud.position
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                telling = group.create_task(self._tell())
                self._go_on()
                came = bisect_right(self._arrivals, self._now_s())
                for number in range(came, len(self._arrivals)):
                    await asyncio.sleep(self._arrivals[number] - self._now_s())
                    group.create_task(self._act(number, 0))
                await self._over.wait()
                telling.cancel()
        finally:
            self._say()

    def _now_s(self) -> float:
        """Seconds of the day."""
        return (self._clock.now_ms() - self._began_ms) / 1000

    def _acts(self, number: int) -> list[tuple[float, Act]]:
        """What a guest does, and at which second of the day."""
        rng, at_s = random.Random(number), self._arrivals[number]
        life_s, rests = rng.expovariate(1 / LIFE_S), rng.random() < STOPPED_SHARE
        if not rests:
            return [(at_s, self._deploy), (at_s + life_s, self._end)]
        stops_s = at_s + life_s / 2
        starts_s = stops_s + STOPPED_S
        ends_s = starts_s + rng.expovariate(2 / LIFE_S)
        return [
            (at_s, self._deploy),
            (stops_s, self._stop),
            (starts_s, self._start),
            (ends_s, self._end),
        ]

    async def _act(self, number: int, which: int) -> None:
        acts = self._acts(number)
        await acts[which][1](number)
        if which + 1 < len(acts):
            self._later(acts[which + 1][0], number, which + 1)

    def _later(self, at_s: float, number: int, which: int) -> None:
        """Begin an act then. A guest that only lives costs no task."""
        asyncio.get_running_loop().call_later(
            at_s - self._now_s(), lambda: self._group.create_task(self._act(number, which))
        )

    def _go_on(self) -> None:
        """Take up those who came before the day was broken off, once their runs have ended."""
        now_s, known = self._now_s(), self._bed.engine.cloud[vms]
        for number in range(bisect_right(self._arrivals, now_s)):
            acts = self._acts(number)
            is_there = known.get(_vm(number)) is not None
            if not is_there and acts[-1][0] <= now_s:
                self._leave()
                continue
            due = (which for which, (at_s, _) in enumerate(acts) if at_s > now_s)
            which = next(due, len(acts) - 1) if is_there else 0
            self._later(max(acts[which][0], now_s + GO_ON_S), number, which)

    async def _deploy(self, number: int) -> None:
        loop, network_id = asyncio.get_running_loop(), self._networks[number % len(self._networks)]
        asked_s = loop.time()
        await self._bed.engine.perform(deploy(f"day-{number}", network_id=network_id), BY)
        self._stretch.running_s.append(loop.time() - asked_s)

    async def _stop(self, number: int) -> None:
        if self._state(number) == VmState.RUNNING:
            await self._bed.engine.perform(StopVm(vm_id=_vm(number)), BY)

    async def _start(self, number: int) -> None:
        if self._state(number) == VmState.STOPPED:
            await self._bed.engine.perform(StartVm(vm_id=_vm(number)), BY)

    async def _end(self, number: int) -> None:
        if (state := self._state(number)) is not None:
            if state != VmState.DESTROYED:
                await self._bed.engine.perform(DestroyVm(vm_id=_vm(number)), BY)
            await self._bed.engine.perform(ExpungeVm(vm_id=_vm(number)), BY)
        self._stretch.ended += 1
        self._leave()

    def _leave(self) -> None:
        self._left -= 1
        if not self._left:
            self._over.set()

    def _state(self, number: int) -> VmState | None:
        row = self._bed.engine.cloud[vms].get(_vm(number))
        return None if row is None else row.state

    async def _tell(self) -> None:
        """A line for each stretch; what it cost is real time, when it was is the clock's."""
        while True:
            await asyncio.sleep(STRETCH_S - self._now_s() % STRETCH_S + 0.001)
            if (kept := heap()) is not None:  # as a controller does all the time
                collapse_all(kept)
            self._say()

    def _say(self) -> None:
        seen, self._stretch = self._stretch, Stretch()
        cpu_s, real_s = time.process_time(), time.perf_counter()
        waits, position = sorted(seen.running_s) or [0.0], self._bed.engine.cloud.position
        told = {
            "hour": self._now_s() / 3600,
            "deployed": len(seen.running_s),
            "ended": seen.ended,
            "p50_s": waits[len(waits) // 2],
            "p99_s": waits[int(len(waits) * 0.99)],
            "cpu_s": cpu_s - self._cpu_s,
            "real_s": real_s - self._real_s,
            "guests": len(self._bed.engine.cloud[vms]),
            "events": position,
            "wrote": position - self._position,
            "log_bytes": sum(one.stat().st_size for one in self._home.glob("log.db*")),
            "resident_bytes": resident_bytes(),
        }
        self._cpu_s, self._real_s, self._position = cpu_s, real_s, position
        print(json.dumps(told), flush=True)


def resident_bytes() -> int:
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * PAGE_BYTES


def _arrivals(lifecycles: int) -> array[float]:
    """Seconds of the day: a wave that is highest in the afternoon."""
    rng, found = random.Random(lifecycles), array("d")
    while len(found) < lifecycles:
        at_s = rng.random() * DAY_S
        wave = 1 - BY_DAY * math.cos(2 * math.pi * (at_s / DAY_S - 3 / 24))
        if rng.random() * (1 + BY_DAY) < wave:
            found.append(at_s)
    return array("d", sorted(found))


def _vm(number: int) -> UUID:
    return named(f"vm day-{number}")


def _ended_ms(home: Path) -> int:
    """When by its clock a day was broken off: the time of the last event of its log."""
    store = open_store(f"sqlite://{home}/log.db", read_only=True)
    try:
        told = decoded.events(decoded.join(store.rows(store.end() - 1, None, 1)))
        assert told is not None, f"the log in {home} cannot be read"
        return told[-1].at_ms
    finally:
        store.close()


async def simulate(asked: Row, home: Path) -> None:
    """`began_ms` is asked with if the day goes on; else the cloud is built first."""
    began_ms, clock, world = asked.get("began_ms"), SimClock(), SimWorld.open(home / "world")
    faults = SimFaults(shutdown_s=SHUTDOWN_S)
    if began_ms is None:
        world.pool("sim://pool?capacity_gib=1000000")
    else:
        clock.off_ms = _ended_ms(home) - clock.now_ms()
        slow(faults)
    driver = SimDriver(world, faults, now_s=lambda: clock.now_ms() / 1000)
    networks = [named(f"day {at}") for at in range(-(-asked["alive"] // GUESTS_A_NETWORK))]
    async with engine_in(home, driver, clock=clock) as bed:
        if began_ms is None:
            began_ms = await built(bed, clock, asked["hosts"], len(networks))
            slow(faults)
        else:
            settle()
        await Day(bed, home, clock, asked["lifecycles"], networks, began_ms).run()
        faults.clear()
        sweeper = Sweeper(bed.engine, bed.hosts, clock, every_s=DAY_S)
        cpu_s = time.process_time()
        await sweeper.sweep()
        print(json.dumps({"swept_s": time.process_time() - cpu_s}))
    world.close()


@contextmanager
def disk_of_the_clock() -> Iterator[None]:
    """A commit takes what the clock says it does: to wait for this disk too was half of all time.

    What is written outlives the process all the same, so a day that is killed goes on.
    """
    connect = DurablePool._create_connection

    def connected(self: DurablePool) -> SQLiteConnection:
        made = connect(self)
        made.cursor().execute("PRAGMA synchronous=OFF")
        return made

    with patch.object(DurablePool, "_create_connection", connected):
        yield


def slow(faults: SimFaults) -> None:
    for verb, delay_s in DELAYS_S.items():
        faults.slow(verb, delay_s)


async def built(bed: Bed, clock: SimClock, hosts: int, networks: int) -> int:
    """Build the cloud and tell of it; when by the clock its day begins."""
    cpu_s = time.process_time()
    await furnish(bed.engine, host_count=hosts)
    hosts_s = time.process_time() - cpu_s
    for at in range(networks):
        await bed.engine.decide(network(f"day {at}"), BY)
    settle()
    told = {"furnished_s": hosts_s, "empty_bytes": resident_bytes(), "began_ms": clock.now_ms()}
    print(json.dumps({**told, "events": bed.engine.cloud.position}), flush=True)
    return clock.now_ms()


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    loop = VirtualLoop(COMMIT_S, turns_max=sys.maxsize)
    with disk_of_the_clock(), counted_writer(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(simulate(asked, Path(asked["home"])))
    assert not loop.unexpected, loop.unexpected[0]


if __name__ == "__main__":
    main()
