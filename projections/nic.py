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
        self.rows: dict[UUID, P] = {}
        self._of_vm: dict[UUID, tuple[UUID, ...]] = {}

    def get(self, row_id: UUID | None) -> P | None:
        return None if row_id is None else self.rows.get(row_id)

    def __getitem__(self, row_id: UUID) -> P:
        return self.rows[row_id]

    def __iter__(self) -> Iterator[P]:
        return iter(self.rows.values())

    def __contains__(self, row_id: object) -> bool:
        return row_id in self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def bind(self, cloud: Cloud) -> None:
        """Cards are read where guests hold them."""
        self._cloud = cloud

    def fold(self, recorded: Recorded) -> None:
        """Turn the cards of one guest around anew."""
        vm = self._cloud[vms].get(recorded.stream)
        self._put(recorded.stream, () if vm is None else self._parts(vm))

    def derive(self) -> None:
        """All of it follows from guests."""
        self.rows, self._of_vm = {}, {}
        for vm in self._cloud[vms]:
            self._put(vm.id, self._parts(vm))

    def _parts(self, vm: Vm) -> Iterable[P]:
        raise NotImplementedError

    def _put(self, vm_id: UUID, parts: Iterable[P]) -> None:
        for gone in self._of_vm.pop(vm_id, ()):
            del self.rows[gone]
        fresh = tuple(parts)
        for part in fresh:
            self.rows[part.id] = part
        if fresh:
            self._of_vm[vm_id] = tuple(part.id for part in fresh)

    def encode(self) -> bytes:
        """In an order that does not tell how it came to be."""
        return msgspec.msgpack.encode(sorted(self.rows.values(), key=lambda row: row.id))

    def restore(self, encoded: bytes) -> None:
        """Guests were restored before."""
        self.derive()


@projection
class Nics(_InGuests[NicRow]):
    """Every network card."""

    KIND: ClassVar[str] = "nic"

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
