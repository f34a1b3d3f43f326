"""Network cards and their further addresses as nouns of their own, found without their guest.

A card lives inside its guest, whose events say all of it; this fold only turns them around, so
that an id of a card or of an address on the wire can be looked up and guarded as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec
import numpy as np

from aggregates.base import Recorded
from aggregates.vm import Vm, VmCreated, VmExpunged, VmNicsSet
from aggregates.vm_life import VmAssigned, VmUnmanaged
from projections.cloud import projection
from projections.of_rows import OfRows
from projections.packed import Packed
from projections.picked import Picked
from projections.tables import Tables
from projections.vm import vms
from projections.whole import summed, whole


class NicRow(msgspec.Struct, kw_only=True, gc=False):
    """A card, whose it is, and the guest that it is in."""

    id: UUID
    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    network_id: UUID


class NicIpRow(msgspec.Struct, kw_only=True, gc=False):
    """A further address of a card."""

    id: UUID
    nic_id: UUID
    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    network_id: UUID
    ip4: str


P = TypeVar("P", NicRow, NicIpRow)


class _InGuests(OfRows, Generic[P]):
    """The parts of each guest's cards, by their own ids."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        one.TOPIC for one in (VmCreated, VmNicsSet, VmAssigned, VmExpunged, VmUnmanaged)
    )

    def __init__(self) -> None:
        super().__init__()
        # Who is told which part has left which network, while this follows the log.
        self.left: Callable[[UUID, UUID], None] | None = None
        # What is read of a card is made of its guest's row. None changes its network.
        self._where = Packed(guest="16s", network="16s")
        self._of_guest = Packed(part="16s")

    def get(self, row_id: UUID | None) -> P | None:
        return None if row_id is None else self._of(row_id)

    def __getitem__(self, row_id: UUID) -> P:
        if (found := self._of(row_id)) is None:
            raise KeyError(row_id)
        return found

    def __iter__(self) -> Iterator[P]:
        for vm in self._tables[vms].each():
            yield from self._parts(vm)

    def __contains__(self, row_id: object) -> bool:
        return isinstance(row_id, UUID) and row_id.int in self._where

    def __len__(self) -> int:
        return self._where.count

    def guests_on(self, network_id: UUID) -> Picked[Vm]:
        """The guests that have such a part on this network; no other is looked at."""
        told = self._where.columns()
        there = told["guest"][told["network"] == np.void(network_id.bytes)]
        return Picked(self._tables[vms], list(map(int.from_bytes, there.tolist())))

    def bind(self, tables: Tables) -> None:
        """Cards are read where guests hold them."""
        self._tables = tables

    def fold(self, recorded: Recorded) -> None:
        """Turn the cards of one guest around anew."""
        self._follow(recorded.stream, Vm.KIND)

    def _follow(self, row_id: UUID, kind: str) -> None:
        number, vm = row_id.int, self._tables[vms].get(row_id)
        fresh = {} if vm is None else self._places(vm)
        gone = [int.from_bytes(part) for (part,) in self._of_guest.every(number)]
        if gone == list(fresh):
            return
        for part in gone:
            if self.left is not None and part not in fresh:
                where = self._where.get(part)
                assert where is not None
                self.left(UUID(int=part), UUID(bytes=where[1]))
            self._where.remove(part)
            self._of_guest.remove(number)
        guest = number.to_bytes(16, "big")
        for part, network_id in fresh.items():
            self._where.add(part, guest, network_id.bytes)
            self._of_guest.add(number, part.to_bytes(16, "big"))

    def _derive(self) -> None:
        table = self._tables[vms]
        self._where.fill(
            (part.to_bytes(16, "big"), number.to_bytes(16, "big"), network_id.bytes)
            for number in table.rows
            for part, network_id in self._places(table.glance(number)).items()
        )
        self._turn()

    def _turn(self) -> None:
        """Have the parts by guest that there are by their own ids."""
        told = self._where.columns()
        turned = np.empty(len(told), self._of_guest.dtype)
        turned["key"], turned["part"] = told["guest"], told["key"]
        self._of_guest.take(turned.tobytes())

    def _of(self, row_id: UUID) -> P | None:
        found = self._where.get(row_id.int)
        if found is None:
            return None
        parts = self._parts(self._tables[vms].look(int.from_bytes(found[0])))
        return next(part for part in parts if part.id == row_id)

    def _parts(self, vm: Vm) -> Iterable[P]:
        raise NotImplementedError

    def _places(self, vm: Vm) -> dict[int, UUID]:
        """The network of each of its parts, by the number of the part's id."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """In an order that does not tell how it came to be."""
        return msgspec.msgpack.encode(sorted(self, key=lambda row: row.id))

    def saved(self) -> bytes:
        return summed(self._where.columns().tobytes())

    def restore(self, encoded: bytes) -> None:
        """Take over what was saved. ValidationError for what is damaged."""
        self._where.take(bytes(whole(encoded)))
        self._turn()
        self._noted = {}


@projection
class Nics(_InGuests[NicRow]):
    """Every network card."""

    KIND: ClassVar[str] = "nic"

    def _places(self, vm: Vm) -> dict[int, UUID]:
        return {nic.id.int: nic.network_id for nic in vm.nics}

    def _parts(self, vm: Vm) -> Iterator[NicRow]:
        for nic in vm.nics:
            yield NicRow(
                id=nic.id,
                vm_id=vm.id,
                account_id=vm.account_id,
                domain_id=vm.domain_id,
                network_id=nic.network_id,
            )


@projection
class NicIps(_InGuests[NicIpRow]):
    """Every further address of a card."""

    KIND: ClassVar[str] = "nic_ip"

    def _places(self, vm: Vm) -> dict[int, UUID]:
        return {more.id.int: nic.network_id for nic in vm.nics for more in nic.more_ips}

    def _parts(self, vm: Vm) -> Iterator[NicIpRow]:
        for nic in vm.nics:
            for more in nic.more_ips:
                yield NicIpRow(
                    id=more.id,
                    nic_id=nic.id,
                    vm_id=vm.id,
                    account_id=vm.account_id,
                    domain_id=vm.domain_id,
                    network_id=nic.network_id,
                    ip4=more.ip4,
                )
