"""Address spaces as parts of the nouns that own them: opened and closed in the same commit."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aggregates.address import (
    AddressSpace,
    AddressSpaceCreated,
    AddressSpaceRemoved,
    AddressSpaceResized,
)
from aggregates.errors import InUse
from engine.decide import Desk
from projections.addresses import Addresses, address_spaces


def open_space(
    desk: Desk,
    space_id: UUID,
    *,
    purpose: str,
    zone_id: UUID,
    first: int,
    last: int,
    pod_id: UUID | None = None,
    network_id: UUID | None = None,
    physical_network_id: UUID | None = None,
) -> None:
    """Numbers from `first` to `last` may be handed out from now on."""
    made = AddressSpaceCreated(
        purpose=purpose,
        zone_id=zone_id,
        pod_id=pod_id,
        network_id=network_id,
        physical_network_id=physical_network_id,
        first=first,
        last=last,
    )
    desk.create(space_id, made)


def close_space(desk: Desk, space: AddressSpace, what: str) -> None:
    """End a space; `InUse` while anybody has a number of it."""
    taken = taken_in(desk, space)
    if taken:
        raise InUse(f"{taken} of the {what} are taken: free them first")
    desk.change(space, AddressSpaceRemoved())


def resize_space(
    desk: Desk, space: AddressSpace, first: int, last: int, reserved: Iterable[int]
) -> None:
    """Give a space other ends; every number that anybody has stays within them."""
    kept = list(reserved)
    taken = set(desk.cloud.view(Addresses).ranges[space.id].taken_numbers())
    lost = [n for n in taken - set(space.reserved) if not first <= n <= last or n in kept]
    if lost:
        raise InUse(f"{len(lost)} addresses outside the new range are taken: free them first")
    desk.change(space, AddressSpaceResized(first=first, last=last, reserved=kept))


def taken_in(desk: Desk, space: AddressSpace) -> int:
    """How many numbers somebody has, or is promised."""
    return desk.cloud.view(Addresses).ranges[space.id].taken_count - len(set(space.reserved))


def spaces_of(desk: Desk, attribute: str, value: UUID, purpose: str) -> list[AddressSpace]:
    """The spaces of one purpose that a zone, pod or network has, lowest first."""
    rows = desk.cloud[address_spaces].by(attribute, value)
    return sorted((one for one in rows if one.purpose == purpose), key=lambda one: one.first)
