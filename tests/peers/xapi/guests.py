"""VM: the power state machine, templates, memory and cores."""

from __future__ import annotations

from typing import Any

from tests.peers.xapi import domains, storage
from tests.peers.xapi.calls import Context, message
from tests.peers.xapi.model import CLASSES, NULL
from tests.peers.xapi.rules import allow, has_drivers
from tests.peers.xapi.store import Store, XapiError

# What a copy of a VM does not take over.
ITS_OWN = {
    "uuid", "power_state", "resident_on", "domid", "metrics", "guest_metrics", "consoles", "VBDs",
    "VIFs", "snapshots", "current_operations", "allowed_operations", "is_default_template",
    "suspend_VDI", "children", "parent",
}  # fmt: skip


def twin(context: Context, vm: str, **fields: Any) -> str:
    """A record like another's."""
    record = context.store.get("VM", vm)
    taken = {name: record[name] for name in CLASSES["VM"] if name not in ITS_OWN}
    return context.store.add("VM", **(taken | {"power_state": "Halted", "domid": -1} | fields))


def twin_device(
    context: Context, cls: str, ref: str, *, into: Store | None = None, **fields: Any
) -> str:
    """The same device for another VM, of another pool perhaps."""
    record = context.store.get(cls, ref)
    own = ("uuid", "currently_attached", "current_operations", "device")
    keep = {name: value for name, value in record.items() if name not in own}
    if cls == "VIF":
        keep["device"] = record["device"]
    return (into or context.store).add(cls, **(keep | fields))


@message("VM.clone", "ref VM", "str")
async def clone(c: Context, vm: str, name: str) -> str:
    allow(c, vm, "clone")
    async with c.working("clone", vm):
        made = twin(
            c, vm, name_label=name, is_a_snapshot=False, snapshot_of=NULL, snapshot_time="",
        )  # fmt: skip
        for vbd in c.store.refs("VBD", VM=vm):
            record = c.store.get("VBD", vbd)
            vdi = NULL if record["empty"] else await storage.filled(
                c, record["VDI"], c.store.get("VDI", record["VDI"])["SR"]
            )  # fmt: skip
            twin_device(c, "VBD", vbd, VM=made, VDI=vdi)
        for vif in c.store.refs("VIF", VM=vm):
            twin_device(c, "VIF", vif, VM=made)
    return made


@message("VM.provision", "ref VM")
async def provision(c: Context, vm: str) -> None:
    allow(c, vm, "provision")
    async with c.working("provision", vm):
        c.store.put(vm, is_a_template=False)


@message("VM.destroy", "ref VM")
async def destroy(c: Context, vm: str) -> None:
    allow(c, vm, "destroy")
    if c.store.get("VM", vm)["is_default_template"]:
        raise XapiError("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", vm)
    async with c.working("destroy", vm):
        pass
    for cls in ("VBD", "VIF"):
        for ref in c.store.refs(cls, VM=vm):
            c.store.remove(ref)
    c.store.remove(vm)


@message("VM.start_on", "ref VM", "ref host", "bool", "bool")
async def start_on(c: Context, vm: str, host: str, paused: bool, _: bool) -> None:
    allow(c, vm, "start_on")
    domains.need_room(c, vm, host)
    async with c.working("start_on", vm):
        domains.need_room(c, vm, host)
        domains.power_on(c, vm, host)
    if paused:
        c.store.put(vm, power_state="Paused")


@message("VM.start", "ref VM", "bool", "bool")
async def start(c: Context, vm: str, paused: bool, force: bool) -> None:
    """On its affinity's host if that has room, else on any."""
    allow(c, vm, "start")
    affinity = c.store.get("VM", vm)["affinity"]
    hosts = sorted(c.store.refs("host"), key=lambda one: one != affinity)
    for host in hosts:
        try:
            domains.need_room(c, vm, host)
        except XapiError:
            continue
        await start_on(c, vm, host, paused, force)
        return
    raise XapiError("NO_HOSTS_AVAILABLE")


@message("VM.clean_shutdown", "ref VM")
async def clean_shutdown(c: Context, vm: str) -> None:
    allow(c, vm, "clean_shutdown")
    async with c.working("clean_shutdown", vm, takes_s=c.world.behaviour.shuts_s):
        if c.store.get("VM", vm)["power_state"] == "Running":
            domains.power_off(c, vm)


@message("VM.hard_shutdown", "ref VM")
async def hard_shutdown(c: Context, vm: str) -> None:
    allow(c, vm, "hard_shutdown")
    async with c.working("hard_shutdown", vm):
        domains.power_off(c, vm)


@message("VM.clean_reboot", "ref VM")
async def clean_reboot(c: Context, vm: str) -> None:
    allow(c, vm, "clean_reboot")
    async with c.working("clean_reboot", vm, takes_s=c.world.behaviour.shuts_s):
        _again(c, vm)


@message("VM.hard_reboot", "ref VM")
async def hard_reboot(c: Context, vm: str) -> None:
    allow(c, vm, "hard_reboot")
    async with c.working("hard_reboot", vm):
        _again(c, vm)


def _again(c: Context, vm: str) -> None:
    host = c.store.get("VM", vm)["resident_on"]
    domains.power_off(c, vm)
    domains.power_on(c, vm, host)


@message("VM.resume_on", "ref VM", "ref host", "bool", "bool")
async def resume_on(c: Context, vm: str, host: str, paused: bool, _: bool) -> None:
    """It goes on with the memory that was kept."""
    allow(c, vm, "resume_on")
    domains.need_room(c, vm, host)
    async with c.working("resume_on", vm):
        kept = c.store.get("VM", vm)["suspend_VDI"]
        with c.world.file(kept).open("rb") as file:
            memory = file.read(domains.MEMORY_MARK_BYTES)
        storage.remove_vdi(c, kept)
        c.store.put(vm, suspend_VDI=NULL)
        domains.power_on(c, vm, host, memory=memory)
    if paused:
        c.store.put(vm, power_state="Paused")


@message("VM.pause", "ref VM")
async def pause(c: Context, vm: str) -> None:
    allow(c, vm, "pause")
    async with c.working("pause", vm):
        c.store.put(vm, power_state="Paused")


@message("VM.unpause", "ref VM")
async def unpause(c: Context, vm: str) -> None:
    allow(c, vm, "unpause")
    async with c.working("unpause", vm):
        c.store.put(vm, power_state="Running")


@message("VM.pool_migrate", "ref VM", "ref host", "map")
async def pool_migrate(c: Context, vm: str, host: str, options: dict[str, str]) -> None:
    allow(c, vm, "pool_migrate")
    if not has_drivers(c, c.store.get("VM", vm)) and options.get("force") != "true":
        raise XapiError("VM_MISSING_PV_DRIVERS", vm)
    if c.store.get("VM", vm)["resident_on"] == host:
        return
    domains.need_room(c, vm, host)
    async with c.working("pool_migrate", vm, takes_s=c.world.behaviour.copy_s):
        domains.need_room(c, vm, host)
        domains.move(c, vm, host)


@message("VM.set_memory_limits", "ref VM", "int", "int", "int", "int")
def set_memory_limits(
    c: Context, vm: str, static_min: int, static_max: int, low: int, high: int
) -> None:
    allow(c, vm, "changing_static_range")
    limits = [int(one) for one in (static_min, low, high, static_max)]
    if limits != sorted(limits) or limits[1] <= 0:
        raise XapiError("MEMORY_CONSTRAINT_VIOLATION", "static_min <= dynamic <= static_max")
    c.store.put(
        vm, memory_static_min=limits[0], memory_dynamic_min=limits[1],
        memory_dynamic_max=limits[2], memory_static_max=limits[3], memory_target=limits[2],
    )  # fmt: skip


@message("VM.set_memory_dynamic_range", "ref VM", "int", "int")
async def set_memory_dynamic_range(c: Context, vm: str, low: int, high: int) -> None:
    allow(c, vm, "changing_dynamic_range")
    record = c.store.get("VM", vm)
    low, high = int(low), int(high)
    if not record["memory_static_min"] <= low <= high <= record["memory_static_max"]:
        raise XapiError("MEMORY_CONSTRAINT_VIOLATION", "static_min <= dynamic <= static_max")
    running = record["power_state"] == "Running"
    if running and high - record["memory_dynamic_max"] > domains.free_memory(
        c, record["resident_on"]
    ):
        raise XapiError("HOST_NOT_ENOUGH_FREE_MEMORY", high, 0)
    async with c.working("changing_dynamic_range", vm):
        c.store.put(vm, memory_dynamic_min=low, memory_dynamic_max=high, memory_target=high)


@message("VM.set_VCPUs_max", "ref VM", "int")
def set_vcpus_max(c: Context, vm: str, number: int) -> None:
    allow(c, vm, "changing_VCPUs")
    if int(number) < max(1, c.store.get("VM", vm)["VCPUs_at_startup"]):
        raise XapiError("VALUE_NOT_SUPPORTED", "VCPUs_max", number, "less than at startup")
    c.store.put(vm, VCPUs_max=int(number))


@message("VM.set_VCPUs_at_startup", "ref VM", "int")
def set_vcpus_at_startup(c: Context, vm: str, number: int) -> None:
    allow(c, vm, "changing_VCPUs")
    if not 0 < int(number) <= c.store.get("VM", vm)["VCPUs_max"]:
        raise XapiError("VALUE_NOT_SUPPORTED", "VCPUs_at_startup", number, "more than the maximum")
    c.store.put(vm, VCPUs_at_startup=int(number))


@message("VM.set_VCPUs_number_live", "ref VM", "int")
async def set_vcpus_number_live(c: Context, vm: str, number: int) -> None:
    allow(c, vm, "changing_VCPUs_live")
    record = c.store.get("VM", vm)
    if not 0 < int(number) <= record["VCPUs_max"]:
        raise XapiError("VALUE_NOT_SUPPORTED", "VCPUs_number_live", number, "more than VCPUs_max")
    if not has_drivers(c, record):
        raise XapiError("VM_LACKS_FEATURE", vm)
    async with c.working("changing_VCPUs_live", vm):
        c.store.put(record["metrics"], VCPUs_number=int(number))
        c.store.put(vm, VCPUs_at_startup=int(number))


@message("VM.set_actions_after_crash", "ref VM", "str")
def set_actions_after_crash(c: Context, vm: str, action: str) -> None:
    c.store.put(vm, actions_after_crash=action)


@message("VM.get_allowed_VBD_devices", "ref VM")
def get_allowed_vbd_devices(c: Context, vm: str) -> list[str]:
    used = {c.store.get("VBD", ref)["userdevice"] for ref in c.store.refs("VBD", VM=vm)}
    return [str(number) for number in range(16) if str(number) not in used]


@message("VM.get_allowed_VIF_devices", "ref VM")
def get_allowed_vif_devices(c: Context, vm: str) -> list[str]:
    used = {c.store.get("VIF", ref)["device"] for ref in c.store.refs("VIF", VM=vm)}
    return [str(number) for number in range(7) if str(number) not in used]
