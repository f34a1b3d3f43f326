"""What a cluster and its nodes say of themselves, and of their tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.peers.proxmox.world import BROADCAST_S, GIB, MIB, Vm

if TYPE_CHECKING:
    from tests.peers.proxmox.server import Call


async def version(call: Call) -> Any:
    return {"version": "8.4.1", "release": "8.4", "repoid": "2a5fa54a8503f96d"}


async def nodes(call: Call) -> Any:
    return [
        {"node": name, "status": "online" if up else "offline", "type": "node",
         "id": f"node/{name}", "maxcpu": 8, "maxmem": call.world.memory, "level": ""}
        for name, up in call.world.nodes.items()
    ]  # fmt: skip


async def status(call: Call) -> Any:
    world = call.world
    above = {"type": "cluster", "id": "cluster", "name": world.name, "nodes": len(world.nodes),
             "quorate": 1, "version": 2}  # fmt: skip
    return [above] + [
        {"type": "node", "id": f"node/{name}", "name": name, "nodeid": number, "ip": "127.0.0.1",
         "online": int(up), "local": int(number == 1), "level": ""}
        for number, (name, up) in enumerate(world.nodes.items(), 1)
    ]  # fmt: skip


async def resources(call: Call) -> Any:
    """Existence, tags and locks are read at once; whether a VM runs is heard from its node."""
    kind, world = call.told.get("type", ""), call.world
    found: list[dict[str, Any]] = []
    if kind in ("", "node"):
        found += [{"type": "node", "id": f"node/{name}", "node": name} for name in world.nodes]
    if kind in ("", "storage"):
        found += [{"type": "storage", "id": f"storage/pve1/{name}", "storage": name}
                  for name in world.storages]  # fmt: skip
    if kind in ("", "vm"):
        found += [_resource(vm) for vm in world.vms.values()]
    return found


def _resource(vm: Vm) -> dict[str, Any]:
    late = time.monotonic() - vm.changed_s < BROADCAST_S
    told: dict[str, Any] = {
        "type": "qemu", "id": f"qemu/{vm.vmid}", "vmid": vm.vmid, "node": vm.node, "template": 0,
        "status": "running" if (vm.ran_before if late else vm.running) else "stopped",
    }  # fmt: skip
    for name in ("tags", "lock"):
        if vm.config.get(name):
            told[name] = vm.config[name]
    return told


async def tasks(call: Call) -> Any:
    return [one.told() for one in call.world.tasks[:500]]


async def node_tasks(call: Call) -> Any:
    found = [one for one in call.world.tasks if one.node == call.node]
    if call.told.get("source", "archive") == "active":
        found = [one for one in found if not one.outcome]
    return [one.told() for one in found if call.told.get("vmid", one.id) == one.id]


async def task_status(call: Call) -> Any:
    task = call.world.find_task(call.names["U"])
    told = task.told() | {"status": "stopped" if task.outcome else "running"}
    return told | ({"exitstatus": task.outcome} if task.outcome else {})


async def node_status(call: Call) -> Any:
    world = call.world
    there = [one for one in world.vms.values() if one.running and one.node == call.node]
    used = GIB + sum(one.memory for one in there)
    return {
        "pveversion": "pve-manager/8.4.1/2a5fa54a8503f96d", "kversion": "Linux 6.8.12-9-pve",
        "uptime": 86_400, "cpu": 0.031, "wait": 0, "loadavg": ["0.10", "0.09", "0.08"],
        "memory": {"total": world.memory, "used": used, "free": world.memory - used},
        "cpuinfo": {"cpus": 8, "cores": 4, "sockets": 1, "mhz": "2397.222", "hvm": "1",
                    "model": "An x86 processor", "user_hz": 100},
        "rootfs": {"total": 100 * GIB, "used": 9 * GIB, "free": 91 * GIB, "avail": 91 * GIB},
    }  # fmt: skip


async def netstat(call: Call) -> Any:
    return [
        {"vmid": str(vm.vmid), "dev": name, "in": str(MIB), "out": str(MIB // 2)}
        for vm in call.world.vms.values() if vm.node == call.node and vm.running
        for name in vm.config if name.startswith("net")
    ]  # fmt: skip


HANDLERS = {
    "GET /version": version,
    "GET /nodes": nodes,
    "GET /cluster/status": status,
    "GET /cluster/resources": resources,
    "GET /cluster/tasks": tasks,
    "GET /nodes/N/status": node_status,
    "GET /nodes/N/netstat": netstat,
    "GET /nodes/N/tasks": node_tasks,
    "GET /nodes/N/tasks/U/status": task_status,
}
