"""Domains: what happens when a VM gets power, loses it, or goes to another host."""

from __future__ import annotations

import asyncio
import os
from itertools import count
from typing import Any

from tests.peers.xapi import storage
from tests.peers.xapi.calls import Context
from tests.peers.xapi.model import NULL
from tests.peers.xapi.store import XapiError, stamp

DOMIDS = count(1)
MEMORY_MARK_BYTES = 32
SUSPEND_BYTES = 16 * 1024**2


def free_memory(context: Context, host: str) -> int:
    store = context.store
    total = store.get("host_metrics", store.get("host", host)["metrics"])["memory_total"]
    used = sum(
        int(store.get("VM", vm)["memory_dynamic_max"]) for vm in store.refs("VM", resident_on=host)
    )
    return int(total) - int(store.get("host", host)["memory_overhead"]) - used


def need_room(context: Context, vm: str, host: str) -> None:
    """The host is enabled, has the memory, and reaches the disks and the networks."""
    store, record = context.store, context.store.get("VM", vm)
    if not store.get("host_metrics", store.get("host", host)["metrics"])["live"]:
        raise XapiError("HOST_OFFLINE", host)
    if not store.get("host", host)["enabled"]:
        raise XapiError("HOST_DISABLED", host)
    needed, free = int(record["memory_dynamic_max"]), free_memory(context, host)
    if needed > free:
        raise XapiError("HOST_NOT_ENOUGH_FREE_MEMORY", needed, free)
    for vbd in store.refs("VBD", VM=vm):
        need_disk(context, vm, vbd, host)
    for vif in store.refs("VIF", VM=vm):
        need_network(context, vm, store.get("VIF", vif)["network"], host)


def need_disk(context: Context, vm: str, vbd: str, host: str) -> None:
    store, device = context.store, context.store.get("VBD", vbd)
    if device["empty"]:
        return
    vdi = device["VDI"]
    record = store.get("VDI", vdi)
    if not store.refs("PBD", SR=record["SR"], host=host, currently_attached=True):
        raise XapiError("VM_REQUIRES_SR", vm, record["SR"])
    if record["current_operations"]:
        raise XapiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi)
    for other in storage.attached(context, vdi):
        held = store.get("VBD", other)
        if held["VM"] != vm and "RW" in (held["mode"], device["mode"]):
            raise XapiError("VDI_IN_USE", vdi, "attach")


def need_network(context: Context, vm: str, network: str, host: str) -> None:
    """A network without any card is within each host; one with cards needs this host's."""
    store = context.store
    if store.refs("PIF", network=network) and not store.refs("PIF", network=network, host=host):
        raise XapiError("VM_REQUIRES_NETWORK", vm, network)


def power_on(context: Context, vm: str, host: str, *, memory: bytes = b"") -> None:
    """A new domain; without memory that it goes on from, it boots."""
    store, world = context.store, context.world
    domid = next(DOMIDS)
    world.memory[vm] = memory or os.urandom(MEMORY_MARK_BYTES)
    metrics = store.add(
        "VM_metrics", start_time=stamp(world.clock()), memory_actual=0,
        VCPUs_number=store.get("VM", vm)["VCPUs_at_startup"],
    )  # fmt: skip
    world.started[vm] = world.clock()
    store.put(vm, power_state="Running", resident_on=host, domid=domid, metrics=metrics)
    _plug_all(context, vm)
    console = store.add("console", protocol="rfb", VM=vm, port=5900 + domid)
    _locate(context, console, host)
    world.spawn(_boots(context, vm, domid), f"boot {domid}")


def _plug_all(context: Context, vm: str) -> None:
    store = context.store
    for vbd in store.refs("VBD", VM=vm):
        number = int(store.get("VBD", vbd)["userdevice"])
        store.put(vbd, currently_attached=True, device=device_name(number))
    for vif in store.refs("VIF", VM=vm):
        store.put(vif, currently_attached=True)


def device_name(number: int) -> str:
    return f"xvd{chr(ord('a') + number)}"


def _locate(context: Context, console: str, host: str) -> None:
    """Consoles are at the host where the VM is."""
    store = context.store
    base = context.world.url(host)
    store.put(console, location=f"{base}/console?uuid={store.get('console', console)['uuid']}")


async def _boots(context: Context, vm: str, domid: int) -> None:
    """Its PV drivers show some time after the power."""
    store, world = context.store, context.world
    await asyncio.sleep(world.behaviour.boots_s)
    if not store.has("VM", vm) or store.get("VM", vm)["domid"] != domid:
        return
    drivers = world.behaviour.has_drivers
    metrics = store.add(
        "VM_guest_metrics", PV_drivers_detected=drivers, PV_drivers_up_to_date=drivers, live=True,
        os_version={"name": "Debian GNU/Linux 12"} if drivers else {},
        networks={"0/ip": "10.0.0.2"} if drivers else {},
        can_use_hotplug_vbd="yes" if drivers else "unspecified",
        can_use_hotplug_vif="yes" if drivers else "unspecified",
    )  # fmt: skip
    store.put(vm, guest_metrics=metrics)


def power_off(context: Context, vm: str) -> None:
    """Nothing of the domain stays."""
    store, world = context.store, context.world
    record = store.get("VM", vm)
    for vbd in store.refs("VBD", VM=vm):
        store.put(vbd, currently_attached=False, device="")
    for vif in store.refs("VIF", VM=vm):
        store.put(vif, currently_attached=False)
    for console in store.refs("console", VM=vm):
        store.remove(console)
    for cls in ("metrics", "guest_metrics"):
        if store.has(f"VM_{cls}", record[cls]):
            store.remove(record[cls])
    if store.has("VDI", record["suspend_VDI"]):
        storage.remove_vdi(context, record["suspend_VDI"])
    world.memory.pop(vm, None)
    world.started.pop(vm, None)
    store.put(
        vm, power_state="Halted", resident_on=NULL, domid=-1, metrics=NULL, guest_metrics=NULL,
        suspend_VDI=NULL,
    )  # fmt: skip


def move(context: Context, vm: str, host: str) -> None:
    store = context.store
    store.put(vm, resident_on=host, domid=next(DOMIDS))
    for console in store.refs("console", VM=vm):
        _locate(context, console, host)


def device_of(record: dict[str, Any]) -> str:
    return str(record["userdevice"])
