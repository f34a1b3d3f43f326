"""Where a guest would be placed now, and what refuses it on each other host and in each pool."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid5

from aggregates.errors import NotAllowed
from engine.affinity import wishes_of
from engine.allocator import Allocator, NothingFits, PlaceRequest, SpaceRequest
from engine.crowding import bounds_of, crowded, policy_for, told
from engine.dedication import Kept, kept_for
from engine.intents.placement import DiskRoom, ExplainPlacement, HostRefused, Placement, PoolRefused
from projections.cloud import Cloud
from projections.zone import zones


def explain(cloud: Cloud, allocator: Allocator, ask: ExplainPlacement) -> Placement:
    """Ask for a place and give it back in the same turn, so that nobody else sees the promise."""
    wishes = wishes_of(cloud, ask.affinity_group_ids, ask.vm_id)
    kept, closed = _kept(cloud, ask)
    full = crowded(cloud, ask.zone_id, ask.cpu_count * ask.cpu_mhz, ask.memory_mib)
    request = PlaceRequest(
        vm_id=ask.id,
        zone_id=ask.zone_id,
        pod_id=ask.pod_id,
        cluster_id=ask.cluster_id,
        host_id=ask.host_id,
        hypervisor=ask.hypervisor,
        cpu_count=ask.cpu_count,
        cpu_mhz=ask.cpu_mhz,
        memory_mib=ask.memory_mib,
        tags=ask.host_tags,
        avoid=wishes.avoid,
        barred=kept.barred,
        only=wishes.only,
        prefer=wishes.prefer or kept.prefers(ask.last_host_id),
        prefer_not=wishes.prefer_not,
        bounds=bounds_of(cloud, ask.zone_id),
        volumes=tuple(_room(ask, number, disk) for number, disk in enumerate(ask.disks)),
        policy=policy_for(cloud, "", ask.zone_id, ask.id),
    )
    why = allocator.explain(request)
    return Placement(
        host_id=None if closed else _chosen(allocator, request),
        counts=why.counts,
        refused=[HostRefused(host_id=r.id, rule=r.reason, text=r.text) for r in why.refusals],
        affinity=wishes.words,
        pools=[*_pools(allocator, request)],
        reasons=(*closed, *told(cloud, full)),
    )


def _kept(cloud: Cloud, ask: ExplainPlacement) -> tuple[Kept, tuple[str, ...]]:
    """What is kept for others, and why nothing of the zone is open, if that is so."""
    if ask.account_id is None:
        return Kept(), ()
    try:
        return kept_for(cloud, ask.account_id, ask.zone_id), ()
    except NotAllowed:
        return Kept(), (f"zone {cloud[zones][ask.zone_id].name} is dedicated to others",)


def _room(ask: ExplainPlacement, number: int, disk: DiskRoom) -> SpaceRequest:
    return SpaceRequest(
        volume_id=uuid5(ask.id, str(number)),
        zone_id=ask.zone_id,
        size_bytes=disk.size_bytes,
        tags=disk.tags,
    )


def _pools(allocator: Allocator, request: PlaceRequest) -> Iterator[PoolRefused]:
    """Each pool of the zone that refuses a disk; once, by the first disk that it refuses."""
    seen = set[UUID]()
    for volume in request.volumes:
        for one in allocator.explain_space(volume).refusals:
            if one.reason != "fits" and one.id not in seen:
                seen.add(one.id)
                yield PoolRefused(pool_id=one.id, rule=one.reason, text=one.text)


def _chosen(allocator: Allocator, request: PlaceRequest) -> UUID | None:
    try:
        return allocator.place(request, request.vm_id).host_id
    except NothingFits:
        return None
    finally:
        allocator.forget(request.vm_id)
