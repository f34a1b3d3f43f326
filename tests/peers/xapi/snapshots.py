"""VM snapshots, checkpoints with memory, and the way back."""

from __future__ import annotations

from tests.peers.xapi import domains, storage
from tests.peers.xapi.calls import Context, message
from tests.peers.xapi.guests import ITS_OWN, twin, twin_device
from tests.peers.xapi.model import CLASSES
from tests.peers.xapi.rules import allow
from tests.peers.xapi.store import XapiError, stamp

# What a VM keeps of its own when it goes back.
STAYS = ITS_OWN | {
    "name_label", "name_description", "is_a_template", "is_a_snapshot", "snapshot_of",
    "snapshot_time", "affinity", "tags", "is_control_domain",
}  # fmt: skip


@message("VM.snapshot", "ref VM", "str")
async def snapshot(c: Context, vm: str, name: str) -> str:
    allow(c, vm, "snapshot")
    async with c.working("snapshot", vm):
        return await _kept(c, vm, name, "Halted")


@message("VM.checkpoint", "ref VM", "str")
async def checkpoint(c: Context, vm: str, name: str) -> str:
    """The disks at one moment and the memory with them; the VM runs on."""
    allow(c, vm, "checkpoint")
    async with c.working("checkpoint", vm):
        made = await _kept(c, vm, name, "Suspended")
        disks = c.store.refs("VBD", VM=vm, type="Disk")
        if not disks:
            raise XapiError("VM_NO_SUSPEND_SR", vm)
        sr = c.store.get("VDI", c.store.get("VBD", disks[0])["VDI"])["SR"]
        memory = storage.new_vdi(c, sr, domains.SUSPEND_BYTES, type="suspend", name_label="memory")
        with c.world.file(memory).open("r+b") as file:
            file.write(c.world.memory[vm])
        c.store.put(made, suspend_VDI=memory)
    return made


async def _kept(c: Context, vm: str, name: str, power: str) -> str:
    made = twin(
        c, vm, name_label=name, is_a_snapshot=True, is_a_template=True, snapshot_of=vm,
        snapshot_time=stamp(c.world.clock()), power_state=power,
    )  # fmt: skip
    for vbd in c.store.refs("VBD", VM=vm):
        record = c.store.get("VBD", vbd)
        vdi = record["VDI"]
        if record["type"] == "Disk":
            vdi = await storage.snapshot(c, vdi)
        twin_device(c, "VBD", vbd, VM=made, VDI=vdi)
    for vif in c.store.refs("VIF", VM=vm):
        twin_device(c, "VIF", vif, VM=made)
    return made


@message("VM.revert", "ref VM")
async def revert(c: Context, kept: str) -> None:
    """Its disks of now are destroyed, and it has new ones, made of those that were kept.

    A running VM loses its power first; after a checkpoint it is suspended and not running.
    """
    allow(c, kept, "revert")
    vm = c.store.get("VM", kept)["snapshot_of"]
    if not c.store.has("VM", vm):
        raise XapiError("HANDLE_INVALID", "VM", vm)
    if c.store.get("VM", vm)["current_operations"]:
        raise XapiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, "")
    async with c.working("reverting", vm):
        if c.store.get("VM", vm)["power_state"] != "Halted":
            domains.power_off(c, vm)
        await _exchange_disks(c, vm, kept)
        for vif in c.store.refs("VIF", VM=vm):
            c.store.remove(vif)
        for vif in c.store.refs("VIF", VM=kept):
            twin_device(c, "VIF", vif, VM=vm)
        record = c.store.get("VM", kept)
        c.store.put(vm, **{one: record[one] for one in CLASSES["VM"] if one not in STAYS})
        if record["power_state"] == "Suspended":
            sr = c.store.get("VDI", record["suspend_VDI"])["SR"]
            memory = await storage.filled(c, record["suspend_VDI"], sr)
            c.store.put(vm, power_state="Suspended", suspend_VDI=memory)


async def _exchange_disks(c: Context, vm: str, kept: str) -> None:
    old = [c.store.get("VBD", one)["VDI"] for one in c.store.refs("VBD", VM=vm, type="Disk")]
    for vbd in c.store.refs("VBD", VM=vm):
        c.store.remove(vbd)
    for vbd in c.store.refs("VBD", VM=kept):
        record = c.store.get("VBD", vbd)
        vdi = record["VDI"]
        if record["type"] == "Disk":
            like = c.store.get("VDI", vdi)
            vdi = await storage.filled(c, vdi, like["SR"])
            for other in c.store.refs("VDI", snapshot_of=like["snapshot_of"]):
                if like["snapshot_of"] in old:
                    c.store.put(other, snapshot_of=vdi)
        twin_device(c, "VBD", vbd, VM=vm, VDI=vdi)
    for vdi in old:
        if c.store.has("VDI", vdi) and not c.store.refs("VBD", VDI=vdi):
            storage.remove_vdi(c, vdi)
