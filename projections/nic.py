"""Network cards and their further addresses as nouns of their own, found without their guest.

A card lives inside its guest, whose events say all of it; this fold only turns them around, so
that an id of a card or of an address on the wire can be looked up and guarded as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from aggregates.vm import Nic, VmCreated, VmExpunged, VmNicsSet
from aggregates.vm_life import VmAssigned, VmUnmanaged
from projections.cloud import projection


class NicRow(msgspec.Struct, kw_only=True):
    """A card, whose it is, and the guest that it is in."""

    id: UUID
    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    network_id: UUID


class NicIpRow(msgspec.Struct, kw_only=True):
    """A further address of a card."""

    id: UUID
    nic_id: UUID
    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    network_id: UUID
    ip4: str


P = TypeVar("P", NicRow, NicIpRow)


class _Owner(msgspec.Struct, frozen=True, array_like=True):
    account_id: UUID
    domain_id: UUID


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    owners: dict[UUID, _Owner]
    rows: list[Any]


class _InGuests(Generic[P]):
    """The parts of each guest's cards, by their own ids."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        one.TOPIC for one in (VmCreated, VmNicsSet, VmAssigned, VmExpunged, VmUnmanaged)
    )
    ROW: ClassVar[type]

    def __init__(self) -> None:
        self.rows: dict[UUID, P] = {}
        self._owners: dict[UUID, _Owner] = {}
        self._of_vm: dict[UUID, list[UUID]] = {}

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

    def fold(self, recorded: Recorded) -> None:
        """Let one event of a guest happen to its parts."""
        happened, vm_id = recorded.event, recorded.stream
        if happened.REMOVES:
            self._put(vm_id, ())
            del self._owners[vm_id]
            return
        if isinstance(happened, VmCreated | VmAssigned):
            self._owners[vm_id] = _Owner(happened.account_id, happened.domain_id)
        if isinstance(happened, VmCreated | VmNicsSet | VmAssigned):
            self._put(vm_id, self._parts(vm_id, self._owners[vm_id], happened.nics))

    def _parts(self, vm_id: UUID, owner: _Owner, nics: Iterable[Nic]) -> Iterable[P]:
        raise NotImplementedError

    def _put(self, vm_id: UUID, parts: Iterable[P]) -> None:
        for gone in self._of_vm.pop(vm_id, ()):
            del self.rows[gone]
        fresh = list(parts)
        self.rows |= {part.id: part for part in fresh}
        if fresh:
            self._of_vm[vm_id] = [part.id for part in fresh]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(_Saved(self._owners, list(self.rows.values())))

    def restore(self, encoded: bytes) -> None:
        saved = msgspec.msgpack.decode(encoded, type=_Saved)
        self._owners = saved.owners
        rows: list[P] = msgspec.convert(saved.rows, list[self.ROW])  # type: ignore[name-defined]
        self.rows = {row.id: row for row in rows}
        self._of_vm = {}
        for row in rows:
            self._of_vm.setdefault(row.vm_id, []).append(row.id)


@projection
class Nics(_InGuests[NicRow]):
    """Every network card."""

    KIND: ClassVar[str] = "nic"
    ROW: ClassVar[type] = NicRow

    def _parts(self, vm_id: UUID, owner: _Owner, nics: Iterable[Nic]) -> Iterator[NicRow]:
        for nic in nics:
            yield NicRow(
                id=nic.id,
                vm_id=vm_id,
                account_id=owner.account_id,
                domain_id=owner.domain_id,
                network_id=nic.network_id,
            )


@projection
class NicIps(_InGuests[NicIpRow]):
    """Every further address of a card."""

    KIND: ClassVar[str] = "nic_ip"
    ROW: ClassVar[type] = NicIpRow

    def _parts(self, vm_id: UUID, owner: _Owner, nics: Iterable[Nic]) -> Iterator[NicIpRow]:
        for nic in nics:
            for more in nic.more_ips:
                yield NicIpRow(
                    id=more.id,
                    nic_id=nic.id,
                    vm_id=vm_id,
                    account_id=owner.account_id,
                    domain_id=owner.domain_id,
                    network_id=nic.network_id,
                    ip4=more.ip4,
                )
