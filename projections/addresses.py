"""Which numbers are taken, and by whom: the fold of the address ledgers.

As with `capacity`, decisions are marked at once and confirmed by their events; what is saved
holds only what the log holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import numpy as np

from aggregates.address import (
    AddressFreed,
    AddressSpace,
    AddressSpaceCreated,
    AddressSpaceRemoved,
    AddressSpaceResized,
    AddressTaken,
    address_ledger,
)
from aggregates.base import Recorded
from aggregates.ids import id_of
from projections.address_range import AddressRange, SavedNumbers
from projections.cloud import projection
from projections.interned import Interned
from projections.pending import Pending
from projections.promises import Promises, as_id
from projections.table import table

address_spaces = table(
    AddressSpace, indexed=("zone_id", "pod_id", "network_id", "physical_network_id", "purpose")
)


class _SavedRange(msgspec.Struct, frozen=True, array_like=True):
    space_id: UUID
    space: AddressSpaceCreated
    place: int
    numbers: SavedNumbers


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    ranges: list[_SavedRange]
    range_count: int
    purposes: list[str]
    holds: bytes


@projection
class Addresses(Promises[AddressTaken]):
    """Ranges by space, numbers by hold."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        e.TOPIC
        for e in (
            AddressSpaceCreated,
            AddressSpaceResized,
            AddressSpaceRemoved,
            AddressTaken,
            AddressFreed,
        )
    )

    lane = 0
    """Where this controller looks first; one alone begins at the lowest number."""

    HELD, FREED = AddressTaken, AddressFreed
    FIELDS: ClassVar[Mapping[str, str]] = {
        "holder": "16s", "place": "I", "purpose": "H", "number": "q"
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.ranges: dict[UUID, AddressRange] = {}
        # A record names a space by its place among all that there ever were.
        self._places: dict[UUID, int] = {}
        self._spaces: dict[int, UUID] = {}
        self._range_count = 0
        self._purposes: Interned[str] = Interned()

    def fold(self, recorded: Recorded) -> None:
        """Let one event of a ledger, or of a space, happen."""
        happened = recorded.event
        if isinstance(happened, AddressTaken):
            self._take(happened, recorded.version, self.pendings.settle(recorded))
        elif isinstance(happened, AddressFreed):
            self.pendings.settle(recorded)
            self._free(happened, recorded.version)
        elif isinstance(happened, AddressSpaceCreated):
            self._place(recorded.stream, self._range_count, AddressRange(happened))
            self._range_count += 1
        elif isinstance(happened, AddressSpaceResized):
            self._resize(recorded.stream, happened)
        elif isinstance(happened, AddressSpaceRemoved):
            self._remove(recorded.stream)

    def _hold_past(self, recorded: Recorded) -> None:
        taken: Any = recorded.event
        numbers, place = self._range_past(taken.space_id)
        if numbers is None:
            return
        number, purpose = taken.number, self._purposes.number(taken.purpose)
        numbers.set_version(number, recorded.version)
        is_new = self._keep_late(taken.hold, taken.holder, place, purpose, number)
        if is_new and not numbers.is_taken(number):
            numbers.take(number)

    def _free_past(self, recorded: Recorded) -> None:
        freed: Any = recorded.event
        numbers, place = self._range_past(freed.space_id)
        if numbers is None:
            return
        number = freed.number
        numbers.set_version(number, recorded.version)
        found = self._kept(freed.hold)
        if found is not None and (found[1], found[3]) == (place, number):
            self._drop(freed.hold)
            numbers.free(number)

    def _range_past(self, space_id: UUID | str) -> tuple[AddressRange | None, int]:
        """The numbers of a space and its place; those of one that is gone are None."""
        found: tuple[AddressRange | None, int] | None = self._named.get(space_id)
        if found is None:
            known = as_id(space_id)
            found = self._named[space_id] = self.ranges.get(known), self._places.get(known, -1)
        return found

    def holder_of(self, space_id: UUID, number: int) -> AddressTaken | None:
        """Who has a number. Looks through all holds: for messages, not for the hot path."""
        held, place = self._packed.columns(), self._places.get(space_id)
        if place is None:
            return None
        found = held["key"][(held["place"] == place) & (held["number"] == number)]
        return self.holds[_number(found[0])] if len(found) else None

    def promise(self, taken: AddressTaken) -> Pending:
        """Mark a decision at once, so that the next one of this turn counts it."""
        numbers = self.ranges[taken.space_id]
        numbers.take(taken.number)
        stream = address_ledger(taken.space_id, taken.number)
        pendings, version = self.pendings, numbers.version(taken.number)
        return pendings.add(pendings.takes, taken.hold.int, stream, version, taken)

    def forget(self, hold: UUID) -> None:
        """Take back whatever is pending under this key; its commit failed."""
        pendings = self.pendings
        for book in (pendings.frees, pendings.takes):
            pending = book.get(hold.int)
            if pending is None:
                continue
            pendings.forget(pending)
            if (promised := self._promised(pending)) is not None:
                self.ranges[promised.space_id].free(promised.number)

    def encode(self) -> bytes:
        """What the log says, without what is pending."""
        promised: dict[UUID, list[int]] = {space_id: [] for space_id in self.ranges}
        for pending in self.pendings.takes.values():
            taken = self._promised(pending)
            if taken is not None:
                promised[taken.space_id].append(taken.number)
        ranges = [
            _SavedRange(
                space_id, numbers.space, self._places[space_id], numbers.saved(promised[space_id])
            )
            for space_id, numbers in self.ranges.items()
        ]
        kept = self._range_count, self._purposes.values, self._packed.saved()
        return msgspec.msgpack.encode(_Saved(ranges, *kept))

    def restore(self, encoded: bytes) -> None:
        """Take over a checkpoint."""
        saved = msgspec.msgpack.decode(encoded, type=_Saved)
        self._begin_anew()
        for one in saved.ranges:
            numbers = AddressRange(one.space)
            self._place(one.space_id, one.place, numbers)
            numbers.restore(one.numbers)
        self._range_count, self._purposes = saved.range_count, Interned(saved.purposes)
        self._take_over(saved.holds)

    def _place(self, space_id: UUID, place: int, numbers: AddressRange) -> None:
        self._named.clear()
        self.ranges[space_id], self._places[space_id] = numbers, place
        self._spaces[place] = space_id

    def _promised(self, pending: Pending) -> AddressTaken | None:
        """The number that only this promise marks.

        A doomed one lost its number to another controller, whose event marks it now.
        """
        taken = pending.event
        if pending.doomed or not isinstance(taken, AddressTaken):
            return None
        return taken if taken.space_id in self.ranges else None

    def _take(self, taken: AddressTaken, version: int, mine: Pending | None) -> None:
        numbers = self.ranges.get(taken.space_id)
        if numbers is None:
            return
        numbers.set_version(taken.number, version)
        if not self._keep(taken):
            if mine is not None:
                numbers.free(taken.number)
            return
        # Another controller may take the number that was promised here: it is marked already.
        if mine is None and not numbers.is_taken(taken.number):
            numbers.take(taken.number)

    def _free(self, freed: Any, version: int) -> None:
        numbers = self.ranges.get(freed.space_id)
        if numbers is None:
            return
        numbers.set_version(freed.number, version)
        hold = freed.hold.int
        found = self._packed.get(hold)
        if found is None:
            return
        _, place, _, number = found
        if number == freed.number and place == self._places[freed.space_id]:
            self._packed.remove(hold)
            numbers.free(number)

    def _keep(self, taken: AddressTaken) -> bool:
        """Keep a promise; False if its key holds something."""
        purpose, place = self._purposes.number(taken.purpose), self._places[taken.space_id]
        holder = taken.holder.int.to_bytes(16, "big")
        return self._packed.put(taken.hold.int, holder, place, purpose, taken.number)

    def _promise_of(self, hold: UUID, *fields: Any) -> AddressTaken:
        holder, place, purpose, number = fields
        return AddressTaken(
            hold=hold,
            space_id=self._spaces[place],
            number=number,
            holder=id_of(holder),
            purpose=self._purposes.values[purpose],
        )

    def _remove(self, space_id: UUID) -> None:
        self._named.clear()
        self._pack(0)
        del self.ranges[space_id]
        place = self._places.pop(space_id)
        del self._spaces[place]
        held = self._packed.columns()
        for raw in held["key"][held["place"] == place]:
            self._packed.remove(_number(raw))

    def _resize(self, space_id: UUID, resized: AddressSpaceResized) -> None:
        """Other ends, the same holders; a number that falls out keeps its past."""
        self._named.clear()
        old = self.ranges[space_id]
        before = set(old.space.reserved)
        self.ranges[space_id] = new = AddressRange(
            msgspec.structs.replace(
                old.space,
                first=resized.first,
                last=resized.last,
                reserved=list(resized.reserved),
            )
        )
        for number in old.taken_numbers():
            if number not in before and not new.is_taken(number):
                new.take(number)
        for number, version in old.touched():
            new.set_version(number, version)


def _number(raw: np.void) -> int:
    """The number of a key in a column of them."""
    return int.from_bytes(raw.tobytes(), "big")
