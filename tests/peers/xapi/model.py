"""The classes of XAPI that the peer has: their fields, types and defaults.

From the XenAPI class reference. A field's type is one of `str`, `int`, `float`, `bool`, `date`,
`set`, `map` or `ref <class>`; a `!` at its end means that clients may set it, and a `+` that they
may say it when they create the object as well. Other qualifiers are for the calls to keep.
Left out: VM appliances, GPUs, RBAC and subjects, HA, WLB, VTPMs, SDN controllers, patches.
"""

from __future__ import annotations

from typing import Any

NULL = "OpaqueRef:NULL"

COMMON = {"uuid": "str"}
NAMED = {"name_label": "str!", "name_description": "str!"}

CLASSES: dict[str, dict[str, str]] = {
    "session": {
        **COMMON, "this_host": "ref host", "this_user": "str", "last_active": "date",
        "pool": "bool", "other_config": "map!", "is_local_superuser": "bool",
        "originator": "str", "tasks": "set",
    },
    "task": {
        **COMMON, **NAMED, "allowed_operations": "set", "current_operations": "map",
        "created": "date", "finished": "date", "status": "str", "resident_on": "ref host",
        "progress": "float!", "type": "str", "result": "str", "error_info": "set",
        "other_config": "map!", "subtask_of": "ref task", "subtasks": "set", "backtrace": "str",
    },
    "pool": {
        **COMMON, **NAMED, "master": "ref host", "default_SR": "ref SR!", "other_config": "map!",
        "ha_enabled": "bool", "tags": "set!",
    },
    "host": {
        **COMMON, **NAMED, "memory_overhead": "int", "allowed_operations": "set",
        "current_operations": "map", "API_version_major": "int", "API_version_minor": "int",
        "enabled": "bool", "software_version": "map", "other_config": "map!", "cpu_info": "map",
        "hostname": "str", "address": "str", "resident_VMs": "set", "PIFs": "set", "PBDs": "set",
        "metrics": "ref host_metrics", "tags": "set!", "control_domain": "ref VM",
        "capabilities": "set", "host_CPUs": "set",
    },
    "host_metrics": {
        **COMMON, "memory_total": "int", "memory_free": "int", "live": "bool",
        "last_updated": "date", "other_config": "map!",
    },
    "network": {
        **COMMON, **NAMED, "allowed_operations": "set", "current_operations": "map",
        "VIFs": "set", "PIFs": "set", "MTU": "int!", "other_config": "map!", "bridge": "str",
        "managed": "bool", "tags": "set!",
    },
    "PIF": {
        **COMMON, "device": "str", "network": "ref network", "host": "ref host", "MAC": "str",
        "MTU": "int", "VLAN": "int", "physical": "bool", "currently_attached": "bool",
        "ip_configuration_mode": "str", "IP": "str", "bond_slave_of": "ref Bond",
        "bond_master_of": "set", "VLAN_master_of": "ref VLAN", "VLAN_slave_of": "set",
        "management": "bool", "other_config": "map!",
    },
    "VLAN": {
        **COMMON, "tagged_PIF": "ref PIF", "untagged_PIF": "ref PIF", "tag": "int",
        "other_config": "map!",
    },
    "Bond": {
        **COMMON, "master": "ref PIF", "slaves": "set", "other_config": "map!", "mode": "str",
        "primary_slave": "ref PIF", "links_up": "int",
    },
    "SR": {
        **COMMON, **NAMED, "allowed_operations": "set", "current_operations": "map",
        "VDIs": "set", "PBDs": "set", "virtual_allocation": "int", "physical_utilisation": "int",
        "physical_size": "int", "type": "str", "content_type": "str", "shared": "bool",
        "other_config": "map!", "tags": "set!", "sm_config": "map!",
    },
    "PBD": {
        **COMMON, "host": "ref host", "SR": "ref SR", "device_config": "map",
        "currently_attached": "bool", "other_config": "map!",
    },
    "VDI": {
        **COMMON, "name_label": "str!+", "name_description": "str!+", "allowed_operations": "set",
        "current_operations": "map", "SR": "ref SR+", "VBDs": "set", "virtual_size": "int+",
        "physical_utilisation": "int", "type": "str+", "sharable": "bool+", "read_only": "bool+",
        "other_config": "map!+", "storage_lock": "bool", "location": "str", "managed": "bool",
        "missing": "bool", "xenstore_data": "map!+", "sm_config": "map!+",
        "is_a_snapshot": "bool", "snapshot_of": "ref VDI", "snapshots": "set",
        "snapshot_time": "date", "tags": "set!+", "allow_caching": "bool", "on_boot": "str",
    },
    "VBD": {
        **COMMON, "allowed_operations": "set", "current_operations": "map", "VM": "ref VM+",
        "VDI": "ref VDI+", "device": "str", "userdevice": "str+", "bootable": "bool!+",
        "mode": "str+", "type": "str+", "unpluggable": "bool!+", "storage_lock": "bool",
        "empty": "bool+", "other_config": "map!+", "currently_attached": "bool",
        "status_code": "int", "status_detail": "str", "qos_algorithm_type": "str!+",
        "qos_algorithm_params": "map!+", "qos_supported_algorithms": "set",
    },
    "VIF": {
        **COMMON, "allowed_operations": "set", "current_operations": "map", "device": "str+",
        "network": "ref network+", "VM": "ref VM+", "MAC": "str+", "MTU": "int+",
        "other_config": "map!+", "currently_attached": "bool", "status_code": "int",
        "status_detail": "str", "qos_algorithm_type": "str!+", "qos_algorithm_params": "map!+",
        "locking_mode": "str!+", "ipv4_allowed": "set!+", "ipv6_allowed": "set!+",
        "MAC_autogenerated": "bool",
    },
    "console": {
        **COMMON, "protocol": "str", "location": "str", "VM": "ref VM", "other_config": "map!",
        "port": "int",
    },
    "VM_metrics": {
        **COMMON, "memory_actual": "int", "VCPUs_number": "int", "state": "set",
        "start_time": "date", "install_time": "date", "last_updated": "date",
    },
    "VM_guest_metrics": {
        **COMMON, "os_version": "map", "PV_drivers_version": "map", "PV_drivers_detected": "bool",
        "PV_drivers_up_to_date": "bool", "memory": "map", "disks": "map", "networks": "map",
        "other": "map", "last_updated": "date", "live": "bool", "can_use_hotplug_vbd": "str",
        "can_use_hotplug_vif": "str",
    },
    "VM": {
        **COMMON, **NAMED, "allowed_operations": "set", "current_operations": "map",
        "power_state": "str", "user_version": "int!", "is_a_template": "bool!",
        "is_default_template": "bool", "suspend_VDI": "ref VDI", "resident_on": "ref host",
        "affinity": "ref host!", "memory_overhead": "int", "memory_target": "int",
        "memory_static_max": "int", "memory_dynamic_max": "int", "memory_dynamic_min": "int",
        "memory_static_min": "int", "VCPUs_params": "map!", "VCPUs_max": "int",
        "VCPUs_at_startup": "int", "actions_after_shutdown": "str!",
        "actions_after_reboot": "str!", "actions_after_crash": "str", "consoles": "set",
        "VIFs": "set", "VBDs": "set", "PV_bootloader": "str!", "PV_kernel": "str!",
        "PV_args": "str!", "HVM_boot_policy": "str!", "HVM_boot_params": "map!",
        "platform": "map!", "other_config": "map!", "domid": "int", "is_control_domain": "bool",
        "metrics": "ref VM_metrics", "guest_metrics": "ref VM_guest_metrics",
        "xenstore_data": "map!", "is_a_snapshot": "bool", "snapshot_of": "ref VM",
        "snapshots": "set", "snapshot_time": "date", "tags": "set!",
        "blocked_operations": "map!", "domain_type": "str", "parent": "ref VM", "children": "set",
    },
}  # fmt: skip

EMPTY: dict[str, Any] = {
    "str": "", "int": 0, "float": 0.0, "bool": False, "date": "19700101T00:00:00Z",
}  # fmt: skip

# The sets of an object that are other objects' references to it: class, field -> class, field.
BACK = {
    ("VDI", "VBDs"): ("VBD", "VDI"),
    ("VM", "VBDs"): ("VBD", "VM"),
    ("VM", "VIFs"): ("VIF", "VM"),
    ("VM", "consoles"): ("console", "VM"),
    ("VM", "snapshots"): ("VM", "snapshot_of"),
    ("VDI", "snapshots"): ("VDI", "snapshot_of"),
    ("SR", "VDIs"): ("VDI", "SR"),
    ("SR", "PBDs"): ("PBD", "SR"),
    ("host", "PBDs"): ("PBD", "host"),
    ("host", "PIFs"): ("PIF", "host"),
    ("host", "resident_VMs"): ("VM", "resident_on"),
    ("network", "PIFs"): ("PIF", "network"),
    ("network", "VIFs"): ("VIF", "network"),
    ("PIF", "VLAN_slave_of"): ("VLAN", "tagged_PIF"),
    ("PIF", "bond_master_of"): ("Bond", "master"),
    ("Bond", "slaves"): ("PIF", "bond_slave_of"),
}


def kind_of(cls: str, field: str) -> str:
    """A field's type without its marks."""
    return CLASSES[cls][field].rstrip("!+")


def is_settable(cls: str, field: str) -> bool:
    return "!" in CLASSES[cls][field]


def is_for_create(cls: str, field: str) -> bool:
    return "+" in CLASSES[cls][field]


def default(kind: str) -> Any:
    if kind.startswith("ref "):
        return NULL
    return {"set": list, "map": dict}[kind]() if kind in ("set", "map") else EMPTY[kind]
