"""Acts of nature: hosts lose power or the line, pools go away, guests die, the clock is set.

Each ill has its own rhythm and its own end, so that the data centre is whole again now and then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from drivers.contract.compute import Power
from drivers.contract.errors import DriverError
from drivers.sim import SimWorld, compute
from tests.sim.mortal import SimClock
from tests.sim.place import STANDS
from tests.sim.seeds import Chance, Ills

HOUR_MS = 3_600_000
ILLS = ("power", "line", "pool", "death", "jump", "stray")
STRAYS = 0.3


class Nature:
    def __init__(self, seed: int, ills: Ills, world: SimWorld, clock: SimClock) -> None:
        self._ills, self._world, self._clock = ills, world, clock
        self._chance = {name: Chance(seed, name) for name in ILLS}
        self.acts: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled."""
        ills = self._ills
        async with asyncio.TaskGroup() as group:
            for name, every_s, act in (
                ("power", ills.power_every_s, self._power),
                ("line", ills.partition_every_s, self._line),
                ("pool", ills.pool_every_s, self._pool),
                ("death", ills.death_every_s, self._death),
                ("jump", ills.jump_every_s, self._jump),
            ):
                if every_s:
                    rng = self._chance[name].rng
                    group.create_task(self._now_and_then(act, every_s, rng))

    async def _now_and_then(
        self, act: Callable[[], Awaitable[None]], every_s: float, rng: Random
    ) -> None:
        while True:
            await asyncio.sleep(rng.expovariate(1 / every_s))
            await act()

    def heal(self) -> None:
        """Everything is there again, and stays."""
        for url, host in list(self._world.hosts.items()):
            if not host.powered:
                self._world.power_on_host(url)
        self._world.heal()
        for url in list(self._world.pools):
            self._world.set_pool_reachable(url, True)

    def stray(self, urls: list[str]) -> None:
        """Migrations that everybody had given up land: some guests are on other hosts of these.

        A move was asked for within a cluster, and of a guest whose disks none but its host has
        never. Only in peace. A job that such a guest gets into is for a person to mend.
        """
        rng = self._chance["stray"].rng
        for guest in self._world.residue().guests:
            if guest.guest_id is None or guest.power is not Power.RUNNING:
                continue
            if rng.random() > STRAYS:
                continue
            home = self._world.hosts[guest.host]
            near = [one for one in urls if STANDS[one] == STANDS[home.url]]
            if not near or any(disk.path.startswith("sim://own") for disk in guest.disks):
                continue
            url = rng.choice(near)
            with suppress(DriverError):
                compute.migrate(self._world, home, guest.guest_id, self._world.hosts[url])
                self.acts["stray"] += 1

    async def _power(self) -> None:
        rng = self._chance["power"].rng
        url = rng.choice(sorted(self._world.hosts))
        self.acts["power"] += 1
        self._world.power_off_host(url)
        await asyncio.sleep(rng.expovariate(1 / 15))
        self._world.power_on_host(url)

    async def _line(self) -> None:
        rng = self._chance["line"].rng
        urls = rng.sample(sorted(self._world.hosts), rng.randint(1, 2))
        self.acts["line"] += 1
        self._world.partition(*urls)
        await asyncio.sleep(rng.expovariate(1 / 10))
        self._world.heal(*urls)

    async def _pool(self) -> None:
        url = self._chance["pool"].rng.choice(sorted(self._world.pools))
        self.acts["pool"] += 1
        self._world.set_pool_reachable(url, False)
        await asyncio.sleep(self._chance["pool"].rng.expovariate(1 / 5))
        self._world.set_pool_reachable(url, True)

    async def _death(self) -> None:
        rng = self._chance["death"].rng
        alive = [one for one in self._world.residue().guests if one.power is Power.RUNNING]
        known = [one.guest_id for one in alive if one.guest_id is not None]
        if known:
            self.acts["death"] += 1
            victim = rng.choice(known)
            power = rng.choice((Power.OFF, Power.CRASHED))
            self._world.kill_guest(victim, power=power)

    async def _jump(self) -> None:
        self.acts["jump"] += 1
        self._clock.off_ms += self._chance["jump"].rng.randint(-HOUR_MS, HOUR_MS)
