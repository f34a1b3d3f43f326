"""Storage pools: what they offer follows from what is known of them, in the same commit."""

from __future__ import annotations

from uuid import UUID, uuid5

from msgspec.structs import replace

from aggregates.errors import AlreadyExists, InUse, Invalid
from aggregates.space import SpaceSupplied, SpaceWithdrawn
from aggregates.storage_pool import PoolState, StoragePoolRemoved, StoragePoolUpdated
from engine.decide import Desk, decision
from engine.decisions.host import Deciding
from engine.decisions.record import claim, unneeded
from engine.intents.storage_pool import (
    MeasureStoragePool,
    RemoveStoragePool,
    SupplyStoragePool,
    UpdateStoragePool,
)
from projections.cloud import Cloud
from projections.setting import number_of
from projections.snapshot import snapshots
from projections.space import Space
from projections.storage_pool import StoragePool, storage_pools
from projections.volume import volumes

# How much of what a pool offers may be promised before it takes no more volumes.
THRESHOLD = "pool.storage.allocated.capacity.disablethreshold"

# How much of it may really be used before it takes no more volumes.
FULL = "pool.storage.capacity.disablethreshold"


def takes_volumes(cloud: Cloud, pool: StoragePool) -> bool:
    """Whether new volumes may be put into it: it is Up, and not really full."""
    return pool.state is PoolState.UP and not pool.is_fuller_than(
        number_of(cloud, FULL, pool.id, pool.zone_id)
    )


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
        capacity_bytes=pool.offered_bytes,
        threshold=number_of(at.world.cloud, THRESHOLD, pool.id, pool.zone_id),
        overprovision=pool.overprovision,
        tags=list(pool.tags),
        enabled=takes_volumes(at.world.cloud, pool),
    )
    at.add(at.world.allocator.supply_pool(offer, key), key)


@decision
def update(ask: UpdateStoragePool, desk: Desk) -> None:
    pool = desk.row(storage_pools, ask.id)
    is_up = pool.state is PoolState.UP
    was = StoragePoolUpdated(
        name=pool.name,
        tags=pool.tags,
        enabled=is_up,
        limit_bytes=pool.limit_bytes,
        limit_iops=pool.limit_iops,
        details=pool.details,
    )
    said = {name: getattr(ask, name) for name in was.__struct_fields__}
    changed = replace(was, **{name: value for name, value in said.items() if value is not None})
    if ask.enabled is not None:
        pool.may_be_enabled()
    _check_limit(pool, changed.limit_bytes)
    if changed.name != pool.name:
        _rename(pool, changed.name, desk)
    if changed != was:
        desk.change(pool, changed)
        supply_space(desk, pool.id)


def _check_limit(pool: StoragePool, limit_bytes: int | None) -> None:
    if limit_bytes is not None and limit_bytes > pool.capacity_bytes:
        raise Invalid(
            f"storage pool {pool.name} has {pool.capacity_bytes} bytes: it cannot offer more",
            field="capacitybytes",
        )


def _rename(pool: StoragePool, name: str, desk: Desk) -> None:
    """Two pools of a zone do not share a name."""
    if any(one.name == name for one in desk.cloud[storage_pools].by("zone_id", pool.zone_id)):
        raise AlreadyExists(f"this zone has a storage pool {name} already")
    claim("storage_pool", {"zone_id": pool.zone_id, "name": name}, pool.id, desk)


@decision
def measure(ask: MeasureStoragePool, desk: Desk) -> None:
    pool = desk.row(storage_pools, ask.id)
    measured = pool.measure(ask.used_bytes)
    if measured is not None:
        desk.change(pool, measured)
        supply_space(desk, pool.id)


@decision
def supply(ask: SupplyStoragePool, desk: Desk) -> None:
    desk.guard(desk.row(storage_pools, ask.id))
    supply_space(desk, ask.id)


def empty(pool: StoragePool, desk: Desk) -> None:
    """Refuse to remove a pool that a volume lies in, or is just being made in."""
    there = next(iter(desk.cloud[volumes].by("pool_id", pool.id)), None)
    if there is not None:
        raise InUse(f"volume {there.name} lies in pool {pool.name}: remove or move it first")
    kept = next(iter(desk.cloud[snapshots].by("pool_id", pool.id)), None)
    if kept is not None:
        raise InUse(f"snapshot {kept.name} lies in pool {pool.name}: delete it first")
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
