"""Which number of which address space."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from aggregates.errors import AlreadyExists, Exhausted, Invalid
from projections.addresses import Addresses


def choose_number(
    addresses: Addresses, spaces: Sequence[UUID], wanted: int | None
) -> tuple[UUID, int]:
    """A free number of the first space that has one, the lowest where this controller looks first;
    or the `wanted` one if it is free."""
    known = [(one, addresses.ranges[one]) for one in spaces if one in addresses.ranges]
    if wanted is not None:
        space_id = next((one for one, numbers in known if wanted in numbers), None)
        if space_id is None:
            raise Invalid(f"{wanted} lies in none of the address spaces {_listed(spaces)}")
        _refuse_if_taken(addresses, space_id, wanted)
        return space_id, wanted
    for space_id, numbers in known:
        if (free := numbers.free_in_lane(addresses.lane)) is not None:
            return space_id, free
    if not known:
        raise Exhausted(f"none of the address spaces exists: {_listed(spaces)}")
    full = ", ".join(f"{one} ({n.space.purpose}, {n.taken_count} taken)" for one, n in known)
    raise Exhausted(f"no number is free in {full}: release some or add a range")


def _refuse_if_taken(addresses: Addresses, space_id: UUID, number: int) -> None:
    if not addresses.ranges[space_id].is_taken(number):
        return
    taken = addresses.holder_of(space_id, number)
    by = f"taken by {taken.purpose} {taken.holder}" if taken else "reserved, or about to be taken"
    raise AlreadyExists(f"{number} of address space {space_id} is {by}: choose another one")


def _listed(spaces: Sequence[UUID]) -> str:
    return ", ".join(map(str, spaces)) or "(none given)"
