"""What whole guests keep: their disks at one moment, and their memory.

With memory it is a checkpoint: a snapshot VM of XAPI's, named after our id. Without memory it is a
VDI snapshot of each disk, which needs no VM at all. Both go when their disks do.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from drivers.contract.compute import DiskAttachment
from drivers.contract.errors import DriverError, Refused
from drivers.xapi import marks, vdis
from drivers.xapi.client import Line
from drivers.xapi.errors import code_of, unless
from drivers.xapi.marks import NULLS, Kind, Record
from drivers.xapi.vdis import Vdi

if TYPE_CHECKING:
    from drivers.xapi.disks import Disks

CHECKPOINT = "sagastack checkpoint {}"
OF = "sagastack kept of {}"
DESCRIBED = 'field "name__description" = "{}"'


async def checkpoints(line: Line, snapshot_id: UUID) -> dict[str, Record]:
    """The snapshot VMs of this name; there is one or none."""
    label = CHECKPOINT.format(snapshot_id)
    query = f'field "name__label" = "{label}"'
    found = await line.call("VM.get_all_records_where", query)
    return {ref: record for ref, record in found.items() if record["is_a_snapshot"]}


async def destroy_checkpoint(line: Line, ref: str, record: Record) -> None:
    """The memory, the disks as they were, and the record."""
    vdi_refs = []
    for vbd in record["VBDs"]:
        with unless("HANDLE_INVALID"):
            device = await line.call("VBD.get_record", vbd)
            if device["type"] == "Disk" and device["VDI"] not in NULLS:
                vdi_refs.append(device["VDI"])
    with unless("HANDLE_INVALID"):
        if record["power_state"] == "Suspended":
            await line.run("VM.hard_shutdown", ref)
        await line.run("VM.destroy", ref)
    for vdi in vdi_refs:
        await vdis.destroy(line, vdi)


async def keep_disks(
    disks: Disks, snapshot_id: UUID, held: tuple[DiskAttachment, ...], vm: str
) -> None:
    """Keep each disk. Of a guest that runs XAPI takes them all at one moment, as a VM snapshot."""
    line = disks.line
    missing = []
    for disk in held:
        vdi = await vdis.at_path(line, disk.path)
        if await find_kept(line, vdi.record["SR"], snapshot_id, disk.volume_id) is None:
            missing.append((disk, vdi))
    if not missing:
        return
    if vm:
        await _keep_alive(line, snapshot_id, vm)
        return
    for disk, vdi in missing:
        await vdis.need_unused(line, vdi, f"disk {disk.volume_id}")

        async def claim(ref: str, volume_id: UUID = disk.volume_id) -> None:
            await _claim(line, ref, snapshot_id, volume_id)

        note = f"keep {disk.volume_id} as {snapshot_id}"
        await line.run_once(note, "VDI.snapshot", vdi.ref, {}, claim=claim)


async def _keep_alive(line: Line, snapshot_id: UUID, vm: str) -> None:
    """A VM snapshot, of which only the disks are kept. Half of it is finished by the next call."""
    there = await checkpoints(line, snapshot_id)
    if not there:
        await line.run("VM.snapshot", vm, CHECKPOINT.format(snapshot_id))
        there = await checkpoints(line, snapshot_id)
    for ref, record in there.items():
        for vbd in record["VBDs"]:
            device = await line.call("VBD.get_record", vbd)
            volume = device["other_config"].get(marks.VOLUME)
            if device["type"] != "Disk" or device["VDI"] in NULLS:
                continue
            if volume:
                await _claim(line, device["VDI"], snapshot_id, UUID(volume))
            else:
                await vdis.destroy(line, device["VDI"])
        with unless("HANDLE_INVALID"):
            await line.run("VM.destroy", ref)


async def _claim(line: Line, ref: str, snapshot_id: UUID, volume_id: UUID) -> None:
    await line.call("VDI.set_name_description", ref, OF.format(volume_id))
    await vdis.claim(line, ref, Kind.KEPT, snapshot_id, of=str(volume_id))


async def find_kept(line: Line, sr: str, snapshot_id: UUID, volume_id: UUID) -> Vdi | None:
    for ref, record in (await vdis.labelled(line, snapshot_id)).items():
        mark = marks.read(record)
        if mark is None or mark.kind is not Kind.KEPT or record["SR"] != sr:
            continue
        if (mark.id, mark.of) == (snapshot_id, str(volume_id)):
            return Vdi(ref, record, mark)
    return None


async def revert_disks(disks: Disks, snapshot_id: UUID, held: tuple[DiskAttachment, ...]) -> None:
    """All are looked for before any is changed."""
    from drivers.xapi.copies import exchange

    found = []
    for disk in held:
        vdi = await vdis.at_path(disks.line, disk.path)
        kept = await find_kept(disks.line, vdi.record["SR"], snapshot_id, disk.volume_id)
        if kept is None:
            raise Refused(f"disk {disk.volume_id} keeps no snapshot {snapshot_id}")
        found.append((disk.volume_id, vdi, kept))
    for volume_id, vdi, kept in found:
        async with disks.line.turn(Kind.VOLUME, volume_id):
            await exchange(disks, vdi, kept, volume_id)


async def forget(line: Line, snapshot_id: UUID) -> None:
    """Neither a checkpoint nor disks of this name stay."""
    for ref, record in (await checkpoints(line, snapshot_id)).items():
        await line.settle(record, doing=f"forget snapshot {snapshot_id}")
        await destroy_checkpoint(line, ref, record)
        await end_of_rest(line, record["snapshot_of"])
    for ref, record in (await vdis.labelled(line, snapshot_id)).items():
        mark = marks.read(record)
        if mark is not None and mark.kind is Kind.KEPT:
            await vdis.destroy(line, ref)


async def forget_of_disk(line: Line, volume_id: UUID, vdi: Vdi) -> None:
    """All that guests keep in a disk that goes. A checkpoint without any disk goes as well."""
    query = DESCRIBED.format(OF.format(volume_id))
    for ref, record in (await line.call("VDI.get_all_records_where", query)).items():
        mark = marks.read(record)
        if mark is not None and mark.kind is Kind.KEPT:
            await vdis.destroy(line, ref)
    for ref in vdi.record["snapshots"]:
        with suppress(DriverError):
            record = await line.call("VDI.get_record", ref)
            if marks.read(record) is None:
                await _forget_in_checkpoint(line, ref, record)


async def _forget_in_checkpoint(line: Line, ref: str, record: Record) -> None:
    for vbd in record["VBDs"]:
        vm = await line.call("VBD.get_VM", vbd)
        kept = await line.call("VM.get_record", vm)
        if not kept["name_label"].startswith(CHECKPOINT.format("")):
            continue
        await vdis.destroy(line, ref)
        others = [one for one in kept["VBDs"] if one != vbd]
        left = [one for one in others if await _is_volume(line, one)]
        if not left:
            await destroy_checkpoint(line, vm, kept)
            await end_of_rest(line, kept["snapshot_of"])
        return


async def _is_volume(line: Line, vbd: str) -> bool:
    try:
        record = await line.call("VBD.get_record", vbd)
    except DriverError as error:
        if code_of(error) == "HANDLE_INVALID":
            return False
        raise
    return marks.VOLUME in record["other_config"] and record["VDI"] not in NULLS


async def end_of_rest(line: Line, vm: str) -> None:
    """A VM that stayed for its checkpoints alone goes with the last of them."""
    if vm in NULLS:
        return
    with unless("HANDLE_INVALID"):
        record = await line.call("VM.get_record", vm)
        if marks.RESTS in record["other_config"] and not record["snapshots"]:
            await line.run("VM.destroy", vm)
