"""What storage pools offer to volumes, and who holds how much of it.

The same idea as `capacity`: one ledger stream a pool, and the expected version settles a race.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Event, event
from aggregates.ids import uuid5


def space_ledger(pool_id: UUID) -> UUID:
    """The stream that tells what one pool offers and who holds it."""
    return uuid5(pool_id, "space")


@event("space.supplied")
class SpaceSupplied(Event, frozen=True, kw_only=True):
    """All that a pool offers from now on; each one replaces the one before.

    No more than the share `threshold` of it is promised to volumes that are not in it yet: the
    rest is for those that grow. A pool serves the narrowest scope that it names: a host, a
    cluster, a pod, or the whole zone.
    """

    pool_id: UUID
    zone_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    capacity_bytes: int
    overprovision: float = 1.0
    tags: list[str] = msgspec.field(default_factory=list)
    enabled: bool = True
    threshold: float = 1.0

    @property
    def scope(self) -> UUID:
        """The narrowest place that it names."""
        return self.host_id or self.cluster_id or self.pod_id or self.zone_id

    @property
    def offered_bytes(self) -> int:
        """What may be promised to volumes."""
        return int(self.capacity_bytes * self.overprovision)


@event("space.withdrawn")
class SpaceWithdrawn(Event, frozen=True, kw_only=True):
    """The pool offers nothing any more. Holds on it stay until they are freed."""

    pool_id: UUID


@event("space.held")
class SpaceHeld(Event, frozen=True, kw_only=True):
    """A volume was promised room in a pool, under the key of the step that asked."""

    TEXT_IDS: ClassVar[bool] = True

    hold: UUID
    pool_id: UUID
    volume_id: UUID
    size_bytes: int

    def takes(self) -> tuple[int]:
        return (self.size_bytes,)


@event("space.freed")
class SpaceFreed(Event, frozen=True, kw_only=True):
    """The promise is over; its room is free again."""

    TEXT_IDS: ClassVar[bool] = True

    hold: UUID
    pool_id: UUID

    def takes(self) -> tuple[int, ...]:
        return ()
