"""Hosts and pools that go away, change or come back while somebody counts on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregates.errors import DomainError, InUse
from aggregates.host import HostConnected, ResourceState
from aggregates.saga import RunState
from aggregates.vm import VmState
from aggregates.volume import VolumeState
from engine.decide import Desk
from engine.decisions.host import supply
from engine.draft import Draft
from engine.history import History
from engine.intents.cluster import UpdateCluster
from engine.intents.host import HostLost, PrepareHost, RemoveHost
from engine.intents.storage_pool import RemoveStoragePool
from engine.intents.vm import CreateVm, ExpungeVm, RebootVm, StartVm
from engine.intents.volume import AttachVolume, DetachVolume
from engine.log import Unit
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.host import hosts
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes
from tests.sagas.judge import judge
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import CLUSTER, HOSTS, POOL, deploy, loose_volume, named, running, seed


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path, new_sim()) as made:
        await seed(made)

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(min(seconds, 0.02))

        made.engine.runner._clock.sleep = sleep  # type: ignore[method-assign]
        yield made
        await judge(made)


async def stopped(r: Rig) -> Any:
    """A guest that was never started: its disks are on no pool yet."""
    await r.run(CreateVm(deploy=deploy()))
    return deploy().vm_id


# ---- hosts ---------------------------------------------------------------------------------


async def test_a_host_is_not_removed_under_a_guest_on_its_way_to_it(r: Rig) -> None:
    vm_id = await stopped(r)
    r.sim.faults.slow("create_disk", 0.2)
    start = await r.engine.submit(StartVm(vm_id=vm_id, host_id=HOSTS[0]), r.by)
    remove = await r.engine.submit(RemoveHost(id=HOSTS[0], forced=True), r.by)
    assert (await r.engine.runner.wait(start.id)).state is RunState.SUCCEEDED
    row = await r.engine.runner.wait(remove.id)
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert HOSTS[0] not in r.cloud[hosts]
    assert r.cloud[vms][vm_id].state is VmState.STOPPED, "it was stopped once it was there"


async def test_a_guest_on_its_way_to_a_host_leaves_it_before_maintenance(r: Rig) -> None:
    vm_id = await stopped(r)
    r.sim.faults.slow("create_disk", 0.2)
    await r.engine.submit(StartVm(vm_id=vm_id, host_id=HOSTS[0]), r.by)
    row = await r.run(PrepareHost(id=HOSTS[0]))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert r.cloud[hosts][HOSTS[0]].resource_state is ResourceState.MAINTENANCE
    assert r.cloud[vms][vm_id].host_id == HOSTS[1]


async def test_removing_a_host_waits_for_the_job_that_has_its_guest(r: Rig) -> None:
    vm_id = await running(r)
    r.sim.faults.slow("reboot_guest", 0.1)
    await r.engine.submit(RebootVm(vm_id=vm_id), r.by)
    row = await r.run(RemoveHost(id=HOSTS[0], forced=True))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert r.cloud[vms][vm_id].state is VmState.STOPPED


@pytest.mark.parametrize("cluster_first", [True, False])
async def test_a_host_that_comes_back_while_its_cluster_closes_offers_nothing(
    r: Rig, cluster_first: bool
) -> None:
    """Each decision sees the other's row as it was: one of them must decide again."""
    await r.engine.decide(HostLost(id=HOSTS[0], why="test"), r.by)
    capacity = r.cloud.view(Capacity)
    real = r.log.append
    held: list[Unit] = []

    async def hold_back(unit: Unit) -> Any:
        """The first of the two waits until the other is decided, too."""
        if not held:
            held.append(unit)
            await asyncio.sleep(0.05)
        return await real(unit)

    r.log.append = hold_back  # type: ignore[method-assign]
    close = UpdateCluster(id=CLUSTER, fields={"allocation_state": "Disabled"})

    async def closing() -> None:
        await r.run(close)

    async def back() -> None:
        while True:
            mine = Draft(r.cloud)
            host = mine.row(hosts, HOSTS[0])
            facts = {n: getattr(host, n) for n in HostConnected.__struct_fields__}
            desk = Desk(mine, r.engine._world, r.by)
            desk.change(host, HostConnected(**facts))
            supply(desk, HOSTS[0])
            if await r.engine.runner.commits.append(
                Unit(mine.appends(), decided_at=mine.position), mine
            ):
                return

    await asyncio.gather(*((closing(), back()) if cluster_first else (back(), closing())))
    supply_now = capacity.supply_of(HOSTS[0])
    assert supply_now is not None and not supply_now.enabled


# ---- pools ---------------------------------------------------------------------------------


async def test_a_pool_is_not_removed_while_a_disk_is_made_in_it(r: Rig) -> None:
    r.sim.faults.slow("create_disk", 0.1)
    job = await r.engine.submit(deploy(), r.by)
    with pytest.raises(InUse, match="is just being made in pool"):
        await r.engine.decide(RemoveStoragePool(id=POOL), r.by)
    row = await r.engine.runner.wait(job.id)
    assert row.state is RunState.SUCCEEDED, row.error_text


@pytest.mark.parametrize("deploy_first", [True, False])
async def test_a_pool_that_goes_and_a_disk_that_comes_at_once(r: Rig, deploy_first: bool) -> None:
    deploying, removing = r.run(deploy()), r.engine.decide(RemoveStoragePool(id=POOL), r.by)
    work = [deploying, removing] if deploy_first else [removing, deploying]
    said = await asyncio.gather(*work, return_exceptions=True)
    failed = [
        one
        for one in said
        if isinstance(one, DomainError) or getattr(one, "state", "") is RunState.FAILED
    ]
    assert len(failed) == 1, said
    assert (POOL in r.cloud[storage_pools]) == (deploy().vm_id in r.cloud[vms])


async def test_a_plan_promises_nothing(r: Rig) -> None:
    assert "capacity.held" in await r.engine.plan(deploy(), r.by)
    view = r.cloud.view
    for fold in (view(Capacity), view(Space), view(Addresses)):
        assert not len(fold.pendings)
    assert not r.cloud.view(Capacity).is_used(HOSTS[0])


# ---- volumes -------------------------------------------------------------------------------


async def test_a_volume_on_no_pool_is_not_ready(r: Rig) -> None:
    vm_id, volume_id = await stopped(r), await loose_volume(r)
    await r.run(AttachVolume(volume_id=volume_id, vm_id=vm_id))
    assert r.cloud[volumes][volume_id].state is VolumeState.ALLOCATED
    await r.run(DetachVolume(volume_id=volume_id))
    assert r.cloud[volumes][volume_id].state is VolumeState.ALLOCATED
    await r.run(ExpungeVm(vm_id=vm_id))
    assert r.cloud[volumes][named("data web")].state is VolumeState.ALLOCATED


# ---- checkpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"half a file"])
async def test_a_checkpoint_that_cannot_be_read_is_left_out(r: Rig, damage: bytes) -> None:
    await running(r)
    path = await r.history.checkpoint()
    assert path is not None
    path.write_bytes(damage)
    again = await History(r.log, path.parent).latest()  # type: ignore[arg-type]
    assert again.digest() == r.cloud.digest()


@pytest.mark.parametrize("column", [b"\x01", b"\xff\xff\xff\xff"])
async def test_a_checkpoint_with_numbers_that_cannot_be_is_left_out(r: Rig, column: bytes) -> None:
    await running(r)
    path = await r.history.checkpoint()
    assert path is not None
    *head, parts = msgspec.msgpack.decode(path.read_bytes())
    addresses = msgspec.msgpack.decode(parts["fold:Addresses"])
    (_, _, _, numbers), *_ = addresses[0]
    numbers[0] = column
    parts["fold:Addresses"] = msgspec.msgpack.encode(addresses)
    path.write_bytes(msgspec.msgpack.encode([*head, parts]))
    again = await History(r.log, path.parent).latest()  # type: ignore[arg-type]
    assert again.digest() == r.cloud.digest()


async def test_a_checkpoint_of_another_past_is_left_out(r: Rig, tmp_path: Path) -> None:
    """The log was restored from a copy that is older than the newest checkpoint."""
    await running(r)
    path = await r.history.checkpoint()
    assert path is not None
    (tmp_path / "old").mkdir()
    async with rig(tmp_path / "old", new_sim()) as older:
        await seed(older)
        again = await History(older.log, path.parent).latest()  # type: ignore[arg-type]
        assert again.digest() == older.cloud.digest()


async def test_a_checkpoint_of_another_log_of_that_length_is_left_out(
    r: Rig, tmp_path: Path
) -> None:
    """The folder of one cloud beside the log of another, as `--store` may have it."""
    await running(r)
    path = await r.history.checkpoint()
    assert path is not None
    (tmp_path / "other").mkdir()
    async with rig(tmp_path / "other", new_sim()) as other:
        await seed(other)
        await running(other)
        assert other.cloud.position >= r.cloud.position
        again = await History(other.log, path.parent).latest()  # type: ignore[arg-type]
        assert again.digest() == other.cloud.digest() != r.cloud.digest()
