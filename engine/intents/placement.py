"""What may be asked about where a guest would run. Nothing is promised and nothing is written."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field


class DiskRoom(Struct, frozen=True, kw_only=True):
    """A disk that the guest would have, and the tags that its pool must carry."""

    size_bytes: int
    tags: frozenset[str] = frozenset()


class ExplainPlacement(Struct, frozen=True, kw_only=True):
    """A guest as it would be asked for. `id` is nobody's.

    `account_id` is whom it would belong to; without one, nothing is kept for others. `vm_id` is a
    guest that exists, which its own affinity groups do not keep from where it is.
    """

    id: UUID
    zone_id: UUID
    hypervisor: str | None
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    host_tags: frozenset[str] = frozenset()
    disks: tuple[DiskRoom, ...] = ()
    affinity_group_ids: tuple[UUID, ...] = ()
    account_id: UUID | None = None
    vm_id: UUID | None = None
    last_host_id: UUID | None = None


class HostRefused(Struct, frozen=True, kw_only=True):
    """A host, the rule that refused the guest, and the figures in words."""

    host_id: UUID
    rule: str
    text: str


class PoolRefused(Struct, frozen=True, kw_only=True):
    """A pool, the rule by which it refused a disk, and the figures in words."""

    pool_id: UUID
    rule: str
    text: str


class Placement(Struct, frozen=True, kw_only=True):
    """The host that would be chosen, if any; how many hosts each rule refuses; the first few.

    `affinity` says what each strict affinity group asks, where there is one; `reasons` are what
    closes a whole zone or cluster to it.
    """

    host_id: UUID | None
    counts: dict[str, int]
    refused: list[HostRefused] = field(default_factory=list)
    affinity: tuple[str, ...] = ()
    pools: list[PoolRefused] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
