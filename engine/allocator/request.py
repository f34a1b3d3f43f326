"""What may be asked of the allocator, and what it answers."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from aggregates.base import Event
from engine.allocator.policy import Policy, first_fit
from projections.cluster_sums import Bounds


class SpaceRequest(Struct, frozen=True, kw_only=True, gc=False):
    """Room for one volume, in a pool that its host reaches.

    Leave `host_id` out for a volume that no guest uses yet: then a pool of any host may serve.
    """

    volume_id: UUID
    zone_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    pool_id: UUID | None = None
    size_bytes: int
    tags: frozenset[str] = frozenset()
    avoid: frozenset[UUID] = frozenset()


class PlaceRequest(Struct, frozen=True, kw_only=True, gc=False):
    """Room for one guest. `cpu_mhz` is the speed of each of its cores.

    `avoid` and `only` are rules (anti-affinity, hosts that failed already), and so is `barred`:
    hosts that are kept for others.
    `prefer` and `prefer_not` are wishes, dropped when nothing fits otherwise. `crowded` are
    clusters that take no new guest, and `bounds` what those are promised at most that do, unless a
    host was named. `volumes` are what the host must reach storage for; they are not held by this.
    """

    vm_id: UUID
    zone_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    hypervisor: str | None = None
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    tags: frozenset[str] = frozenset()
    avoid: frozenset[UUID] = frozenset()
    barred: frozenset[UUID] = frozenset()
    only: frozenset[UUID] | None = None
    prefer: frozenset[UUID] = frozenset()
    prefer_not: frozenset[UUID] = frozenset()
    crowded: frozenset[UUID] = frozenset()
    bounds: Bounds | None = None
    volumes: tuple[SpaceRequest, ...] = ()
    policy: Policy = first_fit


class GrowRequest(Struct, frozen=True, kw_only=True, gc=False):
    """More room for a guest on the host where it runs. `cpu_count` is what it will have in all."""

    vm_id: UUID
    host_id: UUID
    cpu_count: int
    more_cores: int
    more_mhz: int
    more_mib: int


class Write(Struct, frozen=True, gc=False):
    """One event for one stream, and the version that the stream must have before it.

    With `slack` others may have come first, if they took no more than that.
    """

    stream: UUID
    expected: int
    event: Event
    slack: tuple[int, ...] | None = None


class Decision(Struct, frozen=True, gc=False):
    """What to commit. Nothing to commit means that the log says so already."""

    appends: tuple[Write, ...]


class HostDecision(Decision, frozen=True, gc=False):
    """The host that a guest was promised room on."""

    host_id: UUID


class PoolDecision(Decision, frozen=True, gc=False):
    """The pool that a volume was promised room in."""

    pool_id: UUID


class AddressDecision(Decision, frozen=True, gc=False):
    """The number that its holder was promised, and the space that it is from."""

    space_id: UUID
    number: int
