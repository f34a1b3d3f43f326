"""VBD and VIF: plugging disks and network cards, with the rules that XAPI has for it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from tests.peers.xapi import domains
from tests.peers.xapi.calls import Context, message
from tests.peers.xapi.model import NULL
from tests.peers.xapi.rules import has_drivers
from tests.peers.xapi.storage import creatable
from tests.peers.xapi.store import XapiError

DISKS_MAX, CARDS_MAX = 16, 7


def need_iso(c: Context, vdi: str) -> None:
    """Discs are files of a library, whose repository's content is of type `iso`."""
    sr = c.store.get("VDI", vdi)["SR"]
    if c.store.get("SR", sr)["content_type"] != "iso":
        raise XapiError("VDI_IS_NOT_ISO", vdi, c.store.get("SR", sr)["type"])


@message("VBD.create", "map_any")
def vbd_create(c: Context, given: dict[str, Any]) -> str:
    must = (
        "VM", "VDI", "userdevice", "bootable", "mode", "type", "empty", "other_config",
        "qos_algorithm_type", "qos_algorithm_params",
    )  # fmt: skip
    record = creatable(c, "VBD", given, *must)
    vm, is_disc = record["VM"], record["type"] == "CD"
    if record["mode"] not in ("RO", "RW") or record["type"] not in ("CD", "Disk", "Floppy"):
        raise XapiError("VALUE_NOT_SUPPORTED", "mode or type", f"{record}", "not an enum's value")
    if is_disc and record["mode"] != "RO":
        raise XapiError("VBD_CDS_MUST_BE_READONLY")
    if not is_disc and record["empty"]:
        raise XapiError("VBD_NOT_REMOVABLE_MEDIA", "in constructor")
    if not record["empty"]:
        held = c.store.get("VDI", record["VDI"])
        if is_disc:
            need_iso(c, record["VDI"])
        if record["mode"] == "RW" and (held["read_only"] or held["is_a_snapshot"]):
            raise XapiError("VDI_READONLY", record["VDI"])
    doing = c.store.get("VM", vm)["current_operations"].values()
    if {"migrate_send", "pool_migrate"} & set(doing):
        raise XapiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, "migrate_send")
    used = {c.store.get("VBD", one)["userdevice"] for one in c.store.refs("VBD", VM=vm)}
    if record["userdevice"] == "autodetect":
        free = [str(n) for n in range(DISKS_MAX) if str(n) not in used]
        record["userdevice"] = free[0] if free else "none"
    if not record["userdevice"].isdigit() or int(record["userdevice"]) >= DISKS_MAX:
        raise XapiError("INVALID_DEVICE", record["userdevice"])
    if record["userdevice"] in used:
        raise XapiError("DEVICE_ALREADY_EXISTS", record["userdevice"])
    return c.store.add("VBD", **record)


def running_vm(c: Context, cls: str, ref: str) -> tuple[str, dict[str, Any]]:
    vm = c.store.get(cls, ref)["VM"]
    record = c.store.get("VM", vm)
    if record["power_state"] != "Running":
        raise XapiError("VM_BAD_POWER_STATE", vm, "running", record["power_state"].lower())
    return vm, record


@message("VBD.plug", "ref VBD")
async def vbd_plug(c: Context, vbd: str) -> None:
    vm, record = running_vm(c, "VBD", vbd)
    if c.store.get("VBD", vbd)["currently_attached"]:
        raise XapiError("DEVICE_ALREADY_ATTACHED", vbd)
    domains.need_disk(c, vm, vbd, record["resident_on"])
    if not has_drivers(c, record):
        raise XapiError("VM_MISSING_PV_DRIVERS", vm)
    async with c.working("plug", vbd):
        number = int(c.store.get("VBD", vbd)["userdevice"])
        c.store.put(vbd, currently_attached=True, device=domains.device_name(number))


@message("VBD.unplug", "ref VBD")
async def vbd_unplug(c: Context, vbd: str) -> None:
    _, record = running_vm(c, "VBD", vbd)
    held = c.store.get("VBD", vbd)
    if not held["currently_attached"]:
        raise XapiError("DEVICE_ALREADY_DETACHED", vbd)
    if not held["unpluggable"] or not has_drivers(c, record):
        raise XapiError("DEVICE_DETACH_REJECTED", "VBD", vbd, "")
    async with c.working("unplug", vbd):
        c.store.put(vbd, currently_attached=False, device="")


@message("VBD.destroy", "ref VBD")
def vbd_destroy(c: Context, vbd: str) -> None:
    if c.store.get("VBD", vbd)["currently_attached"]:
        raise XapiError("OPERATION_NOT_ALLOWED", f"VBD '{vbd}' still attached to a VM")
    c.store.remove(vbd)


@message("VBD.insert", "ref VBD", "ref VDI")
async def vbd_insert(c: Context, vbd: str, vdi: str) -> None:
    record = c.store.get("VBD", vbd)
    if record["type"] != "CD":
        raise XapiError("VBD_NOT_REMOVABLE_MEDIA", vbd)
    if not record["empty"]:
        raise XapiError("VBD_NOT_EMPTY", vbd)
    need_iso(c, vdi)
    async with c.working("insert", vbd):
        c.store.put(vbd, VDI=vdi, empty=False)


@message("VBD.eject", "ref VBD")
async def vbd_eject(c: Context, vbd: str) -> None:
    record = c.store.get("VBD", vbd)
    if record["type"] != "CD":
        raise XapiError("VBD_NOT_REMOVABLE_MEDIA", vbd)
    if record["empty"]:
        raise XapiError("VBD_IS_EMPTY", vbd)
    async with c.working("eject", vbd):
        c.store.put(vbd, VDI=NULL, empty=True)


@message("VIF.create", "map_any")
def vif_create(c: Context, given: dict[str, Any]) -> str:
    must = (
        "device", "network", "VM", "MAC", "MTU", "other_config", "qos_algorithm_type",
        "qos_algorithm_params",
    )  # fmt: skip
    record = creatable(c, "VIF", given, *must)
    vm = record["VM"]
    if record["MAC"] and not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", record["MAC"]):
        raise XapiError("MAC_INVALID", record["MAC"])
    if record["MAC"] and int(record["MAC"][:2], 16) & 1:
        raise XapiError("MAC_INVALID", record["MAC"])
    used = {c.store.get("VIF", one)["device"] for one in c.store.refs("VIF", VM=vm)}
    if not record["device"].isdigit() or int(record["device"]) >= CARDS_MAX:
        raise XapiError("INVALID_DEVICE", record["device"])
    if record["device"] in used:
        raise XapiError("DEVICE_ALREADY_EXISTS", record["device"])
    made_up = not record["MAC"]
    if made_up:
        record["MAC"] = "02:" + ":".join(f"{byte:02x}" for byte in uuid4().bytes[:5])
    return c.store.add("VIF", **record, MAC_autogenerated=made_up)


@message("VIF.plug", "ref VIF")
async def vif_plug(c: Context, vif: str) -> None:
    vm, record = running_vm(c, "VIF", vif)
    held = c.store.get("VIF", vif)
    if held["currently_attached"]:
        raise XapiError("DEVICE_ALREADY_ATTACHED", vif)
    domains.need_network(c, vm, held["network"], record["resident_on"])
    if not has_drivers(c, record):
        raise XapiError("VM_MISSING_PV_DRIVERS", vm)
    async with c.working("plug", vif):
        c.store.put(vif, currently_attached=True)


@message("VIF.unplug", "ref VIF")
async def vif_unplug(c: Context, vif: str) -> None:
    _, record = running_vm(c, "VIF", vif)
    if not c.store.get("VIF", vif)["currently_attached"]:
        raise XapiError("DEVICE_ALREADY_DETACHED", vif)
    if not has_drivers(c, record):
        raise XapiError("DEVICE_DETACH_REJECTED", "VIF", vif, "")
    async with c.working("unplug", vif):
        c.store.put(vif, currently_attached=False)


@message("VIF.destroy", "ref VIF")
def vif_destroy(c: Context, vif: str) -> None:
    if c.store.get("VIF", vif)["currently_attached"]:
        raise XapiError("OPERATION_NOT_ALLOWED", f"VIF '{vif}' still attached to a VM")
    c.store.remove(vif)
