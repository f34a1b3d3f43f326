"""Hosts: what they say of themselves, and how a guest comes to one from another."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.peers.xapi import disks, domains, storage
from tests.peers.xapi.calls import Context, message
from tests.peers.xapi.guests import twin_device
from tests.peers.xapi.model import NULL
from tests.peers.xapi.rules import allow, has_drivers
from tests.peers.xapi.store import XapiError, stamp


@message("host.get_servertime", "ref host")
def get_servertime(c: Context, _: str) -> str:
    return stamp(c.world.clock())


@message("host.compute_free_memory", "ref host")
def compute_free_memory(c: Context, host: str) -> int:
    return domains.free_memory(c, host)


@message("host.get_server_certificate", "ref host")
def get_server_certificate(c: Context, host: str) -> str:
    return c.world.certificate(host)


@message("host.disable", "ref host")
def disable(c: Context, host: str) -> None:
    c.store.put(host, enabled=False)


@message("host.enable", "ref host")
def enable(c: Context, host: str) -> None:
    c.store.put(host, enabled=True)


@message("host.migrate_receive", "ref host", "ref network", "map")
def migrate_receive(c: Context, host: str, network: str, _: dict[str, str]) -> dict[str, str]:
    """A ticket that lets another pool send a guest here."""
    if not c.store.refs("PIF", host=host, network=network):
        raise XapiError("INTERFACE_HAS_NO_IP", network)
    ticket = str(uuid4())
    c.world.tickets[ticket] = (host, network)
    return {"ticket": ticket, "host": host, "url": c.world.url(host), "session_id": c.session}


@message("VM.migrate_send", "ref VM", "map", "bool", "map", "map", "map")
async def migrate_send(
    c: Context, vm: str, ticket: dict[str, str], live: bool, vdi_map: dict[str, str],
    vif_map: dict[str, str], options: dict[str, str],
) -> str:  # fmt: skip
    """With its disks, to another host of this pool or of another; the old disks are destroyed."""
    from tests.peers.xapi.world import world_of_ticket

    allow(c, vm, "migrate_send")
    if not live:
        raise XapiError("VALUE_NOT_SUPPORTED", "live", "false", "this peer moves running VMs only")
    if not has_drivers(c, c.store.get("VM", vm)):
        raise XapiError("VM_MISSING_PV_DRIVERS", vm)
    there = world_of_ticket(ticket.get("ticket", ""))
    host = there.tickets[ticket["ticket"]][0]
    far = Context(there, host, task=c.task)
    _need_maps(c, far, vm, vdi_map, vif_map, host)
    going = [
        vbd for vbd in c.store.refs("VBD", VM=vm, type="Disk")
        if c.store.get("VDI", c.store.get("VBD", vbd)["VDI"])["SR"]
        != vdi_map.get(c.store.get("VBD", vbd)["VDI"])
    ]  # fmt: skip
    async with c.working("migrate_send", vm, takes_s=c.world.behaviour.copy_s):
        if there is c.world:
            for vbd in going:
                vdi = c.store.get("VBD", vbd)["VDI"]
                if vdi in vdi_map:
                    await storage.mirror(c, vdi, vdi_map[vdi])
            domains.move(c, vm, host)
            return vm
        return await _to_another_pool(c, far, vm, host, vdi_map, vif_map)


def _need_maps(
    c: Context, far: Context, vm: str, vdi_map: dict[str, str], vif_map: dict[str, str], host: str
) -> None:
    for vbd in c.store.refs("VBD", VM=vm, type="Disk"):
        vdi = c.store.get("VBD", vbd)["VDI"]
        sr = vdi_map.get(vdi, c.store.get("VDI", vdi)["SR"])
        if not far.store.has("SR", sr):
            raise XapiError("VDI_NOT_IN_MAP", vdi)
        if not far.store.refs("PBD", SR=sr, host=host, currently_attached=True):
            raise XapiError("VM_REQUIRES_SR", vm, sr)
    for vif in c.store.refs("VIF", VM=vm):
        network = vif_map.get(vif, c.store.get("VIF", vif)["network"])
        if not far.store.has("network", network):
            raise XapiError("VIF_NOT_IN_MAP", vif)
    needed = int(c.store.get("VM", vm)["memory_dynamic_max"])
    same = far.world is c.world and c.store.get("VM", vm)["resident_on"] == host
    if not same and needed > (free := domains.free_memory(far, host)):
        raise XapiError("HOST_NOT_ENOUGH_FREE_MEMORY", needed, free)


async def _to_another_pool(
    c: Context, far: Context, vm: str, host: str, vdi_map: dict[str, str], vif_map: dict[str, str]
) -> str:
    """It keeps its uuid and its `other_config` there, and its disks are new ones."""
    record = c.store.get("VM", vm)
    moved = far.store.add("VM", **_carried(record), snapshots=[], affinity=NULL)
    for vbd in c.store.refs("VBD", VM=vm):
        held = c.store.get("VBD", vbd)
        vdi = NULL
        if held["type"] == "Disk":
            source = c.store.get("VDI", held["VDI"])
            vdi = storage.new_vdi(
                far, vdi_map[held["VDI"]], int(source["virtual_size"]), type=source["type"],
                name_label=source["name_label"],
            )  # fmt: skip
            disks.copy(c.world.file(held["VDI"]), far.world.file(vdi))
        twin_device(c, "VBD", vbd, into=far.store, VM=moved, VDI=vdi, empty=vdi == NULL)
    for vif in c.store.refs("VIF", VM=vm):
        network = vif_map.get(vif, NULL)
        twin_device(c, "VIF", vif, into=far.store, VM=moved, network=network)
    memory = c.world.memory[vm]
    gone = [c.store.get("VBD", vbd)["VDI"] for vbd in c.store.refs("VBD", VM=vm, type="Disk")]
    domains.power_off(c, vm)
    for cls in ("VBD", "VIF"):
        for ref in c.store.refs(cls, VM=vm):
            c.store.remove(ref)
    c.store.remove(vm)
    for vdi in gone:
        storage.remove_vdi(c, vdi)
    domains.power_on(far, moved, host, memory=memory)
    return moved


def _carried(record: dict[str, Any]) -> dict[str, Any]:
    left = (
        "power_state", "resident_on", "domid", "metrics", "guest_metrics", "consoles", "VBDs",
        "VIFs", "snapshots", "current_operations", "suspend_VDI", "children", "parent", "affinity",
    )  # fmt: skip
    return {name: value for name, value in record.items() if name not in left}
