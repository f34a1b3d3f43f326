"""The power of VMs. A guest heeds its button once it has booted, unless all guests are deaf."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from tests.peers.proxmox import drives as d
from tests.peers.proxmox.errors import die
from tests.peers.proxmox.world import Vm, World

if TYPE_CHECKING:
    from tests.peers.proxmox.server import Call

LOOK_S = 0.02
SHUTDOWN_S = 60.0


async def start(call: Call) -> Any:
    world = call.world
    vm = world.unlocked(world.vm(call.node, call.vmid))

    async def work() -> None:
        if vm.running:
            raise die(f"VM {vm.vmid} already running")
        for drive in d.drives(vm.config).values():
            if drive.volume != "none":
                volume = world.volume(drive.volume)
                if not drive.is_cdrom and d.users(world, volume.volid):
                    raise die("start failed: QEMU exited with code 1")
        there = [one for one in world.vms.values() if one.running and one.node == vm.node]
        if vm.memory + sum(one.memory for one in there) > world.memory:
            raise die("start failed: QEMU: cannot set up guest memory: Cannot allocate memory")
        _power_on(world, vm)

    return world.task(call.node, "qmstart", str(vm.vmid), call.user, work)


def _power_on(world: World, vm: Vm) -> None:
    """What was pending is so from now on."""
    for name, value in vm.pending.items():
        if value is None:
            d.release(world, vm, name, force=False)
            vm.config.pop(name, None)
        else:
            vm.config[name] = value
    vm.pending.clear()
    vm.switch(True)


async def stop(call: Call) -> Any:
    vm = call.world.unlocked(call.world.vm(call.node, call.vmid))

    async def work() -> None:
        if vm.running:
            vm.switch(False)

    return call.world.task(call.node, "qmstop", str(vm.vmid), call.user, work)


async def _press(world: World, vm: Vm, timeout_s: float) -> bool:
    """Whether the guest went down by itself in time."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if not vm.running:
            return True
        if not world.deaf and time.monotonic() > vm.since_s + world.boot_s:
            vm.switch(False)
            return True
        await asyncio.sleep(LOOK_S)
    return False


async def shutdown(call: Call) -> Any:
    world = call.world
    vm = world.unlocked(world.vm(call.node, call.vmid))

    async def work() -> None:
        if not vm.running or await _press(world, vm, float(call.told.get("timeout", SHUTDOWN_S))):
            return
        if not call.flag("forceStop"):
            raise die("VM quit/powerdown failed - got timeout")
        vm.switch(False)

    return world.task(call.node, "qmshutdown", str(vm.vmid), call.user, work)


async def reboot(call: Call) -> Any:
    world = call.world
    vm = world.unlocked(world.vm(call.node, call.vmid))
    if not vm.running:
        raise die(f"VM {vm.vmid} not running")

    async def work() -> None:
        if not await _press(world, vm, float(call.told.get("timeout", SHUTDOWN_S))):
            raise die("VM quit/powerdown failed - got timeout")
        _power_on(world, vm)

    return world.task(call.node, "qmreboot", str(vm.vmid), call.user, work)


async def reset(call: Call) -> Any:
    vm = call.world.unlocked(call.world.vm(call.node, call.vmid))
    if not vm.running:
        raise die(f"VM {vm.vmid} not running")

    async def work() -> None:
        vm.switch(True)

    return call.world.task(call.node, "qmreset", str(vm.vmid), call.user, work)


HANDLERS = {
    "POST /nodes/N/qemu/I/status/start": start,
    "POST /nodes/N/qemu/I/status/stop": stop,
    "POST /nodes/N/qemu/I/status/shutdown": shutdown,
    "POST /nodes/N/qemu/I/status/reboot": reboot,
    "POST /nodes/N/qemu/I/status/reset": reset,
}
