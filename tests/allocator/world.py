"""An allocator beside a log in memory that checks expected versions as the real one does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID, uuid5

from msgspec.structs import replace

from aggregates.address import AddressSpaceCreated
from aggregates.base import Event, Recorded
from aggregates.capacity import CapacitySupplied
from aggregates.errors import Conflict
from aggregates.space import SpaceSupplied
from engine.allocator import Allocator, Decision, PlaceRequest
from engine.log import Append
from engine.log.others import Others
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.space import Space

ROOT = UUID("5a6a57ac-0000-4000-8000-000000000000")
D = TypeVar("D", bound=Decision)


def named(name: str) -> UUID:
    """The same id for the same name, always."""
    return uuid5(ROOT, name)


ZONE, POD, CLUSTER = named("zone"), named("pod"), named("cluster")


def host(name: str, **changes: object) -> CapacitySupplied:
    """An enabled KVM host of 4 cores of 1000 MHz and 4096 MiB."""
    fields: dict[str, object] = {
        "host_id": named(name),
        "zone_id": ZONE,
        "pod_id": POD,
        "cluster_id": CLUSTER,
        "hypervisor": "KVM",
        "cpu_count": 4,
        "cpu_mhz": 1000,
        "memory_mib": 4096,
    }
    return CapacitySupplied(**(fields | changes))  # type: ignore[arg-type]


def pool(name: str, **changes: object) -> SpaceSupplied:
    """An enabled pool of 1000 bytes for the whole zone."""
    fields: dict[str, object] = {"pool_id": named(name), "zone_id": ZONE, "capacity_bytes": 1000}
    return SpaceSupplied(**(fields | changes))  # type: ignore[arg-type]


def guest(name: str = "guest", **changes: object) -> PlaceRequest:
    """A KVM guest of one core of 1000 MHz and 1024 MiB: four of them fill a host."""
    fields: dict[str, object] = {
        "vm_id": named(name),
        "zone_id": ZONE,
        "hypervisor": "KVM",
        "cpu_count": 1,
        "cpu_mhz": 1000,
        "memory_mib": 1024,
    }
    return PlaceRequest(**(fields | changes))  # type: ignore[arg-type]


def joined(decisions: Iterable[Decision]) -> list[Append]:
    """Every append of several decisions, one entry a stream, to commit together."""
    streams: dict[UUID, Append] = {}
    for decision in decisions:
        for write in decision.appends:
            stream, expected, slack = write.stream, write.expected, write.slack
            first = streams.get(stream, Append(stream, expected, ()))
            assert slack is not None or expected == first.expected + len(first.events)
            streams[stream] = replace(first, events=(*first.events, write.event), slack=slack)
    return list(streams.values())


class World:
    """One controller: a log, the cloud that follows it, and an allocator over its folds."""

    def __init__(self) -> None:
        self.log: list[Recorded] = []
        self.versions: dict[UUID, int] = {}
        self.others = Others()
        self.cloud = Cloud()
        self.capacity, self.space = self.cloud.view(Capacity), self.cloud.view(Space)
        self.addresses = self.cloud.view(Addresses)
        self.allocator = Allocator(self.capacity, self.space, self.addresses)

    def commit(self, *decisions: Decision, decided_at: int | None = None) -> None:
        """Append all or nothing, then fold. It was decided just now, if not at another position."""
        at = len(self.log) if decided_at is None else decided_at
        appends = joined(decisions)
        for append in appends:
            actual = self.versions.get(append.stream, 0)
            if actual != append.expected and not self.others.leave_room(append, at):
                raise Conflict(f"{append.stream} is at {actual}, not {append.expected}")
        for append in appends:
            self.record(append.stream, append.events, ours=True)

    def done(self, decision: D) -> D:
        """Commit one decision and answer with it."""
        self.commit(decision)
        return decision

    def record(self, stream: UUID, events: Iterable[Event], *, ours: bool = False) -> None:
        """Put events at the end of a stream; they are another controller's unless `ours`."""
        for happened in events:
            version = self.versions[stream] = self.versions.get(stream, 0) + 1
            position = len(self.log) + 1
            self.log.append(
                Recorded(
                    position=position,
                    stream=stream,
                    version=version,
                    at_ms=position,
                    event=happened,
                )
            )
            self.cloud.fold(self.log[-1:])
            if not ours:
                self.others.note(self.log[-1:])

    def supply(self, *rows: CapacitySupplied | SpaceSupplied) -> None:
        for row in rows:
            key = named(f"supply {len(self.log)}")
            if isinstance(row, CapacitySupplied):
                self.commit(self.allocator.supply_host(row, key))
            else:
                self.commit(self.allocator.supply_pool(row, key))

    def add_range(self, name: str, first: int, last: int, *reserved: int) -> UUID:
        """Create an address space."""
        space_id = named(name)
        created = AddressSpaceCreated(
            purpose="guest_ip4", zone_id=ZONE, first=first, last=last, reserved=list(reserved)
        )
        self.record(space_id, [created])
        return space_id

    def rebuilt(self) -> Cloud:
        """Another cloud, folded from the log."""
        cloud = Cloud()
        cloud.fold(self.log)
        return cloud
