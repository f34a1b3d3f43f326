"""Which operations a VM allows, by what it is and in which power state; and why not.

After the reference's `vm_operations`, and the errors that its messages name.
"""

from __future__ import annotations

from typing import Any

from tests.peers.xapi.calls import Context
from tests.peers.xapi.store import XapiError

ALL = ("Halted", "Paused", "Running", "Suspended")
STATES: dict[str, tuple[str, ...]] = {
    "start": ("Halted",),
    "start_on": ("Halted",),
    "provision": ("Halted",),
    "destroy": ("Halted",),
    "clone": ("Halted", "Suspended"),
    "changing_VCPUs": ("Halted",),
    "changing_static_range": ("Halted",),
    "changing_dynamic_range": ("Halted", "Running"),
    "clean_shutdown": ("Running",),
    "clean_reboot": ("Running",),
    "hard_shutdown": ("Paused", "Running", "Suspended"),
    "hard_reboot": ("Paused", "Running"),
    "pool_migrate": ("Running",),
    "migrate_send": ("Running",),
    "checkpoint": ("Running",),
    "snapshot": ALL,
    "revert": ALL,
    "resume_on": ("Suspended",),
    "pause": ("Running",),
    "unpause": ("Paused",),
    "suspend": ("Running",),
    "changing_VCPUs_live": ("Running",),
}
OF_TEMPLATES = {"clone", "provision", "destroy", "changing_static_range", "changing_VCPUs"}
OF_SNAPSHOTS = {"clone", "destroy", "revert", "hard_shutdown"}
NEED_DRIVERS = {"clean_shutdown", "clean_reboot"}
OVER_OTHERS = {"hard_shutdown"}
# These do not stand in each other's way.
LONG_COPIES = {"clone", "copy", "export"}


def refusal(context: Context, vm: str, operation: str) -> XapiError | None:
    """Why a VM does not allow an operation now, if it does not."""
    record = context.store.get("VM", vm)
    if (why := _by_kind(record, vm, operation)) is not None:
        return why
    where = record["resident_on"]
    if context.store.has("host", where) and not is_live(context, where):
        return XapiError("CANNOT_CONTACT_HOST", where)
    if operation in record["blocked_operations"]:
        return XapiError("OPERATION_BLOCKED", vm, record["blocked_operations"][operation])
    busy = set(record["current_operations"].values())
    if busy and operation not in OVER_OTHERS and not {operation, *busy} <= LONG_COPIES:
        doing = next(iter(record["current_operations"].values()))
        return XapiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, doing)
    state, states = record["power_state"], STATES[operation]
    if state not in states:
        return XapiError("VM_BAD_POWER_STATE", vm, states[0].lower(), state.lower())
    if operation in NEED_DRIVERS and not has_drivers(context, record):
        return XapiError("VM_MISSING_PV_DRIVERS", vm)
    return None


def _by_kind(record: dict[str, Any], vm: str, operation: str) -> XapiError | None:
    if record["is_control_domain"]:
        return XapiError("OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0")
    if record["is_a_snapshot"]:
        if operation not in OF_SNAPSHOTS:
            return XapiError("VM_IS_SNAPSHOT", vm, operation)
    elif operation == "revert":
        return XapiError("OPERATION_NOT_ALLOWED", "only a snapshot can be reverted to")
    elif record["is_a_template"] and operation not in OF_TEMPLATES:
        return XapiError("VM_IS_TEMPLATE", vm, operation)
    return None


def is_live(context: Context, host: str) -> bool:
    metrics = context.store.get("host", host)["metrics"]
    return bool(context.store.get("host_metrics", metrics)["live"])


def allow(context: Context, vm: str, operation: str) -> None:
    """Let it be, or raise why not."""
    if (why := refusal(context, vm, operation)) is not None:
        raise why


def allowed(context: Context, vm: str) -> list[str]:
    return [one for one in STATES if refusal(context, vm, one) is None]


def has_drivers(context: Context, record: dict[str, Any]) -> bool:
    metrics = record["guest_metrics"]
    if not context.store.has("VM_guest_metrics", metrics):
        return False
    return bool(context.store.get("VM_guest_metrics", metrics)["PV_drivers_detected"])
