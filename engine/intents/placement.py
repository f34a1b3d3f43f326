"""What may be asked about where a guest would run. Nothing is promised and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoom:
    """A disk that the guest would have, and the tags that its pool must carry."""

    size_bytes: int
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainPlacement:
    """A guest that does not exist, as it would be asked for. `id` is nobody's."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRefused:
    """A host, the rule that refused the guest, and the figures in words."""

    host_id: UUID
    rule: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The host that would be chosen, if any; how many hosts each rule refuses; the first few.

    `affinity` says what each strict affinity group asks, where there is one.
    """

    host_id: UUID | None
    counts: dict[str, int]
    refused: list[HostRefused] = field(default_factory=list)
    affinity: tuple[str, ...] = ()
