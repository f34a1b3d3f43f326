"""Which cards claimed a MAC address by name: one that no ledger of its zone's range tells of."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from aggregates.ids import uuid5
from aggregates.name import NameClaimed
from projections.address_range import AddressRange
from projections.addresses import Addresses, address_spaces
from projections.cloud import Cloud, projection
from projections.nic import Nics
from projections.vm import vms

_Saved = list[tuple[UUID, list[UUID]]]


@projection
class Macs:
    """Who claimed it, by the ledger of its name. Claims are never released, so some are gone."""

    TOPICS: ClassVar[tuple[str, ...]] = (NameClaimed.TOPIC,)

    def __init__(self) -> None:
        self._claimed: dict[UUID, list[UUID]] = {}

    def claimed_by(self, ledger: UUID) -> list[UUID]:
        return self._claimed.get(ledger, [])

    def fold(self, recorded: Recorded) -> None:
        claimed = recorded.event
        if isinstance(claimed, NameClaimed) and claimed.kind == "mac":
            self._claimed.setdefault(recorded.stream, []).append(claimed.owner)

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(sorted(self._claimed.items()))

    def restore(self, encoded: bytes) -> None:
        self._claimed = dict(msgspec.msgpack.decode(encoded, type=_Saved))


def bears(cloud: Cloud, nic_id: UUID, mac: str) -> bool:
    """Is there such a card now, with this MAC address?"""
    card = cloud.view(Nics).get(nic_id)
    return card is not None and any(
        nic.id == nic_id and nic.mac == mac for nic in cloud[vms][card.vm_id].nics
    )


def let_go_of(cloud: Cloud, zone_id: UUID, mac: str) -> UUID | None:
    """The card that had this MAC address when its guest was let go of: it is kept for that."""
    number, addresses = int(mac.replace(":", ""), 16), cloud.view(Addresses)
    for space in cloud[address_spaces].by("zone_id", zone_id):
        numbers: AddressRange | None = addresses.ranges.get(space.id)
        if space.purpose != "mac" or numbers is None or number not in numbers:
            continue
        held = addresses.holder_of(space.id, number) if numbers.is_taken(number) else None
        # A hold of another key is no card's own: see engine.addresses.
        if held is None or held.hold != uuid5(held.holder, "mac"):
            return None
        return None if held.holder in cloud.view(Nics) else held.holder
    return None
