"""Numbers that only one may have at a time: IPv4 and MAC addresses, VLAN ids.

An address space is a range of whole numbers that belongs to a zone, and often to a pod or a
network. Each number has a stream of its own, `address_ledger(space_id, number)`, so two
controllers collide only when they take the very same number.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.ids import uuid5

# Locally administered and unicast, as the two low bits of the first byte say (IEEE 802).
MAC_FIRST = 0x0253_0000_0000
MAC_LAST = 0x0253_FFFF_FFFF


def address_ledger(space_id: UUID, number: int) -> UUID:
    """The stream that tells who has had one number of a space."""
    return uuid5(space_id, str(number))


def mac_text(number: int) -> str:
    """A MAC address as people write it."""
    return number.to_bytes(6, "big").hex(":")


def ip4_text(number: int) -> str:
    """An IPv4 address as people write it."""
    return ".".join(map(str, number.to_bytes(4, "big")))


@aggregate("address_space")
class AddressSpace(Aggregate, kw_only=True):
    """A range of numbers, both ends included. `purpose` says of what: `guest_ip4`, `vlan`, ..."""

    purpose: str
    zone_id: UUID
    pod_id: UUID | None = None
    network_id: UUID | None = None
    physical_network_id: UUID | None = None
    first: int
    last: int
    reserved: list[int] = msgspec.field(default_factory=list)


@event("address_space.created", creates=AddressSpace)
class AddressSpaceCreated(Event, frozen=True, kw_only=True):
    """A range may be handed out, except for the `reserved` numbers (a gateway, for instance)."""

    purpose: str
    zone_id: UUID
    pod_id: UUID | None = None
    network_id: UUID | None = None
    physical_network_id: UUID | None = None
    first: int
    last: int
    reserved: list[int] = msgspec.field(default_factory=list)


@event("address_space.resized")
class AddressSpaceResized(Event, frozen=True, kw_only=True):
    """The range has other ends from now on. Who has a number in both keeps it."""

    first: int
    last: int
    reserved: list[int]


@event("address_space.removed", removes=True)
class AddressSpaceRemoved(Event, frozen=True, kw_only=True):
    """The range is gone, and every hold in it."""


@event("address.taken")
class AddressTaken(Event, frozen=True, kw_only=True):
    """`holder` (a NIC, a network, ...) has this number, under the key of the step that asked."""

    TEXT_IDS: ClassVar[bool] = True

    hold: UUID
    space_id: UUID
    number: int
    holder: UUID
    purpose: str


@event("address.freed")
class AddressFreed(Event, frozen=True, kw_only=True):
    """Nobody has this number any more."""

    TEXT_IDS: ClassVar[bool] = True

    hold: UUID
    space_id: UUID
    number: int
