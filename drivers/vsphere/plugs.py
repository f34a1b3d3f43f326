"""What is plugged into a running guest: a change of the device and of the note, in one task."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from drivers.contract.compute import DiskAttachment, DiskLimits, NicSpec, Power
from drivers.contract.errors import Refused
from drivers.vsphere import translate
from drivers.vsphere.guests import Guests
from drivers.vsphere.machines import Machine, disc_of
from drivers.vsphere.notes import HeldDisk, Note
from drivers.vsphere.sdk import vim


class Plugs:
    """The plugs of one host's guests."""

    def __init__(self, guests: Guests) -> None:
        self._guests, self._tasks = guests, guests.tasks

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment) -> None:
        async with self._tasks.turn(guest_id):
            machine, note = await self._running(guest_id, "disk is attached")
            if disk.is_cdrom:
                await self._insert(machine, note, disk.path)
                return
            if machine.disk_of(disk.volume_id) is not None:
                return
            slot = translate.slot(disk.device)
            if any(one.slot == slot for one in machine.disks):
                raise Refused(f"guest {guest_id} has another disk as its number {disk.device}")
            files = await self._guests.files((disk,))
            made = translate.virtual_disk(disk, *files[disk.volume_id])
            held = {**note.disks, disk.volume_id: HeldDisk(disk.path, slot)}
            note = msgspec.structs.replace(note, disks=held)
            await self._change(machine, note, translate.added(made), f"attach {disk.path}")

    async def detach_disk(self, guest_id: UUID, volume_id: UUID) -> None:
        async with self._tasks.turn(guest_id):
            machine = await self._guests.find(guest_id)
            if machine is None or (note := machine.note) is None:
                return
            disk = machine.disk_of(volume_id)
            if disk is None:
                if (drive := _drive_with(machine, volume_id)) is not None:
                    translate.insert(drive, "")
                    await self._change(machine, note, translate.edited(drive), "take a disc out")
                return
            if await self._guests.moments.all_of(machine.ref):
                raise Refused(
                    f"disk {volume_id} holds snapshots of guest {machine.name}: remove them first"
                )
            await self._guests.let_go(machine, note, [disk])
            again = await self._guests.inventory.look(machine.ref)
            if again is not None:
                await self._guests.bring_back(again)

    async def limit_disk(self, guest_id: UUID, volume_id: UUID, limits: DiskLimits) -> None:
        async with self._tasks.turn(guest_id):
            machine = await self._guests.find(guest_id)
            if machine is None or machine.power is Power.OFF or (note := machine.note) is None:
                return
            disk = machine.disk_of(volume_id)
            if disk is None:
                raise Refused(f"guest {guest_id} has no disk {volume_id} to limit")
            disk.device.storageIOAllocation = translate.allocation(limits)
            await self._change(machine, note, translate.edited(disk.device), "limit a disk")

    async def attach_nic(self, guest_id: UUID, nic: NicSpec) -> None:
        async with self._tasks.turn(guest_id):
            machine, note = await self._running(guest_id, "network card is attached")
            if _card(machine, nic.mac) is not None:
                return
            backing = await self._guests.inventory.network(self._guests.esx, nic)
            note = msgspec.structs.replace(note, nics={**note.nics, nic.nic_id: nic.mac.lower()})
            made = translate.added(translate.card(nic, backing))
            await self._change(machine, note, made, f"attach card {nic.mac}")

    async def detach_nic(self, guest_id: UUID, nic_id: UUID) -> None:
        async with self._tasks.turn(guest_id):
            machine = await self._guests.find(guest_id)
            if machine is None or (note := machine.note) is None or nic_id not in note.nics:
                return
            card = _card(machine, note.nics[nic_id])
            kept = {one: mac for one, mac in note.nics.items() if one != nic_id}
            note = msgspec.structs.replace(note, nics=kept)
            if card is None:
                await self._guests.write(machine.ref, note)
                return
            await self._change(machine, note, translate.removed(card), f"detach card {nic_id}")

    async def _insert(self, machine: Machine, note: Note, path: str) -> None:
        drive = machine.drive
        if drive is None:
            made = translate.drive(path, *translate.DISC_DRIVE)
            await self._change(machine, note, translate.added(made), f"insert {path}")
        elif disc_of(drive) != path:
            translate.insert(drive, path)
            await self._change(machine, note, translate.edited(drive), f"insert {path}")

    async def _running(self, guest_id: UUID, what: str) -> tuple[Machine, Note]:
        machine = await self._guests.running(guest_id, verb=what)
        assert machine.note is not None
        return machine, machine.note

    async def _change(self, machine: Machine, note: Note, change: Any, doing: str) -> None:
        spec = vim.vm.ConfigSpec(deviceChange=[change], extraConfig=translate.extra(note))
        await self._tasks.run(
            lambda: machine.ref.ReconfigVM_Task(spec),
            about=note.guest, doing=f"{doing}: {machine.name}",
        )  # fmt: skip


def _card(machine: Machine, mac: str) -> Any | None:
    macs = ((nic, str(nic.macAddress or "").lower()) for nic in machine.nics)
    return next((nic for nic, has in macs if has == mac.lower()), None)


def _drive_with(machine: Machine, image_id: UUID) -> Any | None:
    """The drive that holds a disc of ours: its file is named by the image's id."""
    return next((one for one in machine.drives if f"/{image_id}." in disc_of(one)), None)
