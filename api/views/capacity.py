"""How much of everything there is, and how much is given away: one row a kind and place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from api.declare import View, view
from projections.addresses import Addresses, address_spaces
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.host import hosts
from projections.image_store import image_stores
from projections.pod import pods
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.zone import zones

MIB = 1024**2

NAMES = {
    0: "MEMORY",
    1: "CPU",
    2: "STORAGE",
    3: "STORAGE_ALLOCATED",
    4: "VIRTUAL_NETWORK_PUBLIC_IP",
    5: "PRIVATE_IP",
    6: "SECONDARY_STORAGE",
    7: "VLAN",
    8: "DIRECT_ATTACHED_PUBLIC_IP",
    9: "LOCAL_STORAGE",
    90: "CPU_CORE",
}
PURPOSES = {"public_ip4": 4, "pod_ip4": 5, "vlan": 7, "guest_ip4": 8}


@dataclass(frozen=True, slots=True)
class Place:
    """The whole of a zone, or of the pod or cluster named."""

    zone_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None

    def holds(self, row: Any) -> bool:
        """Is a host, a pool or an address space in this place?"""
        if self.cluster_id is not None:
            return getattr(row, "cluster_id", None) == self.cluster_id
        if self.pod_id is not None:
            return bool(row.pod_id == self.pod_id)
        return bool(row.zone_id == self.zone_id)


@view
class CapacityView(View, kw_only=True):
    """One kind of capacity in one place."""

    type: Annotated[int, "which kind, as a number"]
    name: Annotated[str, "which kind, as a word"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    pod_id: Annotated[UUID | None, "the pod, if it is about one"] = None
    pod_name: Annotated[str | None, "its name"] = None
    cluster_id: Annotated[UUID | None, "the cluster, if it is about one"] = None
    cluster_name: Annotated[str | None, "its name"] = None
    capacity_allocated: Annotated[int, "how much is promised"]
    capacity_used: Annotated[int, "how much is in use"]
    capacity_total: Annotated[int, "how much there is, overcommit included"]
    percent_used: Annotated[str, "used of total, in percent"]
    tag: Annotated[str | None, "the tag that it is about"] = None


def percent(used: float, total: float) -> str:
    """A share as the wire writes it, without a sign."""
    return f"{100 * used / total:.2f}" if total else "0"


def capacities(cloud: Cloud, place: Place, only: int | None = None) -> list[CapacityView]:
    """Every kind of capacity that a place has, or the one asked for."""
    found = [
        _row(cloud, place, kind, used, total)
        for measure in MEASURES
        for kind, used, total in measure(cloud, place)
    ]
    return [row for row in found if only is None or row.type == only]


def _row(cloud: Cloud, place: Place, kind: int, used: int, total: int) -> CapacityView:
    pod, cluster = cloud[pods].get(place.pod_id), cloud[clusters].get(place.cluster_id)
    if cluster is not None:
        pod = cloud[pods].get(cluster.pod_id)
    return CapacityView(
        type=kind,
        name=NAMES[kind],
        zone_id=place.zone_id,
        zone_name=cloud[zones][place.zone_id].name,
        pod_id=pod.id if pod else None,
        pod_name=pod.name if pod else None,
        cluster_id=cluster.id if cluster else None,
        cluster_name=cluster.name if cluster else None,
        capacity_allocated=used,
        capacity_used=used,
        capacity_total=total,
        percent_used=percent(used, total),
    )


Measured = Iterator[tuple[int, int, int]]


def _compute(cloud: Cloud, place: Place) -> Measured:
    """Memory in bytes and CPU in MHz, summed by the columns that placement uses."""
    view = cloud.view(Capacity)
    if place.cluster_id is not None:
        usage = view.usage("cluster").get(place.cluster_id)
    elif place.pod_id is not None:
        usage = view.usage("pod").get(place.pod_id)
    else:
        usage = view.usage("zone").get(place.zone_id)
    if usage is not None:
        yield 0, usage.used_mib * MIB, usage.offered_mib * MIB
        yield 1, usage.used_mhz, usage.offered_mhz


def _cores(cloud: Cloud, place: Place) -> Measured:
    mine = {row.id: row.cpu_count for row in cloud[hosts] if place.holds(row)}
    if mine:
        held = cloud.view(Capacity).holds.values()
        yield 90, sum(one.cpu_count for one in held if one.host_id in mine), sum(mine.values())


def _storage(cloud: Cloud, place: Place) -> Measured:
    view = cloud.view(Space)
    for kinds, scopes in (((2, 3), ("ZONE", "CLUSTER")), ((9,), ("HOST",))):
        rows = [row for row in cloud[storage_pools] if row.scope in scopes and place.holds(row)]
        if not rows:
            continue
        allocated = sum(view.pools[row.id].used_bytes for row in rows if row.id in view.pools)
        offered = sum(int(row.capacity_bytes * row.overprovision) for row in rows)
        real = sum(row.used_bytes for row in rows), sum(row.capacity_bytes for row in rows)
        for kind in kinds:
            yield (kind, *real) if kind == 2 else (kind, allocated, offered)


def _numbers(cloud: Cloud, place: Place) -> Measured:
    """Addresses and VLANs: what is reserved counts as neither there nor used."""
    if place.cluster_id is not None:
        return
    ranges, sums = cloud.view(Addresses).ranges, dict.fromkeys(PURPOSES, (0, 0))
    for space in cloud[address_spaces].by("zone_id", place.zone_id):
        if space.purpose not in PURPOSES or not place.holds(space):
            continue
        kept = sum(space.first <= number <= space.last for number in set(space.reserved))
        used, total = sums[space.purpose]
        taken = ranges[space.id].taken_count - kept
        sums[space.purpose] = (used + taken, total + space.last - space.first + 1 - kept)
    for purpose, (used, total) in sums.items():
        if total:
            yield PURPOSES[purpose], used, total


def _secondary(cloud: Cloud, place: Place) -> Measured:
    """An image store does not say how large it is, so there is nothing to sum but its being."""
    stores = any(True for _ in cloud[image_stores].by("zone_id", place.zone_id))
    if stores and place.pod_id is None and place.cluster_id is None:
        yield 6, 0, 0


MEASURES: tuple[Callable[[Cloud, Place], Iterable[tuple[int, int, int]]], ...] = (
    _compute,
    _cores,
    _storage,
    _numbers,
    _secondary,
)
