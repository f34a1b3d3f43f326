"""Network cards and their further addresses as nouns of their own, found without their guest.

A card lives inside its guest, whose events say all of it; this fold only turns them around, so
that an id of a card or of an address on the wire can be looked up and guarded as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from aggregates.vm import Vm, VmCreated, VmExpunged, VmNicsSet
from aggregates.vm_life import VmAssigned, VmUnmanaged
from projections.cloud import Cloud, projection
from projections.vm import vms


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


class _InGuests(Generic[P]):
    """The parts of each guest's cards, by their own ids."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        one.TOPIC for one in (VmCreated, VmNicsSet, VmAssigned, VmExpunged, VmUnmanaged)
    )

    def __init__(self) -> None:
        # All by the numbers of ids. What is read of a card is made of its guest's row.
        self._guest: dict[int, int] = {}
        self._of_vm: dict[int, int | tuple[int, ...]] = {}

    def get(self, row_id: UUID | None) -> P | None:
        if row_id is None or row_id.int not in self._guest:
            return None
        return self[row_id]

    def __getitem__(self, row_id: UUID) -> P:
        parts = self._parts(self._cloud[vms].at(self._guest[row_id.int]))
        return next(part for part in parts if part.id == row_id)

    def __iter__(self) -> Iterator[P]:
        for vm in self._cloud[vms].each():
            yield from self._parts(vm)

    def __contains__(self, row_id: object) -> bool:
        return isinstance(row_id, UUID) and row_id.int in self._guest

    def __len__(self) -> int:
        return len(self._guest)

    def bind(self, cloud: Cloud) -> None:
        """Cards are read where guests hold them."""
        self._cloud = cloud

    def fold(self, recorded: Recorded) -> None:
        """Turn the cards of one guest around anew."""
        self._put(recorded.stream, self._cloud[vms].get(recorded.stream))

    def derive(self) -> None:
        """All of it follows from guests."""
        self._guest, self._of_vm = {}, {}
        for vm in self._cloud[vms].each():
            self._put(vm.id, vm)

    def _parts(self, vm: Vm) -> Iterable[P]:
        raise NotImplementedError

    def _ids(self, vm: Vm) -> list[int]:
        """The numbers of the ids of its parts."""
        raise NotImplementedError

    def _put(self, vm_id: UUID, vm: Vm | None) -> None:
        gone = self._of_vm.pop(vm_id.int, ())
        for part in gone if isinstance(gone, tuple) else (gone,):
            del self._guest[part]
        fresh = [] if vm is None else self._ids(vm)
        if vm is None or not fresh:
            return
        for part in fresh:
            self._guest[part] = vm.id.int
        # Most have one, which stands for itself.
        self._of_vm[vm.id.int] = tuple(fresh) if len(fresh) > 1 else fresh[0]

    def encode(self) -> bytes:
        """In an order that does not tell how it came to be."""
        return msgspec.msgpack.encode(sorted(self, key=lambda row: row.id))

    def restore(self, encoded: bytes) -> None:
        """Guests were restored before."""
        self.derive()


@projection
class Nics(_InGuests[NicRow]):
    """Every network card."""

    KIND: ClassVar[str] = "nic"

    def _ids(self, vm: Vm) -> list[int]:
        return [nic.id.int for nic in vm.nics]

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

    def _ids(self, vm: Vm) -> list[int]:
        return [more.id.int for nic in vm.nics for more in nic.more_ips]

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
