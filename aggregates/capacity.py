"""What hosts offer to guests, and who holds how much of it.

Each host has a ledger stream of its own, `capacity_ledger(host_id)`. Every hold names the version
that it saw there, so of two controllers that fill one host at the same time the log lets one in.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Event, event
from aggregates.ids import uuid5


def capacity_ledger(host_id: UUID) -> UUID:
    """The stream that tells what one host offers and who holds it."""
    return uuid5(host_id, "capacity")


@event("capacity.supplied")
class CapacitySupplied(Event, frozen=True, kw_only=True):
    """All that a host offers from now on; each one replaces the one before.

    `cpu_mhz` is the speed of one core. Overcommit ratios multiply what may be promised.
    """

    host_id: UUID
    zone_id: UUID
    pod_id: UUID
    cluster_id: UUID
    hypervisor: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    tags: list[str] = msgspec.field(default_factory=list)
    enabled: bool = True
    cpu_overcommit: float = 1.0
    memory_overcommit: float = 1.0

    @property
    def offered_mhz(self) -> int:
        """What may be promised to guests, over all cores."""
        return int(self.cpu_count * self.cpu_mhz * self.cpu_overcommit)

    @property
    def offered_mib(self) -> int:
        return int(self.memory_mib * self.memory_overcommit)


@event("capacity.withdrawn")
class CapacityWithdrawn(Event, frozen=True, kw_only=True):
    """The host offers nothing any more. Holds on it stay until they are freed."""

    host_id: UUID


@event("capacity.held")
class CapacityHeld(Event, frozen=True, kw_only=True):
    """A guest was promised room on a host. `cpu_mhz` is the total over its cores.

    `hold` is the key of the saga step that asked: asking again finds this answer, and the undo
    needs nothing else.
    """

    TEXT_IDS: ClassVar[bool] = True

    hold: UUID
    host_id: UUID
    vm_id: UUID
    cpu_count: int
    cpu_mhz: int
    memory_mib: int

    def takes(self) -> tuple[int, int]:
        return self.cpu_mhz, self.memory_mib


@event("capacity.freed")
class CapacityFreed(Event, frozen=True, kw_only=True):
    """The promise is over; its room is free again."""

    TEXT_IDS: ClassVar[bool] = True

    hold: UUID
    host_id: UUID

    def takes(self) -> tuple[int, ...]:
        return ()
