"""VMs: made, looked at, changed, enlarged, cloned, moved and destroyed."""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any

from tests.peers.proxmox import drives as d
from tests.peers.proxmox.errors import No, bad, die
from tests.peers.proxmox.world import Vm, World

if TYPE_CHECKING:
    from tests.peers.proxmox.server import Call

MAC = r"[0-9A-F]{2}(:[0-9A-F]{2}){5}"
AT_ONCE = ("name", "description", "tags", "onboot", "protection", "boot", "hotplug")


async def listed(call: Call) -> Any:
    return [
        _status(vm, full=call.flag("full"))
        for vm in call.world.vms.values()
        if vm.node == call.node
    ]


async def current(call: Call) -> Any:
    return _status(call.world.vm(call.node, call.vmid), full=True)


def _status(vm: Vm, *, full: bool) -> dict[str, Any]:
    up_s = time.monotonic() - vm.since_s if vm.running else 0.0
    told: dict[str, Any] = {
        "vmid": vm.vmid, "name": vm.config.get("name", f"VM {vm.vmid}"), "uptime": int(up_s),
        "status": "running" if vm.running else "stopped", "maxmem": vm.memory,
        "cpus": int(vm.config.get("cores", "1")) * int(vm.config.get("sockets", "1")),
        "cpu": 0.02 if vm.running else 0, "mem": vm.memory // 2 if vm.running else 0, "disk": 0,
        "netin": int(up_s * 100), "netout": int(up_s * 50), "diskread": int(up_s * 4096),
        "diskwrite": int(up_s * 1024),
    }  # fmt: skip
    for name in ("tags", "lock"):
        if vm.config.get(name):
            told[name] = vm.config[name]
    if full:
        told["qmpstatus"] = told["status"]
    return told


def _digest(vm: Vm) -> str:
    return hashlib.sha1(json.dumps(vm.config, sort_keys=True).encode()).hexdigest()


async def config(call: Call) -> Any:
    """With what is pending, unless the current values are asked for."""
    vm = call.world.vm(call.node, call.vmid)
    told: dict[str, Any] = dict(vm.config)
    if not call.flag("current"):
        told |= {name: value for name, value in vm.pending.items() if value is not None}
        told = {name: value for name, value in told.items() if vm.pending.get(name, "") is not None}
    for name in ("cores", "sockets", "onboot", "protection"):
        if name in told:
            told[name] = int(told[name])
    return told | {"digest": _digest(vm)}


async def pending(call: Call) -> Any:
    vm = call.world.vm(call.node, call.vmid)
    found = []
    for name in {**vm.config, **vm.pending}:
        one: dict[str, Any] = {"key": name}
        if name in vm.config:
            one["value"] = vm.config[name]
        if name in vm.pending:
            value = vm.pending[name]
            one |= {"delete": 1} if value is None else {"pending": value}
        found.append(one)
    return found


async def create(call: Call) -> Any:
    world, told = call.world, dict(call.told)
    vmid = int(told.pop("vmid"))
    d.check(world, told)
    vm = world.reserve(vmid, call.node, "create", f"unable to create VM {vmid} -")

    async def work() -> None:
        try:
            made = await d.define(world, vm, told)
        except No as error:
            del world.vms[vmid]
            raise die(f"unable to create VM {vmid} - {error.reason}") from error
        vm.config = told | made

    return world.task(call.node, "qmcreate", str(vmid), call.user, work)


async def destroy(call: Call) -> Any:
    world = call.world
    vm = world.unlocked(world.vm(call.node, call.vmid))
    if vm.config.get("protection") == "1":
        raise die(f"can't remove VM {vm.vmid} - protection mode enabled")
    if vm.running:
        raise die(f"VM {vm.vmid} is running - destroy failed")

    async def work() -> None:
        for name in list(vm.config):
            if d.DRIVE.fullmatch(name) or name.startswith("unused"):
                d.release(world, vm, name, force=True)
        if call.flag("destroy-unreferenced-disks"):
            for volid in [one.volid for one in world.volumes.values() if one.owner == vm.vmid]:
                world.free(volid)
        world.vms.pop(vm.vmid, None)

    return world.task(call.node, "qmdestroy", str(vm.vmid), call.user, work)


async def change(call: Call) -> Any:
    await _change(call)


async def change_later(call: Call) -> Any:
    vm = call.world.vm(call.node, call.vmid)

    async def work() -> None:
        await _change(call)

    return call.world.task(call.node, "qmconfig", str(vm.vmid), call.user, work)


async def _change(call: Call) -> None:
    world, told = call.world, dict(call.told)
    vm = world.unlocked(world.vm(call.node, call.vmid))
    if told.pop("digest", _digest(vm)) != _digest(vm):
        raise die("detected modified configuration - file changed by other user? Try again.")
    force, gone = told.pop("force", "0") == "1", told.pop("delete", "")
    for name in [one for one in gone.split(",") if one]:
        if name not in vm.config and not re.fullmatch(r"(scsi|ide|net|unused)\d+|\w+", name):
            raise bad(delete=f"unable to delete '{name}'")
        _remove(world, vm, name, force=force)
    d.check(world, told)
    told |= await d.define(world, vm, told)
    for name, value in told.items():
        if not vm.running or name in AT_ONCE or _plugs(vm, name, value):
            vm.config[name] = value
            vm.pending.pop(name, None)
        else:
            vm.pending[name] = value


def _plugs(vm: Vm, name: str, value: str) -> bool:
    """Whether a running VM takes a change: new disks and cards, other limits, another disc."""
    able = vm.config.get("hotplug", "network,disk,usb").split(",")
    there = vm.config.get(name)
    if name.startswith("net"):
        return "network" in able
    if name.startswith("ide"):
        return there is not None and d.parse(there).is_cdrom and d.parse(value).is_cdrom
    if not name.startswith("scsi") or "disk" not in able:
        return False
    return there is None or d.parse(there).volume == d.parse(value).volume


def _remove(world: World, vm: Vm, name: str, *, force: bool) -> None:
    plugged = vm.running and re.fullmatch(r"(scsi|ide|net)\d+", name) and name in vm.config
    if plugged and (world.stubborn or name.startswith("ide")):
        vm.pending[name] = None
        return
    vm.pending.pop(name, None)
    if name.startswith(("scsi", "ide", "unused")) and name != "scsihw":
        d.release(world, vm, name, force=force)
    else:
        vm.config.pop(name, None)


async def resize(call: Call) -> Any:
    world, slot = call.world, call.told["disk"]
    vm = world.unlocked(world.vm(call.node, call.vmid))
    drive = d.drives(vm.config).get(slot)
    if drive is None:
        raise die(f"disk '{slot}' does not exist")
    volume = world.volume(drive.volume)
    if vm.moments and volume.format == "qcow2":
        raise die(f"can't resize volume: {slot} if snapshot exists")
    said = call.told["size"]
    size = d.parse_size(said.lstrip("+")) + (volume.size if said.startswith("+") else 0)
    if size < volume.size:
        raise die("shrinking disks is not supported")

    async def work() -> None:
        d.demand_unlocked(world, volume.volid, vm)
        with volume.file.open("r+b") as file:
            file.truncate(size)
        vm.config[slot] = str(d.Drive(drive.volume, drive.options | {"size": d.shown_size(size)}))

    return world.task(call.node, "resize", str(vm.vmid), call.user, work)


async def clone(call: Call) -> Any:
    """Everything is taken over but what is unused; cards get addresses of their own."""
    world, told = call.world, call.told
    vm = world.unlocked(world.vm(call.node, call.vmid))
    moment, newid = told.get("snapname", ""), int(told["newid"])
    if moment and moment not in vm.moments:
        raise die(f"snapshot '{moment}' does not exist")
    source = dict(vm.moments[moment] if moment else vm.config)
    if not call.flag("full"):
        raise die("Linked clone feature is not supported for drive 'scsi0'")
    new = world.reserve(newid, told.get("target", call.node), "clone",
                        f"unable to create VM {newid}:")  # fmt: skip

    async def work() -> None:
        made: list[str] = []
        try:
            config = {one: said for one, said in source.items() if not one.startswith("unused")}
            for name, drive in d.drives(config).items():
                if not drive.is_cdrom:
                    volid = await _copied(call, vm, drive, moment, new)
                    made.append(volid)
                    config[name] = str(d.Drive(volid, drive.options))
            for name in [one for one in config if one.startswith("net")]:
                config[name] = re.sub(MAC, f"BC:24:11:{newid % 100:02d}:00:00", config[name])
            config["name"] = told.get("name", f"Copy-of-VM-{source.get('name', vm.vmid)}")
            if "description" in told:
                config["description"] = told["description"]
            new.config = config
        except BaseException:
            world.vms.pop(newid, None)
            for volid in made:
                world.free(volid)
            raise

    return world.task(call.node, "qmclone", str(newid), call.user, work)


async def _copied(call: Call, vm: Vm, drive: d.Drive, moment: str, new: Vm) -> str:
    world = call.world
    volume = world.volume(drive.volume)
    if moment and volume.format != "qcow2":
        raise die(f"Full clone feature is not supported for a snapshot of '{volume.volid}'")
    if not moment:
        d.demand_unlocked(world, volume.volid, vm)
    source = volume.moments[moment] if moment else volume.file
    form = call.told.get("format", volume.format)
    where = call.told.get("storage", volume.storage)
    made = world.allocate(where, new.vmid, new.node, source.stat().st_size, form)
    await world.fill(made, source)
    return made.volid


async def migrate(call: Call) -> Any:
    world, target = call.world, call.told["target"]
    vm = world.unlocked(world.vm(call.node, call.vmid))
    if target == call.node:
        raise bad(target="target is local node.")
    if not world.nodes.get(target):
        raise die(f"node '{target}' is not online")
    if vm.running and not call.flag("online"):
        raise die("can't migrate running VM without --online")

    async def work() -> None:
        for name, drive in d.drives(vm.config).items():
            if drive.volume == "none":
                continue
            if not world.storages[world.volume(drive.volume).storage].shared:
                kind = "local cdrom image" if drive.is_cdrom else "local disk"
                raise die(f"can't migrate VM: {name} is a {kind}")
        vm.node = target

    return world.task(call.node, "qmigrate", str(vm.vmid), call.user, work)


HANDLERS = {
    "GET /nodes/N/qemu": listed,
    "POST /nodes/N/qemu": create,
    "DELETE /nodes/N/qemu/I": destroy,
    "GET /nodes/N/qemu/I/config": config,
    "GET /nodes/N/qemu/I/pending": pending,
    "PUT /nodes/N/qemu/I/config": change,
    "POST /nodes/N/qemu/I/config": change_later,
    "GET /nodes/N/qemu/I/status/current": current,
    "PUT /nodes/N/qemu/I/resize": resize,
    "POST /nodes/N/qemu/I/clone": clone,
    "POST /nodes/N/qemu/I/migrate": migrate,
}
