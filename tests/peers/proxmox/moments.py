"""Snapshots of VMs: all their disks at one moment, and the configuration of then."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

from tests.peers.proxmox import drives as d
from tests.peers.proxmox.errors import die
from tests.peers.proxmox.world import Vm, Volume, World

if TYPE_CHECKING:
    from tests.peers.proxmox.server import Call


async def listed(call: Call) -> Any:
    vm = call.world.vm(call.node, call.vmid)
    found = [{"name": name, "description": "", "snaptime": 1700000000} for name in vm.moments]
    return [*found, {"name": "current", "description": "You are here!", "digest": "0" * 40}]


def _volumes(world: World, vm: Vm) -> list[Volume]:
    return [world.volume(one.volume) for one in d.drives(vm.config).values() if not one.is_cdrom]


async def keep(call: Call) -> Any:
    world, name = call.world, call.told["snapname"]
    vm = world.unlocked(world.vm(call.node, call.vmid))
    if name == "current":
        raise die("unable to use snapshot name 'current' (reserved name)")
    if name in vm.moments:
        raise die(f"snapshot name '{name}' already used")
    for volume in _volumes(world, vm):
        if volume.format != "qcow2":
            raise die("snapshot feature is not available")
    config = dict(vm.config)
    vm.config["lock"] = "snapshot"

    async def work() -> None:
        try:
            for volume in _volumes(world, vm):
                target = volume.file.with_name(f"{volume.file.name}@{name}")
                await asyncio.to_thread(shutil.copyfile, volume.file, target)
                volume.moments[name] = target
            vm.moments[name] = config
        finally:
            vm.config.pop("lock", None)

    return world.task(call.node, "qmsnapshot", str(vm.vmid), call.user, work)


async def drop(call: Call) -> Any:
    world, name = call.world, call.names["P"]
    vm = world.unlocked(world.vm(call.node, call.vmid))
    if name not in vm.moments:
        raise die(f"snapshot '{name}' does not exist")

    async def work() -> None:
        for drive in d.drives(vm.moments[name]).values():
            volume = world.volumes.get(drive.volume)
            if volume is not None and name in volume.moments:
                volume.moments.pop(name).unlink(missing_ok=True)
        del vm.moments[name]

    return world.task(call.node, "qmdelsnapshot", str(vm.vmid), call.user, work)


HANDLERS = {
    "GET /nodes/N/qemu/I/snapshot": listed,
    "POST /nodes/N/qemu/I/snapshot": keep,
    "DELETE /nodes/N/qemu/I/snapshot/P": drop,
}
