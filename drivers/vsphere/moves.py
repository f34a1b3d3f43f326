"""vMotion: a running guest goes to another host of the same vCenter, with disks or without."""

from __future__ import annotations

from uuid import UUID

import msgspec

from drivers.contract.compute import DiskMove, Power
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskStatus, PoolSpec
from drivers.vsphere.address import Place
from drivers.vsphere.disks import disk_path
from drivers.vsphere.guests import Guests
from drivers.vsphere.inventory import Esx, Store
from drivers.vsphere.machines import Machine
from drivers.vsphere.notes import HeldDisk
from drivers.vsphere.sdk import vim


class Moves:
    """The guests of one host, on their way."""

    def __init__(self, guests: Guests, place: Place) -> None:
        self._guests, self._place = guests, place
        self._tasks = guests.tasks

    async def migrate(self, guest_id: UUID, target: Place, moves: tuple[DiskMove, ...]) -> None:
        """The vCenter checks that the target fits, and leaves the guest here if it does not."""
        if target.server != self._place.server:
            raise Refused(
                f"guest {guest_id} cannot go from {self._place.server} to {target.server}: both "
                "hosts must belong to one vCenter"
            )
        async with self._tasks.turn(guest_id):
            esx = await self._guests.inventory.host(target)
            machine = await self._guests.settled(guest_id)
            if machine is not None and machine.note is not None and machine.note.parked:
                machine = None
            if machine is None or machine.power is not Power.RUNNING:
                raise Refused(f"guest {guest_id} does not run on {self._guests.esx.name}")
            if machine.host not in (esx.ref._moId, self._guests.esx.ref._moId):
                raise Refused(f"guest {guest_id} runs on neither of the two hosts")
            pools = {one.volume_id: await self._guests.disks.stores.at(one.pool) for one in moves}
            await self._relocate(machine, esx, pools)

    async def move_disk(self, guest_id: UUID, volume_id: UUID, pool: PoolSpec) -> DiskStatus:
        async with self._tasks.turn(guest_id):
            machine = await self._guests.running(guest_id, verb="move of its disk")
            if machine.disk_of(volume_id) is None:
                raise Refused(f"guest {guest_id} has no disk {volume_id} to move")
            store = await self._guests.disks.stores.at(pool)
            await self._relocate(machine, None, {volume_id: store})
            return await self._guests.disks.made(pool, volume_id)

    async def _relocate(self, machine: Machine, esx: Esx | None, pools: dict[UUID, Store]) -> None:
        note = machine.note
        assert note is not None
        locators, held = [], dict(note.disks)
        for volume_id, store in pools.items():
            disk = machine.disk_of(volume_id)
            if disk is None:
                raise Refused(f"{machine.name} has no disk {volume_id} to take along")
            held[volume_id] = HeldDisk(disk_path(store, volume_id), disk.slot)
            await self._guests.disks.mark_moved(store, volume_id, note.guest)
            if disk.device.backing.datastore._moId != store.ref._moId:
                locators.append(
                    vim.vm.RelocateSpec.DiskLocator(diskId=disk.device.key, datastore=store.ref)
                )
        spec = vim.vm.RelocateSpec(disk=locators)
        if esx is not None:
            spec.host, spec.pool = esx.ref, esx.resources
        moves_host = esx is not None and machine.host != esx.ref._moId
        if moves_host or locators:
            limit_s = self._guests.vcenter.settings.migrate_s
            await self._tasks.run(
                lambda: machine.ref.RelocateVM_Task(spec, "highPriority"),
                about=note.guest, doing=f"move guest {machine.name}", timeout_s=limit_s,
            )  # fmt: skip
        if held != note.disks:
            await self._guests.write(machine.ref, msgspec.structs.replace(note, disks=held))
