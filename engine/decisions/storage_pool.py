"""Storage pools: what they offer follows from what is known of them, in the same commit."""

from __future__ import annotations

from uuid import UUID, uuid5

from aggregates.errors import InUse
from aggregates.space import SpaceSupplied, SpaceWithdrawn
from aggregates.storage_pool import PoolState, StoragePoolRemoved, StoragePoolUpdated
from engine.decide import Desk, decision
from engine.decisions.host import Deciding
from engine.decisions.record import unneeded
from engine.intents.storage_pool import MaintainStoragePool, RemoveStoragePool, UpdateStoragePool
from projections.space import Space
from projections.storage_pool import StoragePool, storage_pools
from projections.vm import vms
from projections.volume import volumes


def supply_space(at: Deciding, pool_id: UUID) -> None:
    """Say what a pool offers, as this commit leaves it."""
    pool = at.row(storage_pools, pool_id)
    key = uuid5(pool.id, "supply")
    offer = SpaceSupplied(
        pool_id=pool.id,
        zone_id=pool.zone_id,
        pod_id=pool.pod_id,
        cluster_id=pool.cluster_id,
        host_id=pool.host_id,
        capacity_bytes=pool.capacity_bytes,
        overprovision=pool.overprovision,
        tags=list(pool.tags),
        enabled=pool.state is PoolState.UP,
    )
    at.add(at.world.allocator.supply_pool(offer, key), key)


@decision
def update(ask: UpdateStoragePool, desk: Desk) -> None:
    pool = desk.row(storage_pools, ask.id)
    is_up = pool.state is PoolState.UP
    changed = StoragePoolUpdated(
        name=pool.name if ask.name is None else ask.name,
        tags=pool.tags if ask.tags is None else ask.tags,
        enabled=is_up if ask.enabled is None else ask.enabled,
    )
    if ask.enabled is not None:
        pool.may_be_enabled()
    if changed != StoragePoolUpdated(name=pool.name, tags=pool.tags, enabled=is_up):
        desk.change(pool, changed)
        supply_space(desk, pool.id)


def empty(pool: StoragePool, desk: Desk) -> None:
    """Refuse to remove a pool that a volume lies in, or is just being made in."""
    there = next(iter(desk.cloud[volumes].by("pool_id", pool.id)), None)
    if there is not None:
        raise InUse(f"volume {there.name} lies in pool {pool.name}: remove or move it first")
    if desk.cloud.view(Space).is_used(pool.id):
        raise InUse(f"a volume is just being made in pool {pool.name}: wait for it")
    unneeded("storage_pool", pool, desk)


@decision
def remove(ask: RemoveStoragePool, desk: Desk) -> None:
    pool = desk.row(storage_pools, ask.id)
    pool.idle()
    empty(pool, desk)
    desk.change(pool, StoragePoolRemoved())
    key = uuid5(pool.id, "supply")
    desk.add(desk.world.allocator.supply_pool(SpaceWithdrawn(pool_id=pool.id), key), key)


@decision
def maintain(ask: MaintainStoragePool, desk: Desk) -> None:
    pool = desk.row(storage_pools, ask.id)
    for volume in desk.cloud[volumes].by("pool_id", pool.id) if ask.begin else ():
        vm = desk.cloud[vms].get(volume.vm_id)
        if vm is not None and vm.host_id is not None:
            raise InUse(
                f"virtual machine {vm.name} runs from pool {pool.name}: stop it first, and every "
                "other that does"
            )
    desk.change(pool, pool.begin_maintenance() if ask.begin else pool.end_maintenance())
    supply_space(desk, pool.id)
