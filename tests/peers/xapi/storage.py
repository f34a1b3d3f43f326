"""SR, PBD and VDI: repositories, who is plugged into them, and disks with real bytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from tests.peers.xapi import disks
from tests.peers.xapi.calls import Context, check_value, message
from tests.peers.xapi.model import CLASSES, NULL, is_for_create, kind_of
from tests.peers.xapi.store import XapiError, stamp

VHD_GRAIN_BYTES = 2 * 1024**2
COPIED = ("name_label", "name_description", "other_config", "xenstore_data", "tags")
SR_TYPES = {"nfs": ("server", "serverpath"), "lvmoiscsi": ("target", "targetIQN", "SCSIid")}


def creatable(context: Context, cls: str, given: dict[str, Any], *must: str) -> dict[str, Any]:
    """What a record for `create` may say, checked; fields that are read-only are not taken."""
    for name in must:
        if name not in given:
            raise XapiError("FIELD_TYPE_ERROR", name)
    taken = {}
    for name, value in given.items():
        if name not in CLASSES[cls] or not is_for_create(cls, name):
            continue
        kind = kind_of(cls, name)
        null = kind.startswith("ref ") and name == "VDI"
        check_value(context.store, f"{cls}.{name}", f"{kind}?null" if null else kind, value)
        taken[name] = int(value) if kind == "int" else value
    return taken


def free_bytes(context: Context, sr: str) -> int:
    record = context.store.get("SR", sr)
    used = sum(_space(context, vdi) for vdi in context.store.refs("VDI", SR=sr))
    return int(record["physical_size"]) - used


def _space(context: Context, vdi: str) -> int:
    """Thick repositories take the whole of a disk, thin ones what is written of it."""
    record = context.store.get("VDI", vdi)
    if context.store.get("SR", record["SR"])["type"].startswith("lvm"):
        return int(record["virtual_size"])
    return disks.used_bytes(context.world.file(vdi))


def need_plugged(context: Context, sr: str, host: str) -> None:
    plugged = context.store.refs("PBD", SR=sr, host=host, currently_attached=True)
    if not plugged:
        raise XapiError("SR_NO_PBDS", sr)


def new_vdi(context: Context, sr: str, size_bytes: int, **fields: Any) -> str:
    """A disk with its file. Sizes are whole grains, as VHD has them."""
    store, record = context.store, context.store.get("SR", sr)
    if not store.refs("PBD", SR=sr, currently_attached=True):
        raise XapiError("SR_NO_PBDS", sr)
    if record["content_type"] != "iso":
        size_bytes = -(-size_bytes // VHD_GRAIN_BYTES) * VHD_GRAIN_BYTES
    if record["type"].startswith("lvm") and size_bytes > (free := free_bytes(context, sr)):
        raise XapiError(
            "SR_BACKEND_FAILURE_44", "", f"There is insufficient space: {free} bytes free", ""
        )
    if size_bytes > int(record["physical_size"]):
        raise XapiError("SR_FULL", size_bytes, record["physical_size"])
    made: dict[str, Any] = {"SR": sr, "virtual_size": size_bytes, "managed": True} | fields
    vdi = store.add("VDI", **made)
    store.put(vdi, location=store.get("VDI", vdi)["uuid"])
    disks.make(context.world.file(vdi), size_bytes)
    return vdi


async def filled(context: Context, source: str, sr: str, **fields: Any) -> str:
    """A new disk with the bytes of another, and with what clones and snapshots take over."""
    like = context.store.get("VDI", source)
    taken = {name: like[name] for name in COPIED} | {"type": like["type"]} | fields
    made = new_vdi(context, sr, int(like["virtual_size"]), **taken)
    world = context.world
    await asyncio.to_thread(disks.copy, world.file(source), world.file(made))
    return made


def attached(context: Context, vdi: str) -> list[str]:
    return context.store.refs("VBD", VDI=vdi, currently_attached=True)


def need_free(context: Context, vdi: str, operation: str) -> None:
    """Nothing goes on with it but copies, and no guest has it."""
    if set(context.store.get("VDI", vdi)["current_operations"].values()) - {"copy"}:
        raise XapiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi)
    if attached(context, vdi):
        raise XapiError("VDI_IN_USE", vdi, operation)


def remove_vdi(context: Context, vdi: str) -> None:
    for vbd in context.store.refs("VBD", VDI=vdi):
        context.store.remove(vbd)
    with suppress(FileNotFoundError):
        context.world.file(vdi).unlink()
    context.store.remove(vdi)


@message("VDI.create", "map_any")
async def vdi_create(c: Context, record: dict[str, Any]) -> str:
    must = ("SR", "virtual_size", "type", "sharable", "read_only", "other_config")
    taken = creatable(c, "VDI", record, *must)
    if taken["type"] not in ("user", "system", "suspend", "crashdump", "ephemeral"):
        raise XapiError("VALUE_NOT_SUPPORTED", "type", taken["type"], "not a type of VDI")
    size_bytes = taken.pop("virtual_size")
    if size_bytes <= 0:
        raise XapiError("SR_BACKEND_FAILURE_79", "", "VDI Invalid size", "")
    sr = taken.pop("SR")
    async with c.working("vdi_create", sr):
        made = new_vdi(c, sr, size_bytes, **taken)
    if c.store.get("SR", sr)["content_type"] == "iso":
        c.store.put(made, location=f"{taken.get('name_label', made)}")
    return made


@message("VDI.destroy", "ref VDI")
async def vdi_destroy(c: Context, vdi: str) -> None:
    need_free(c, vdi, "destroy")
    async with c.working("destroy", vdi):
        if attached(c, vdi):
            raise XapiError("VDI_IN_USE", vdi, "destroy")
    remove_vdi(c, vdi)


@message("VDI.clone", "ref VDI", "map")
async def vdi_clone(c: Context, vdi: str, _: dict[str, str]) -> str:
    need_free(c, vdi, "clone")
    async with c.working("clone", vdi):
        return await filled(c, vdi, c.store.get("VDI", vdi)["SR"])


@message("VDI.snapshot", "ref VDI", "map")
async def vdi_snapshot(c: Context, vdi: str, _: dict[str, str]) -> str:
    if c.store.get("VDI", vdi)["current_operations"]:
        raise XapiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi)
    async with c.working("snapshot", vdi):
        return await snapshot(c, vdi)


async def snapshot(c: Context, vdi: str) -> str:
    return await filled(
        c, vdi, c.store.get("VDI", vdi)["SR"],
        is_a_snapshot=True, snapshot_of=vdi, snapshot_time=stamp(c.world.clock()),
    )  # fmt: skip


@message("VDI.copy", "ref VDI", "ref SR?null", "ref VDI?null", "ref VDI?null")
async def vdi_copy(c: Context, vdi: str, sr: str, base: str, into: str) -> str:
    """Into a new disk of a repository, or into one that is there."""
    if base not in (NULL, ""):
        raise XapiError("SR_OPERATION_NOT_SUPPORTED", sr)
    need_free(c, vdi, "copy")
    if into in (NULL, ""):
        async with c.working("copy", vdi, takes_s=c.world.behaviour.copy_s):
            return await filled(c, vdi, sr)
    need_free(c, into, "copy")
    size = c.store.get("VDI", vdi)["virtual_size"]
    if c.store.get("VDI", into)["virtual_size"] < size:
        raise XapiError("VDI_TOO_SMALL", into, size)
    async with c.working("copy", vdi, into, takes_s=c.world.behaviour.copy_s):
        await asyncio.to_thread(disks.copy, c.world.file(vdi), c.world.file(into))
    return into


@message("VDI.resize", "ref VDI", "int")
async def vdi_resize(c: Context, vdi: str, size_bytes: int) -> None:
    need_free(c, vdi, "resize")
    size_bytes = -(-int(size_bytes) // VHD_GRAIN_BYTES) * VHD_GRAIN_BYTES
    if size_bytes < int(c.store.get("VDI", vdi)["virtual_size"]):
        raise XapiError("SR_BACKEND_FAILURE_79", "", "VDI Invalid size: shrinking", "")
    async with c.working("resize", vdi):
        disks.resize(c.world.file(vdi), size_bytes)
        c.store.put(vdi, virtual_size=size_bytes)


@message("VDI.pool_migrate", "ref VDI", "ref SR", "map")
async def vdi_pool_migrate(c: Context, vdi: str, sr: str, options: dict[str, str]) -> str:
    """The running guest goes on from a new disk, and the old one is destroyed.

    The new disk is another object with another uuid, and nothing of `other_config` comes along.
    """
    vbds = attached(c, vdi)
    if not vbds:
        raise XapiError("VDI_NEEDS_VM_FOR_MIGRATE", vdi)
    vm = c.store.get("VBD", vbds[0])["VM"]
    record = c.store.get("VM", vm)
    if record["current_operations"]:
        raise XapiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm)
    if not c.store.refs("PBD", SR=sr, host=record["resident_on"], currently_attached=True):
        raise XapiError("VM_REQUIRES_SR", vm, sr)
    async with c.working("migrate_send", vm):
        return await mirror(c, vdi, sr)


async def mirror(c: Context, vdi: str, sr: str) -> str:
    made = await filled(c, vdi, sr, other_config={}, tags=[])
    try:
        async with c.working("mirror", vdi, made, takes_s=c.world.behaviour.copy_s):
            pass
    except asyncio.CancelledError:
        remove_vdi(c, made)
        raise
    await asyncio.to_thread(disks.copy, c.world.file(vdi), c.world.file(made))
    for vbd in c.store.refs("VBD", VDI=vdi):
        c.store.put(vbd, VDI=made)
    remove_vdi(c, vdi)
    return made


@message("SR.scan", "ref SR")
async def sr_scan(c: Context, sr: str) -> None:
    if not c.store.refs("PBD", SR=sr, currently_attached=True):
        raise XapiError("SR_NO_PBDS", sr)
    async with c.working("scan", sr):
        c.store.put(sr)


@message("SR.create", "ref host", "map", "int", "str", "str", "str", "str", "bool", "map")
async def sr_create(
    c: Context, host: str, device_config: dict[str, str], size: int, name: str, description: str,
    sr_type: str, content_type: str, shared: bool, sm_config: dict[str, str],
) -> str:  # fmt: skip
    """Repositories of the kinds that a test may need: the share or target is not looked for."""
    if sr_type not in SR_TYPES:
        raise XapiError("SR_UNKNOWN_DRIVER", sr_type)
    for name_ in SR_TYPES[sr_type]:
        if name_ in device_config:
            continue
        if name_ == "SCSIid":
            raise XapiError("SR_BACKEND_FAILURE_107", "", "The SCSIid parameter is missing", LUNS)
        raise XapiError("SR_BACKEND_FAILURE_90", "", f"missing parameter {name_}", "")
    if device_config.get("server") in c.world.dead_servers:
        raise XapiError("SR_BACKEND_FAILURE_73", "", "NFS mount error", "")
    async with c.working("vdi_create", host):
        sr = c.store.add(
            "SR", name_label=name, name_description=description, type=sr_type, shared=shared,
            content_type=content_type, physical_size=c.world.share_bytes,
            sm_config=dict(sm_config),
        )  # fmt: skip
        for one in c.store.refs("host") if shared else [host]:
            c.store.add(
                "PBD", host=one, SR=sr, device_config=dict(device_config), currently_attached=True
            )
    return sr


LUNS = (
    "<?xml version='1.0' ?><iscsi-target><LUN><vendor>peer</vendor><LUNid>0</LUNid>"
    "<size>10737418240</size><SCSIid>3600000000000000000e00000000010001</SCSIid></LUN>"
    "</iscsi-target>"
)


@message("SR.forget", "ref SR")
async def sr_forget(c: Context, sr: str) -> None:
    if c.store.refs("PBD", SR=sr, currently_attached=True):
        raise XapiError("SR_HAS_PBD", sr)
    for vdi in c.store.refs("VDI", SR=sr):
        c.store.remove(vdi)
    for pbd in c.store.refs("PBD", SR=sr):
        c.store.remove(pbd)
    c.store.remove(sr)


@message("PBD.create", "map_any")
def pbd_create(c: Context, record: dict[str, Any]) -> str:
    host, sr = str(record.get("host", "")), str(record.get("SR", ""))
    check_value(c.store, "PBD.host", "ref host", host)
    check_value(c.store, "PBD.SR", "ref SR", sr)
    if c.store.refs("PBD", SR=sr, host=host):
        raise XapiError("PBD_EXISTS", sr, host, c.store.refs("PBD", SR=sr, host=host)[0])
    config = dict(record.get("device_config", {}))
    return c.store.add("PBD", host=host, SR=sr, device_config=config)


@message("PBD.plug", "ref PBD")
async def pbd_plug(c: Context, pbd: str) -> None:
    async with c.working("plug"):
        c.store.put(pbd, currently_attached=True)


@message("PBD.unplug", "ref PBD")
async def pbd_unplug(c: Context, pbd: str) -> None:
    record = c.store.get("PBD", pbd)
    for vdi in c.store.refs("VDI", SR=record["SR"]):
        for vbd in attached(c, vdi):
            vm = c.store.get("VBD", vbd)["VM"]
            if c.store.get("VM", vm)["resident_on"] == record["host"]:
                raise XapiError("SR_DEVICE_IN_USE", "")
    async with c.working("unplug"):
        c.store.put(pbd, currently_attached=False)
