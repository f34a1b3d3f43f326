"""How much of everything there is in a place, and how much of it is given away.

Kinds are CloudStack's numbers. Each measure reads the ledgers' folds; nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from projections.addresses import Addresses, address_spaces
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.host import hosts
from projections.image_store import image_stores
from projections.picked import Picked
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.table import R, Table

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
    """The whole of a zone, or of the pod or cluster named; with a tag, only what carries it."""

    zone_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    tag: str = ""

    def among(self, table: Table[R]) -> Picked[R]:
        """The rows of a table that are in this place, found by an index."""
        named = {"cluster_id": self.cluster_id, "pod_id": self.pod_id, "zone_id": self.zone_id}
        mine = table.by(*next(pair for pair in named.items() if pair[1] is not None))
        tagged = [lambda row: self.tag in getattr(row, "tags", ())]
        return mine.passing(tagged if self.tag else ())


Measured = Iterator[tuple[int, int, int]]


def _compute(cloud: Cloud, place: Place) -> Measured:
    """Memory in bytes and CPU in MHz, summed by the columns that placement uses."""
    usage = cloud.view(Capacity).usage_on(place.among(cloud[hosts]).numbers)
    if usage is not None:
        yield 0, usage.used_mib * MIB, usage.offered_mib * MIB
        yield 1, usage.used_mhz, usage.offered_mhz


def _cores(cloud: Cloud, place: Place) -> Measured:
    mine = place.among(cloud[hosts])
    if mine:
        used = cloud.view(Capacity).cores_on(mine.numbers)
        yield 90, used, sum(row.cpu_count for row in mine)


def _storage(cloud: Cloud, place: Place) -> Measured:
    view, mine = cloud.view(Space), place.among(cloud[storage_pools])
    for kinds, scopes in (((2, 3), ("ZONE", "CLUSTER")), ((9,), ("HOST",))):
        rows = [row for row in mine if row.scope in scopes]
        if not rows:
            continue
        allocated = sum(view.pools[row.id].used_bytes for row in rows if row.id in view.pools)
        offered = sum(int(row.capacity_bytes * row.overprovision) for row in rows)
        real = sum(row.used_bytes for row in rows), sum(row.capacity_bytes for row in rows)
        for kind in kinds:
            yield (kind, *real) if kind == 2 else (kind, allocated, offered)


def _numbers(cloud: Cloud, place: Place) -> Measured:
    """Addresses and VLANs: what is reserved counts as neither there nor used."""
    if place.cluster_id is not None or place.tag:
        return
    ranges, sums = cloud.view(Addresses).ranges, dict.fromkeys(PURPOSES, (0, 0))
    for space in place.among(cloud[address_spaces]):
        if space.purpose not in PURPOSES:
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
    if stores and not place.tag and place.pod_id is None and place.cluster_id is None:
        yield 6, 0, 0


MEASURES: tuple[Callable[[Cloud, Place], Iterable[tuple[int, int, int]]], ...] = (
    _compute,
    _cores,
    _storage,
    _numbers,
    _secondary,
)


def measured(cloud: Cloud, place: Place, only: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Kind, used and total of each kind of capacity that a place has, or of the one asked for."""
    for measure in MEASURES:
        yield from (found for found in measure(cloud, place) if only in (None, found[0]))


def place_of(cloud: Cloud, kind: str, row_id: UUID) -> Place:
    """A zone, pod or cluster by its id."""
    row = cloud.table(kind)[row_id]
    if kind == "zone":
        return Place(row.id)
    return Place(row.zone_id, row.id) if kind == "pod" else Place(row.zone_id, row.pod_id, row.id)
