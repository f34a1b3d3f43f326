"""Plugging disks, discs and network cards into a guest that runs.

A VBD or VIF of ours says in its `other_config` which volume or card it is. XAPI needs the guest's
PV drivers for it, and a guest that is just booting has none yet.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from drivers.contract.compute import DiskAttachment, NicSpec
from drivers.contract.errors import DriverError, Refused
from drivers.xapi import marks, translate, vdis
from drivers.xapi.client import Line
from drivers.xapi.errors import unless
from drivers.xapi.guests import GONE, Guests
from drivers.xapi.marks import NULLS, Kind, Record
from drivers.xapi.networks import Networks

Found = tuple[str, Record]


async def _device(line: Line, cls: str, record: Record, name: str, thing: UUID) -> Found | None:
    """The VBD or VIF that is a thing of ours."""
    for ref in record[f"{cls}s"]:
        with unless(*GONE):
            device = await line.call(f"{cls}.get_record", ref)
            if device["other_config"].get(name) == str(thing):
                return ref, device
    return None


async def attach_disk(guests: Guests, guest_id: UUID, disk: DiskAttachment) -> None:
    line = guests.line
    async with line.turn(Kind.GUEST, guest_id):
        vm, record = await guests.running(guest_id, verb="plug of a disk")
        if disk.is_cdrom:
            await _insert(line, record, disk)
            return
        found = await _device(line, "VBD", record, marks.VOLUME, disk.volume_id)
        if found is not None and found[1]["currently_attached"]:
            return
        if found is None:
            vdi = await vdis.at_path(line, disk.path)
            await vdis.need_unused(line, vdi, f"disk {disk.volume_id}")
            fields = {
                "mode": "RO" if disk.read_only else "RW",
                "other_config": {marks.VOLUME: str(disk.volume_id)},
            }
            wanted = await _free_device(line, vm, disk.device)
            made = translate.vbd(vm, vdi.ref, wanted, **fields)
            ref = await line.call("VBD.create", made)
        else:
            ref = found[0]
        await _plug(guests, vm, "VBD", ref)


async def _free_device(line: Line, vm: str, device: int) -> int:
    """The place that was asked for, or the next free one if a person took that."""
    free = [int(one) for one in await line.call("VM.get_allowed_VBD_devices", vm)]
    if device in free:
        return device
    rest = [one for one in free if one not in (0, translate.DISC_DEVICE, translate.CONFIG_DEVICE)]
    if not rest:
        raise Refused("the guest has no place for another disk: unplug one first")
    return rest[0]


async def _plug(guests: Guests, vm: str, cls: str, ref: str) -> None:
    """What cannot be plugged is not left behind."""
    try:
        with unless("DEVICE_ALREADY_ATTACHED"):
            await guests.with_drivers(vm, f"{cls}.plug", ref)
    except Refused:
        with suppress(DriverError):
            await guests.line.call(f"{cls}.destroy", ref)
        raise


async def _insert(line: Line, record: Record, disk: DiskAttachment) -> None:
    """Into the guest's drive, in place of what is there."""
    vdi = await vdis.at_path(line, disk.path)
    drive = await _drive(line, record)
    if drive is None:
        raise Refused("the guest has no drive for discs: it gets one at its next start")
    ref, device = drive
    if device["VDI"] == vdi.ref:
        return
    if not device["empty"]:
        await line.run("VBD.eject", ref)
    await line.run("VBD.insert", ref, vdi.ref)


async def _drive(line: Line, record: Record) -> Found | None:
    for ref in record["VBDs"]:
        device = await line.call("VBD.get_record", ref)
        if device["type"] == "CD":
            return ref, device
    return None


async def detach_disk(guests: Guests, guest_id: UUID, volume_id: UUID) -> None:
    line = guests.line
    async with line.turn(Kind.GUEST, guest_id):
        found = await guests.here(guest_id)
        if found is None:
            return
        _, record = found
        if await _eject(line, record, volume_id):
            return
        await _unplug(line, record, "VBD", marks.VOLUME, volume_id)


async def _eject(line: Line, record: Record, disc_id: UUID) -> bool:
    """Whether it is the disc in the drive, which is empty then."""
    drive = await _drive(line, record)
    if drive is None or drive[1]["empty"] or drive[1]["VDI"] in NULLS:
        return False
    mark = marks.read(await line.call("VDI.get_record", drive[1]["VDI"]))
    if mark is None or mark.id != disc_id:
        return False
    with unless("VBD_IS_EMPTY"):
        await line.run("VBD.eject", drive[0])
    return True


async def _unplug(line: Line, record: Record, cls: str, name: str, thing: UUID) -> None:
    """The guest has let go of it when XAPI has unplugged it."""
    found = await _device(line, cls, record, name, thing)
    if found is None:
        return
    ref, device = found
    if device["currently_attached"]:
        with unless("DEVICE_ALREADY_DETACHED", "VM_BAD_POWER_STATE", *GONE):
            await line.run(f"{cls}.unplug", ref)
    with unless(*GONE):
        await line.call(f"{cls}.destroy", ref)


async def attach_nic(guests: Guests, networks: Networks, guest_id: UUID, nic: NicSpec) -> None:
    line = guests.line
    async with line.turn(Kind.GUEST, guest_id):
        vm, record = await guests.running(guest_id, verb="plug of a network card")
        found = await _device(line, "VIF", record, marks.NIC, nic.nic_id)
        if found is not None and found[1]["currently_attached"]:
            return
        if found is None:
            network = await networks.of(nic)
            free = await line.call("VM.get_allowed_VIF_devices", vm)
            if not free:
                raise Refused("the guest has no place for another network card: unplug one first")
            made = translate.vif(vm, network, free[0], nic.mac, nic.nic_id)
            ref = await line.call("VIF.create", made)
        else:
            ref = found[0]
        await _plug(guests, vm, "VIF", ref)


async def detach_nic(guests: Guests, guest_id: UUID, nic_id: UUID) -> None:
    async with guests.line.turn(Kind.GUEST, guest_id):
        found = await guests.here(guest_id)
        if found is not None:
            await _unplug(guests.line, found[1], "VIF", marks.NIC, nic_id)


async def owned(guests: Guests, vm: str) -> None:
    """Claim the disks that XAPI has exchanged under a guest: after a way back, or a move.

    The VBDs still say which volumes they are; the VDIs are new ones, and may say nothing.
    """
    line = guests.line
    record = await line.call("VM.get_record", vm)
    guest_id = translate.guest_id_of(record)
    for ref in record["VBDs"]:
        device = await line.call("VBD.get_record", ref)
        if device["type"] != "Disk" or device["VDI"] in NULLS:
            continue
        vdi = await line.call("VDI.get_record", device["VDI"])
        volume = device["other_config"].get(marks.VOLUME)
        if volume:
            await own(line, device["VDI"], vdi, UUID(volume))
        elif guest_id is not None and marks.read(vdi) is None and _is_config(device):
            await vdis.claim(line, device["VDI"], Kind.CONFIG, guest_id)


async def own(line: Line, ref: str, record: Record, volume_id: UUID) -> None:
    """Let a VDI be the volume, before any other of the same repository that says it is."""
    mark = marks.read(record)
    if mark is not None and (mark.kind, mark.id) == (Kind.VOLUME, volume_id):
        return
    meant = marks.meant(record)
    others = []
    for other, one in (await vdis.labelled(line, volume_id)).items():
        theirs = marks.read(one)
        is_same = theirs is not None and (theirs.kind, theirs.id) == (Kind.VOLUME, volume_id)
        if other != ref and one["SR"] == record["SR"] and is_same and theirs is not None:
            others.append((other, theirs.generation))
    generation = max([number for _, number in others], default=0) + 1
    base = meant.base if meant is not None and meant.kind is Kind.VOLUME else ""
    await vdis.claim(line, ref, Kind.VOLUME, volume_id, base=base, generation=generation)
    for other, _ in others:
        with suppress(DriverError):
            await vdis.destroy(line, other)


def _is_config(device: Record) -> bool:
    return bool(device["userdevice"] == str(translate.CONFIG_DEVICE))
