"""Move a running virtual machine to another host with disks that the host does not share.

The disks are copied while the guest runs. What they were copied from goes before the log says
that the guest has moved, so the guest is this job's until nothing is left where it came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aggregates.errors import NotAllowed
from aggregates.host import Host
from aggregates.vm import Vm, VmMigrated, VmState, VmWorkEnded
from aggregates.volume import Volume, VolumeMoved, VolumeState
from drivers.contract.compute import DiskMove
from drivers.contract.errors import Refused, Unknown
from engine.abilities import demand
from engine.allocator import SpaceRequest
from engine.disks import pool_spec, pool_tags, space_key
from engine.guests import disks_of, free_capacity, take_room_elsewhere
from engine.intents.vm_life import MigrateVmWithVolumes
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.cloud import Cloud
from projections.host import hosts
from projections.storage_pool import is_reached, storage_pools
from projections.vm import vms
from projections.volume import volumes

migrate_with_volumes = Saga(
    "vm.migrate_storage:1", MigrateVmWithVolumes, subject="vm", subject_id=lambda ask: ask.vm_id
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The host, the hold on it, and for each disk that goes along its pool to be."""

    host_id: UUID
    hold: UUID
    pools: dict[UUID, UUID]


def tied(cloud: Cloud, host: Host, disks: list[Volume]) -> list[Volume]:
    """The disks on pools that the host does not reach: they must go along."""
    known = cloud[storage_pools]
    return [
        disk
        for disk in disks
        if disk.pool_id is not None and not is_reached(known[disk.pool_id], host)
    ]


def _vm(run: Run[MigrateVmWithVolumes]) -> Vm:
    return run.row(vms, run.intent.vm_id)


@migrate_with_volumes.step
def begin(run: Run[MigrateVmWithVolumes]) -> None:
    vm = _vm(run)
    refuse_while_kept(run.cloud, vm, "keeps its disks where they are")
    begun = vm.begin(VmState.MIGRATING, run.id, VmState.RUNNING)
    demand(run, vm.hypervisor, "storage_migration", "migrate_guest")
    for volume_id in run.intent.pools:
        volume = run.row(volumes, volume_id)
        if volume.vm_id != vm.id or volume.state is not VolumeState.READY:
            raise NotAllowed(f"volume {volume.name} is no Ready disk of virtual machine {vm.name}")
    run.change(vm, begun)


@begin.undo
def give_up(run: Run[MigrateVmWithVolumes]) -> None:
    run.change(_vm(run), VmWorkEnded())


@migrate_with_volumes.step
def hold_room(run: Run[MigrateVmWithVolumes]) -> Plan:
    """Room on the host, and in pools that it reaches for the disks that go along."""
    vm, ask = _vm(run), run.intent
    host = run.row(hosts, take_room_elsewhere(run, vm, run.key, host_id=ask.host_id))
    disks = disks_of(run, vm.id)
    along = {disk.id: disk for disk in tied(run.cloud, host, disks)}
    along |= {d.id: d for d in disks if ask.pools.get(d.id) not in (None, d.pool_id)}
    return Plan(host.id, run.key, {d.id: _pool_for(run, vm, host, d) for d in along.values()})


def _pool_for(run: Run[MigrateVmWithVolumes], vm: Vm, host: Host, disk: Volume) -> UUID:
    hold = space_key(run.key, disk.id)
    request = SpaceRequest(
        volume_id=disk.id,
        zone_id=disk.zone_id,
        pod_id=host.pod_id,
        cluster_id=host.cluster_id,
        host_id=host.id,
        pool_id=run.intent.pools.get(disk.id),
        size_bytes=disk.size_bytes,
        tags=pool_tags(run, disk, vm),
        avoid=frozenset({disk.pool_id} if disk.pool_id else ()),
    )
    chosen = run.world.allocator.take_space(request, hold)
    run.add(chosen, hold)
    run.guard(run.row(storage_pools, chosen.pool_id))
    return chosen.pool_id


@hold_room.undo
def free_room(run: Run[MigrateVmWithVolumes]) -> None:
    run.add(run.world.allocator.release(run.key), run.key)
    for disk in disks_of(run, run.intent.vm_id):
        hold = space_key(run.key, disk.id)
        run.add(run.world.allocator.release_space(hold), hold)


@migrate_with_volumes.step
async def open_pools(run: Run[MigrateVmWithVolumes]) -> None:
    plan = run[hold_room]
    target = await run.world.hosts.session(plan.host_id)
    for pool_id in set(plan.pools.values()):
        await target.open_pool(pool_spec(run, pool_id))


@open_pools.undo
async def remove_copies(run: Run[MigrateVmWithVolumes]) -> None:
    """What a move that was refused had copied so far."""
    plan = run[hold_room]
    target = await run.world.hosts.session(plan.host_id)
    for volume_id, pool_id in plan.pools.items():
        await target.remove_disk(pool_spec(run, pool_id), volume_id, key=run.key)


@migrate_with_volumes.step(
    timeout_s=14_400,
    pivot=True,
    no_undo="a guest that has arrived with its disks is not sent back",
)
async def move(run: Run[MigrateVmWithVolumes]) -> dict[UUID, str]:
    """Says where each copy is.

    A guest that died where it came to has moved all the same: it wrote to the copies.
    """
    vm, plan = _vm(run), run[hold_room]
    assert vm.host_id is not None
    source = await run.world.hosts.session(vm.host_id)
    arrived = await run.world.hosts.session(plan.host_id)
    moves = tuple(
        DiskMove(
            volume_id=volume_id,
            pool=pool_spec(run, pool_id),
            size_bytes=run.row(volumes, volume_id).size_bytes,
        )
        for volume_id, pool_id in plan.pools.items()
    )
    target = await run.world.hosts.address(plan.host_id)
    if await source.find_guest(vm.id) is not None or await arrived.find_guest(vm.id) is None:
        await source.migrate_guest(vm.id, target, key=run.key, moves=moves)
    try:
        found = {one.volume_id: await arrived.find_disk(one.pool, one.volume_id) for one in moves}
    except Refused as refused:  # what is refused now is not the move
        raise Unknown(f"the guest has moved, and its disks are not told: {refused}") from refused
    return {volume_id: "" if one is None else one.path for volume_id, one in found.items()}


@migrate_with_volumes.step(timeout_s=600, no_undo="what was copied is not needed any more")
async def remove_originals(run: Run[MigrateVmWithVolumes]) -> None:
    for volume_id in run[hold_room].pools:
        old = run.row(volumes, volume_id).pool_id
        assert old is not None
        session, pool = await run.world.hosts.with_pool(old)
        await session.remove_disk(pool, volume_id, key=run.key)


@migrate_with_volumes.step(no_undo="the last step: nothing after it can fail")
def moved(run: Run[MigrateVmWithVolumes]) -> None:
    vm, plan, paths = _vm(run), run[hold_room], run[move]
    for volume_id, pool_id in plan.pools.items():
        disk = run.row(volumes, volume_id)
        for hold in disk.holds:
            run.add(run.world.allocator.release_space(hold), hold)
        held = space_key(plan.hold, volume_id)
        run.change(disk, VolumeMoved(pool_id=pool_id, path=paths[volume_id], hold=held))
    free_capacity(run, vm)
    run.change(vm, VmMigrated(host_id=plan.host_id, hold=plan.hold))
