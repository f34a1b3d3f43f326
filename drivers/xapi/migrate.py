"""XenMotion: a running guest to another host, with its disks or without, in this pool or another.

Within a pool and with shared disks it is `VM.pool_migrate`; else `VM.migrate_send` with a ticket of
the target's. XAPI destroys the disks that it has moved, so nothing is left behind to be removed.
The copies are other VDIs that bear no mark: they are claimed afterwards, by the target.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import DiskMove
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import PoolSpec
from drivers.xapi import devices, marks
from drivers.xapi.guests import Found, Guests
from drivers.xapi.marks import NULLS, Kind, Record
from drivers.xapi.repositories import Repositories
from drivers.xapi.translate import is_on


class Mover:
    """Moves guests from one host; `repositories_of` are the pools as the target reaches them."""

    def __init__(self, guests: Guests, there: Guests, repositories: Repositories) -> None:
        self._guests, self._there, self._repositories = guests, there, repositories
        self._same_pool = guests.line is there.line

    async def migrate(self, guest_id: UUID, moves: tuple[DiskMove, ...]) -> None:
        found = await self._source(guest_id)
        if found is None:
            return
        vm, record = found
        host = await self._there.host()
        if not moves and self._same_pool:
            await self._guests.with_drivers(vm, "VM.pool_migrate", vm, host, {"live": "true"})
        else:
            await self._send(vm, record, host, moves)
        await self._arrived(guest_id)

    async def _source(self, guest_id: UUID) -> Found | None:
        """The guest as it runs here, or None if it is there already: then that is finished."""
        for _ in range(3):
            found = await self._guests.here(guest_id)
            if found is None or found[1]["power_state"] != "Running":
                break
            if not await self._guests.line.settle(found[1], doing=f"migrate guest {guest_id}"):
                return found
        there = await self._there.here(guest_id)
        if there is not None and there[1]["power_state"] == "Running":
            await self._arrived(guest_id)
            return None
        raise Refused(f"guest {guest_id} does not run on this XenServer: nothing to migrate")

    async def _arrived(self, guest_id: UUID) -> None:
        """It belongs to the target, and its disks are ours there."""
        found = await self._there.anywhere(guest_id)
        host = await self._there.host()
        if found is None or not is_on(found[1], host):
            raise Unavailable(f"guest {guest_id} is not on the target yet: ask again")
        vm, record = found
        if record["affinity"] != host:
            await self._there.line.call("VM.set_affinity", vm, host)
        await devices.owned(self._there, vm)

    async def _send(self, vm: str, record: Record, host: str, moves: tuple[DiskMove, ...]) -> None:
        network = await self._management(host)
        ticket = await self._there.line.call("host.migrate_receive", host, network, {})
        vdi_map = await self._vdi_map(record, moves)
        vif_map = {} if self._same_pool else await self._vif_map(record)
        await self._guests.with_drivers(
            vm, "VM.migrate_send", vm, ticket, True, vdi_map, vif_map, {}
        )

    async def _management(self, host: str) -> str:
        for card in (await self._there.line.call("PIF.get_all_records")).values():
            if card["host"] == host and card["management"]:
                return str(card["network"])
        raise Refused("the target has no management network to migrate over")

    async def _vdi_map(self, record: Record, moves: tuple[DiskMove, ...]) -> dict[str, str]:
        """Where each disk goes. What does not move within a pool stays, config disc and all."""
        call = self._guests.line.call
        goes: dict[UUID, str] = {}
        for move in moves:
            await self._repositories.open(move.pool)
            goes[move.volume_id] = (await self._repositories.get(move.pool)).ref
        wanted = {}
        for ref in record["VBDs"]:
            device = await call("VBD.get_record", ref)
            if device["type"] != "Disk" or device["VDI"] in NULLS:
                continue
            volume = device["other_config"].get(marks.VOLUME)
            vdi = device["VDI"]
            if volume and UUID(volume) in goes:
                wanted[vdi] = goes[UUID(volume)]
            elif not volume and goes:
                wanted[vdi] = next(iter(goes.values()))
            elif not self._same_pool:
                raise Refused(
                    "the target is in another pool: say for each disk into which storage it goes"
                )
            else:
                wanted[vdi] = await call("VDI.get_SR", vdi)
        return wanted

    async def _vif_map(self, record: Record) -> dict[str, str]:
        """In another pool a card goes on the network of the same name."""
        wanted = {}
        for ref in record["VIFs"]:
            network = await self._guests.line.call("VIF.get_network", ref)
            label = await self._guests.line.call("network.get_name_label", network)
            there = await self._there.line.call("network.get_by_name_label", label)
            if len(there) != 1:
                raise Refused(f"the target's pool has not one network {label!r} for the guest")
            wanted[ref] = there[0]
        return wanted


async def move_disk(
    guests: Guests, repositories: Repositories, guest_id: UUID, volume_id: UUID, pool: PoolSpec
) -> None:
    """Storage XenMotion of one disk of a guest that runs on. Done before is success."""
    line = guests.line
    repository = await repositories.get(pool)
    async with line.turn(Kind.GUEST, guest_id):
        vm, record = await guests.running(guest_id, verb="move of a disk")
        for ref in record["VBDs"]:
            device = await line.call("VBD.get_record", ref)
            if device["other_config"].get(marks.VOLUME) != str(volume_id):
                continue
            vdi = await line.call("VDI.get_record", device["VDI"])
            if vdi["SR"] != repository.ref:
                await guests.with_drivers(vm, "VDI.pool_migrate", device["VDI"], repository.ref, {})
            await devices.owned(guests, vm)
            return
    raise Refused(f"guest {guest_id} has no disk {volume_id}")
