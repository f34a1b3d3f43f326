"""Several engines on one log: work is shared, taken over, fenced, and never done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from aggregates.errors import LimitReached
from aggregates.saga import RunState, StepsSucceeded
from benchmarks.cloud import BY, ZONE, Bed, deploy, engine_in, furnish, named
from drivers.sim import SimDriver, SimFaults, SimWorld
from engine.genesis import ROOT_DOMAIN, stable_id
from engine.intents.record import CreateRecord
from engine.intents.resource_limit import SetLimit
from engine.intents.volume import CreateVolume
from projections.saga import saga_runs
from projections.vm import vms
from projections.volume import volumes


@dataclass
class Share:
    """An owner whose part tests set: runs whose ids fall on these numbers."""

    numbers: set[int] = field(default_factory=set)
    alone: bool = False

    def owns(self, run_id: UUID) -> bool:
        return run_id.int % 4 in self.numbers

    def pick(self, random_id: Callable[[], UUID]) -> UUID:
        return random_id()


@dataclass
class Place:
    """Two controllers' engines over one simulated data centre."""

    beds: list[Bed]
    shares: list[Share]
    lines: list[SimFaults]
    world: SimWorld

    def slow(self, delay_s: float) -> None:
        """Everything takes that long, whoever asks for it."""
        for faults in self.lines:
            faults.slow("*", delay_s)

    async def settle(self) -> None:
        for bed in self.beds:
            await bed.log.look()

    async def same(self) -> None:
        """Both have folded the same, and it is what the log says."""
        await self.settle()
        one, two = self.beds
        clouds = one.engine.cloud, two.engine.cloud, await one.history.rebuild()
        mine, theirs, rebuilt = ((each.position, each.at_ms, each.digest()) for each in clouds)
        assert mine == theirs == rebuilt


@pytest.fixture
async def place(postgres: Callable[[], str], tmp_path: Path) -> AsyncIterator[Place]:
    url, world, lines = postgres(), SimWorld(), [SimFaults(), SimFaults()]
    shares = [Share({0, 1}), Share({2, 3})]
    async with AsyncExitStack() as stack:
        beds = []
        for share, faults in zip(shares, lines, strict=True):
            driver = SimDriver(world, faults)
            bed = engine_in(tmp_path, driver, store=url, owner=share)
            beds.append(await stack.enter_async_context(bed))
        await asyncio.wait_for(both(beds, furnish(beds[0].engine, host_count=4)), 60)
        await beds[1].log.look()
        yield Place(beds, shares, lines, world)


async def both(beds: list[Bed], work: object) -> None:
    """Do something while everybody keeps in step, as followers do."""

    async def follow(bed: Bed) -> None:
        while True:
            await asyncio.sleep(0.02)
            await bed.log.look()

    followers = [asyncio.create_task(follow(bed)) for bed in beds]
    try:
        await work  # type: ignore[misc]
    finally:
        for one in followers:
            one.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def steps_recorded(place: Place) -> Counter[tuple[UUID, str]]:
    """How often each step of each run was recorded as done."""
    counts: Counter[tuple[UUID, str]] = Counter()
    async for batch in place.beds[0].log.read():
        for one in batch:
            if isinstance(one.event, StepsSucceeded):
                counts.update((one.stream, step) for step in one.event.outputs)
    return counts


async def test_work_is_shared_and_nothing_is_given_twice(place: Place) -> None:
    async def load() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(24):
                bed = place.beds[number % 2]
                group.create_task(bed.engine.perform(deploy(f"g{number}"), BY))

    await asyncio.wait_for(both(place.beds, load()), 120)
    await place.same()
    guests = list(place.beds[0].engine.cloud[vms])
    assert len(guests) == 24
    assert {guest.state for guest in guests} == {"Running"}
    assert len({nic.ip4 for guest in guests for nic in guest.nics}) == 24
    assert len({nic.mac for guest in guests for nic in guest.nics}) == 24
    assert set((await steps_recorded(place)).values()) == {1}


async def test_what_one_leaves_the_other_carries_on(place: Place) -> None:
    one, two = place.shares
    place.slow(0.05)

    async def load() -> None:
        work = [
            asyncio.create_task(place.beds[0].engine.perform(deploy(f"g{number}"), BY))
            for number in range(12)
        ]
        await asyncio.sleep(0.3)
        one.numbers, two.numbers = set(), {0, 1, 2, 3}
        await place.beds[0].engine.runner.release()
        await place.beds[1].log.look()
        place.beds[1].engine.runner.resume()
        await asyncio.gather(*work)

    await asyncio.wait_for(both(place.beds, load()), 120)
    await place.same()
    assert {guest.state for guest in place.beds[0].engine.cloud[vms]} == {"Running"}
    assert set((await steps_recorded(place)).values()) == {1}


async def test_a_zombie_lets_go_and_doubles_nothing(place: Place) -> None:
    place.slow(0.05)

    async def load() -> None:
        work = [
            asyncio.create_task(place.beds[0].engine.perform(deploy(f"g{number}"), BY))
            for number in range(12)
        ]
        await asyncio.sleep(0.3)
        place.shares[1].numbers = {0, 1, 2, 3}  # and the first one goes on as if nothing was
        await place.beds[1].log.look()
        place.beds[1].engine.runner.resume()
        await asyncio.gather(*work)

    await asyncio.wait_for(both(place.beds, load()), 120)
    await place.same()
    cloud = place.beds[0].engine.cloud
    assert {guest.state for guest in cloud[vms]} == {"Running"}
    assert {run.state for run in cloud[saga_runs]} == {RunState.SUCCEEDED}
    assert set((await steps_recorded(place)).values()) == {1}
    running = Counter(guest for host in place.world.guests.values() for guest in host)
    assert len(running) == 12
    assert set(running.values()) == {1}


async def test_a_zombie_that_saw_the_others_work_records_nothing_again(place: Place) -> None:
    """Its step ends long after another did it, recorded it and went on, and it knows all that."""
    place.lines[0].slow("*", 1.0)
    place.lines[1].slow("*", 0.4)

    async def load() -> None:
        work = [
            asyncio.create_task(place.beds[0].engine.perform(deploy(f"g{number}"), BY))
            for number in range(8)
        ]
        await asyncio.sleep(0.3)
        for share in place.shares:
            share.numbers = {0, 1, 2, 3}
        await place.beds[1].log.look()
        place.beds[1].engine.runner.resume()
        await asyncio.gather(*work)
        await asyncio.sleep(1.5)

    await asyncio.wait_for(both(place.beds, load()), 120)
    await place.same()
    runs = place.beds[0].engine.cloud[saga_runs]
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    assert set((await steps_recorded(place)).values()) == {1}


async def test_a_limit_is_reached_exactly_though_both_let_disks_in(place: Place) -> None:
    """Nothing but the limit connects these: no ledger, no network, no name."""
    role = stable_id("role", "User")
    fields = {"name": "t", "domain_id": ROOT_DOMAIN, "role_id": role, "role_type": "User"}
    tenant = named("tenant")
    await place.beds[0].engine.decide(CreateRecord(kind="account", id=tenant, fields=fields), BY)
    who = {"owner_kind": "account", "owner_id": tenant}
    limit = SetLimit(id=named("limit"), resource="volume", maximum=17, **who)
    await place.beds[0].engine.decide(limit, BY)
    await place.settle()
    ended: Counter[str] = Counter()

    async def one(number: int) -> None:
        disk = CreateVolume(
            volume_id=uuid4(),
            account_id=tenant,
            domain_id=ROOT_DOMAIN,
            zone_id=ZONE,
            name=f"d{number}",
            size_bytes=1024**3,
        )
        try:
            await place.beds[number % 2].engine.decide(disk, BY)
            ended["in"] += 1
        except LimitReached:
            ended["refused"] += 1

    await asyncio.gather(*(one(number) for number in range(100)))
    await place.same()
    assert ended == {"in": 17, "refused": 83}
    assert len(list(place.beds[1].engine.cloud[volumes])) == 17


async def test_a_job_id_is_one_job_whichever_is_asked(place: Place) -> None:
    run_id = uuid4()

    async def load() -> None:
        asks = [bed.engine.submit(deploy("twice"), BY, run_id=run_id) for bed in place.beds]
        jobs = await asyncio.gather(*asks)
        assert {job.id for job in jobs} == {run_id}
        for bed in place.beds:
            await bed.log.look()
            assert (await bed.engine.runner.wait(run_id)).state is RunState.SUCCEEDED

    await asyncio.wait_for(both(place.beds, load()), 60)
    await place.same()
