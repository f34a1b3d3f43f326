"""A whole cloud through a bad time: lives of one controller, over one data centre, from one seed.

Tenants ask, nature strikes, calls fail, the controller dies at a commit and comes back. Then all
is healed, the reconcilers go round, parked jobs are retried, and the judges look. In a long run
that is so several times, with what came of it carried on into the next bad time.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from aggregates.base import Recorded
from aggregates.errors import NotAllowed
from aggregates.host import ResourceState
from aggregates.storage_pool import PoolState
from benchmarks.cloud import BY, Bed, engine_in, furnish
from drivers.sim import SimDriver, SimWorld
from engine.chores.chore import Chores
from engine.engine import Engine
from engine.feed import Feed
from engine.fence import Everything
from engine.intents.host import EndMaintenance, UpdateHost
from engine.intents.saga import MendJob
from engine.intents.storage_pool import ServeStoragePool, UpdateStoragePool
from engine.log import Log
from engine.reconcilers.doubts import Doubts
from engine.reconcilers.sweep import Sweeper
from engine.routing.keeper import RouterKeeper
from engine.tasks import Tasks
from engine.webhooks import Webhooks
from projections.host import hosts
from projections.saga import RunState, SagaRun, saga_runs
from projections.storage_pool import storage_pools
from projections.vm import vms
from sagastack.tools.export import line
from tests.sim import billing, images, laws, places
from tests.sim.bugs import Bugs
from tests.sim.endpoints import Endpoints
from tests.sim.loop import VirtualLoop, counted_writer
from tests.sim.mortal import MortalLog, SimClock
from tests.sim.nature import Nature
from tests.sim.owners import Owners
from tests.sim.place import HOST_URLS, HOSTS, POOLS, complete, widen
from tests.sim.seeds import Chance, Ills
from tests.sim.tenants import Tenants

HOST_SIZE = "?cpus=8&mhz=2000&memory_gib=4"
POOL_SIZE = "?capacity_gib=60"
BETWEEN_S = 0.4
SWEEP_S = 30.0
CHORES_S = 10.0
PEACE_S = 4 * 3600.0
TOLD_S = 300.0
PEACE_ROUNDS = 12
QUIET_ROUNDS = 2
QUIET_EVERY = 250  # steps
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended; `digest` is of the exported events, the same for the same seed."""

    seed: int
    digest: str
    events: int
    lives: int
    told: Counter[str]
    acts: Counter[str]


class Simulation:
    def __init__(self, seed: int, home: Path, *, steps: int, say: Say, every: int) -> None:
        self.seed, self.steps = seed, steps
        self.ills = Ills.of(seed)
        self.clock = SimClock()
        self.world = SimWorld()
        self.driver = SimDriver(
            self.world, self.ills.faults(seed), now_s=lambda: self.clock.now_ms() / 1000
        )
        for url in HOST_URLS:
            self.world.host(url + HOST_SIZE)
        for name in POOLS:
            self.world.pool(f"sim://{name}{POOL_SIZE}")
        self.nature = Nature(seed, self.ills, self.world, self.clock)
        self.tenants = Tenants(
            seed, self.world, home, operators=self.ills.operators, now_ms=self.clock.now_ms
        )
        self.endpoints = Endpoints(seed)
        self._owners = Owners()
        self.bugs = Bugs()
        self.lives = 0
        self.position = 0
        self._home, self._say, self._every = home, say, every
        self._crash = Chance(seed, "crash")
        self._ids = Chance(seed, "ids")
        self._digest = hashlib.sha256()
        self._done = self._until = 0
        self._broken: AssertionError | None = None
        self._log: MortalLog

    async def run(self) -> Verdict:
        self._say(f"seed {self.seed}: {self.ills}")
        async with self._life() as bed:
            await self._furnish(bed)
        while self._done < self.steps:
            self._until = min(self._done + QUIET_EVERY, self.steps)
            await self._suffer()
            async with self._life() as bed:
                await self._make_peace(bed)
                await self._judge(bed)
        return Verdict(
            self.seed, self._digest.hexdigest(), self.position, self.lives, self.tenants.told,
            self.nature.acts,
        )  # fmt: skip

    async def _suffer(self) -> None:
        """Tenants ask, in as many lives as it takes, and all ills of the seed are about."""
        self.driver.faults.__dict__.update(self.ills.faults(self.seed).__dict__)
        self.endpoints.suffer()
        async with asyncio.TaskGroup() as group:
            nature = group.create_task(self.nature.run())
            while self._done < self._until:
                await self._live()
            nature.cancel()

    async def _judge(self, bed: Bed) -> None:
        await self._tell_webhooks(bed)
        await laws.at_peace(bed, self.world, self.tenants)
        images.hold(bed.engine.cloud, self._home)
        self.endpoints.were_told(bed.engine.cloud)
        await billing.holds(bed.engine, self.clock.now_ms())
        await self._checkpoint_is_equal(bed)

    # ---- one life ------------------------------------------------------------------------

    @asynccontextmanager
    async def _life(self) -> AsyncIterator[Bed]:

        def around(log: Log) -> MortalLog:
            self._log = MortalLog(log)
            return self._log

        self.lives += 1
        life = engine_in(
            self._home, self.driver, clock=self.clock, around=around, token=self._ids.token
        )
        async with life as bed:
            self.tenants.engine = bed.engine
            await self._catch_up(bed)
            self._log.listen(self._heard)
            yield bed
        self._check()

    async def _catch_up(self, bed: Bed) -> None:
        """What the last life committed and nobody heard of."""
        async for batch in bed.log.read(self.position):
            self._heard(batch)

    async def _furnish(self, bed: Bed) -> None:
        """The zone is built in peace; its ills begin afterwards."""
        self.driver.faults.clear()
        await furnish(bed.engine, host_count=HOSTS)
        await complete(bed.engine, self._home)
        await widen(bed.engine)

    async def _live(self) -> None:
        """Until the controller dies, or the tenants have asked all they wanted."""
        async with self._life() as bed, Tasks() as doubting, asyncio.TaskGroup() as group:
            if every := self.ills.crash_every_commits:
                rng = self._crash.rng
                self._log.dies_at(rng.randint(1, 2 * every), before=rng.random() < 0.5)
            Doubts(bed.log, bed.engine, bed.hosts, doubting, self.clock, Everything())
            sweeper = Sweeper(bed.engine, bed.hosts, self.clock, every_s=SWEEP_S)
            asking = group.create_task(self._ask_all(group))
            webhooks = self._webhooks(bed)
            keeper = self._keeper(bed)
            work = (sweeper.run(), self._do_chores(bed.engine), webhooks.run(), keeper.run())
            tasks = [asking, *(group.create_task(one) for one in work)]
            dead = group.create_task(self._log.dead.wait())
            await asyncio.wait([dead, asking], return_when=asyncio.FIRST_COMPLETED)
            self._log.dead.set()
            for task in [*tasks, dead, *self._clients]:
                task.cancel()

    def _keeper(self, bed: Bed) -> RouterKeeper:
        steady = asyncio.get_running_loop().time
        return RouterKeeper(bed.log, bed.engine, bed.hosts, self.clock, steady=steady)

    def _webhooks(self, bed: Bed) -> Webhooks:
        feed = Feed(cast(Log, self._log), bed.engine.cloud.position)
        return Webhooks(bed.engine, bed.vault, feed, self.clock)

    async def _tell_webhooks(self, bed: Bed) -> None:
        """Until nobody is behind any more."""
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._webhooks(bed).run())
            before = -1
            while before != self.position:
                before = self.position
                await asyncio.sleep(TOLD_S)
            telling.cancel()

    async def _do_chores(self, engine: Engine) -> None:
        """All of them, more often than in real life: a chore may run at any time."""
        while True:
            await asyncio.sleep(CHORES_S)
            await Chores(engine, self.clock).round()

    async def _ask_all(self, group: asyncio.TaskGroup) -> None:
        self._clients: set[asyncio.Task[None]] = set()

        def ask(what: Any) -> None:
            task = group.create_task(what)
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)

        for what in self.tenants.again():
            ask(what)
        while self._done < self._until:
            await asyncio.sleep(self.tenants.chance.rng.expovariate(1 / BETWEEN_S))
            self._done += 1
            what = self.tenants.next()
            if what is not None:
                ask(what)

    # ---- the end -------------------------------------------------------------------------

    async def _make_peace(self, bed: Bed) -> None:
        """Heal, and let the engine and its reconcilers come to rest. Nothing more is injected."""
        self.driver.faults.clear()
        self.nature.heal()
        self.endpoints.heal()
        sweeper = Sweeper(bed.engine, bed.hosts, self.clock, every_s=SWEEP_S)
        keeper = self._keeper(bed)
        quiet = 0
        await self._all_jobs(bed)
        self.nature.stray(places.open_to_all(bed.engine.cloud))
        for _ in range(PEACE_ROUNDS):
            before = self.position
            self._check()
            await self._all_jobs(bed)
            await sweeper.sweep()
            await Chores(bed.engine, self.clock).round()
            await self._all_jobs(bed)
            await self._end_maintenance(bed.engine)
            await keeper.round()
            parked = await self._all_jobs(bed)
            quiet = quiet + 1 if self.position == before and not parked else 0
            if quiet == QUIET_ROUNDS:
                return
        if parked:
            told = [f"{row.name} at {row.failed_step}: {row.error_text}" for row in parked]
            raise AssertionError(f"jobs park again and again in a healed cloud: {told}")
        raise AssertionError(f"a healed cloud does not come to rest in {PEACE_ROUNDS} sweeps")

    async def _end_maintenance(self, engine: Engine) -> None:
        for host in engine.cloud[hosts]:
            if host.job_id is not None or host.resource_state is ResourceState.ENABLED:
                continue
            if host.resource_state is ResourceState.DISABLED:
                await engine.decide(UpdateHost(id=host.id, enabled=True), BY)
            else:
                await engine.decide(EndMaintenance(id=host.id), BY)
        for pool in list(engine.cloud[storage_pools]):
            if pool.state is PoolState.MAINTENANCE and pool.job_id is None:
                await engine.submit(ServeStoragePool(id=pool.id), BY)
            elif pool.state is PoolState.DISABLED:
                await engine.decide(UpdateStoragePool(id=pool.id, enabled=True), BY)

    async def _all_jobs(self, bed: Bed) -> list[SagaRun]:
        """Every job over, but for those that parked again when an operator had them retried."""
        runs = bed.engine.cloud[saga_runs]
        for row in list(runs.by("state", RunState.PARKED)):
            with suppress(NotAllowed):  # A host that is back has had it taken up again.
                await bed.engine.decide(MendJob(job_id=row.id, way="retry"), BY)
        for state in (RunState.RUNNING, RunState.UNDOING):
            for row in list(runs.by("state", state)):
                await self._until_over(bed, row)
        return list(runs.by("state", RunState.PARKED))

    async def _until_over(self, bed: Bed, row: SagaRun) -> None:
        try:
            async with asyncio.timeout(PEACE_S):
                await bed.engine.runner.wait(row.id)
        except TimeoutError:
            done = ", ".join(row.outputs)
            told = f"job {row.id} {row.name} is {row.state} (done: {done}) {row.error_text}"
            raise AssertionError(f"{told}: {PEACE_S:.0f} s after all was healed") from None

    async def _checkpoint_is_equal(self, bed: Bed) -> None:
        await bed.history.checkpoint()
        loaded = await bed.history.latest()
        assert loaded.digest() == bed.engine.cloud.digest(), "a checkpoint is not the live state"

    # ---- what is seen --------------------------------------------------------------------

    def _heard(self, batch: Sequence[Recorded]) -> None:
        """Look at each commit, in the engine's own turn, after its own folds."""
        try:
            for recorded in batch:
                if recorded.position <= self.position:
                    continue
                self.position = recorded.position
                told = line(recorded).replace(str(self._home).encode(), b"")
                self._digest.update(told + b"\n")
                laws.no_bugs(recorded)
                self._owners.heard(recorded)
                self.endpoints.noted(recorded)
                if self.position % self._every == 0:
                    self._say(self._dense())
            engine = getattr(self.tenants, "engine", None)
            if engine is not None and engine.cloud.position == self.position:
                laws.always(engine.cloud, self.world)
        except AssertionError as broken:
            # A listener may not raise, so this life ends, and whoever began it raises.
            self._broken = self._broken or broken
            self._log.dead.set()

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert not loop.unexpected, loop.unexpected[0]
        self.bugs.none()

    def _dense(self) -> str:
        cloud = self.tenants.engine.cloud
        states = Counter(str(vm.state) for vm in cloud[vms])
        jobs = Counter(str(row.state) for row in cloud[saga_runs] if not row.state.is_over)
        up = sum(host.powered and host.reachable for host in self.world.hosts.values())
        at_s = asyncio.get_running_loop().time()
        vm_text = " ".join(f"{name}:{count}" for name, count in sorted(states.items()))
        job_text = " ".join(f"{name}:{count}" for name, count in sorted(jobs.items()))
        return (
            f"{self.position:7} {at_s:8.1f}s life {self.lives:3} step {self._done:5} hosts {up}/"
            f"{len(self.world.hosts)} vms [{vm_text}] jobs [{job_text}] "
            f"{self._digest.hexdigest()[:8]}"
        )


# What makes ids by itself.
MAKERS = ("engine.engine", "engine.runner", "engine.reconcilers.sweep", "engine.routing.keeper")


@contextmanager
def seeded_ids(seed: int) -> Iterator[None]:
    """Ids that the engine makes for itself, from the seed."""
    ids = Chance(seed, "engine ids")
    with ExitStack() as stack:
        for module in MAKERS:
            stack.enter_context(patch(f"{module}.uuid4", ids.new_id))
        yield


def simulate(
    seed: int, *, steps: int = 300, say: Say = lambda text: None, every: int = 200
) -> Verdict:
    """One run from its seed. AssertionError names the law that was broken."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        loop = VirtualLoop(Ills.of(seed).commit_s)
        with (
            counted_writer(),
            seeded_ids(seed),
            asyncio.Runner(loop_factory=lambda: loop) as runner,
        ):
            sim = Simulation(seed, Path(folder), steps=steps, say=say, every=every)
            with (
                patch("engine.webhooks.deliver.send", sim.endpoints.send),
                patch("engine.images._ask_qemu", images.ask_nobody),
                sim.bugs,
            ):
                return runner.run(sim.run())
