"""Pure: from a guest's specification to XAPI's fields, and from XAPI's records to what is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestSpec, GuestStatus, Power
from drivers.contract.errors import Refused
from drivers.xapi import marks
from drivers.xapi.marks import NULLS, Kind, Record
from drivers.xapi.paths import path_of, stranger_path

MIB = 1024**2
DESCRIPTION = "sagastack guest {}"
DISC_DEVICE, CONFIG_DEVICE = 3, 15
WEIGHT = 256
WEIGHT_MAX = 65_535
MHZ_OF_WEIGHT = 2000
# The least memory that XAPI lets a guest have.
STATIC_MIN_BYTES = 16 * MIB

POWER = {
    "Running": Power.RUNNING,
    "Paused": Power.PAUSED,
    "Suspended": Power.PAUSED,
    "Halted": Power.OFF,
}
FIRMWARE = {
    "bios": ({"firmware": "bios"}, {"secureboot": "false"}),
    "uefi": ({"firmware": "uefi"}, {"secureboot": "false"}),
    "uefi-secure": ({"firmware": "uefi"}, {"secureboot": "true"}),
}


def memory_limits(spec: GuestSpec) -> tuple[int, int, int, int]:
    """`static_min`, `static_max`, `dynamic_min` and `dynamic_max`: it has what it was sold."""
    size = spec.memory_mib * MIB
    return min(STATIC_MIN_BYTES, size), max(size, spec.memory_max_mib * MIB), size, size


def boot_fields(spec: GuestSpec, record: Record) -> dict[str, dict[str, str]]:
    """`HVM_boot_params` and `platform`: what the template has, and the firmware that is wanted.

    Refused: a firmware that XenServer has not.
    """
    if spec.boot not in FIRMWARE:
        raise Refused(f"guest {spec.name}: firmware {spec.boot!r} is not offered by XenServer")
    boot, platform = FIRMWARE[spec.boot]
    return {
        "HVM_boot_params": dict(record["HVM_boot_params"]) | {"order": "cd"} | boot,
        "platform": dict(record["platform"]) | platform,
    }


def weight(spec: GuestSpec) -> str:
    """How much of the cores it gets when they are scarce: XAPI's scheduler weighs whole guests."""
    return str(max(1, min(WEIGHT_MAX, WEIGHT * spec.cpu_mhz // MHZ_OF_WEIGHT)))


def guest_lines(record: Record, guest_id: UUID, key: UUID) -> dict[str, str]:
    """The VM's `other_config` as that of a guest of ours."""
    lines = marks.without(record["other_config"])
    return lines | marks.mark(Kind.GUEST, guest_id, record["uuid"]) | {marks.KEY: str(key)}


def guest_id_of(record: Record) -> UUID | None:
    mark = marks.read(record)
    if mark is None or mark.kind is not Kind.GUEST or record["is_a_template"]:
        return None
    return mark.id


def vbd(vm: str, vdi: str, device: int | str, **fields: Any) -> dict[str, Any]:
    """A record for `VBD.create`: a disk that the guest writes to, unless the fields say other."""
    return {
        "VM": vm, "VDI": vdi, "userdevice": str(device), "bootable": False, "mode": "RW",
        "type": "Disk", "unpluggable": True, "empty": False, "other_config": {},
        "qos_algorithm_type": "", "qos_algorithm_params": {},
    } | fields  # fmt: skip


def vif(vm: str, network: str, device: int | str, mac: str, nic_id: UUID) -> dict[str, Any]:
    return {
        "VM": vm, "network": network, "device": str(device), "MAC": mac.lower(), "MTU": 1500,
        "other_config": {marks.NIC: str(nic_id)}, "qos_algorithm_type": "",
        "qos_algorithm_params": {}, "locking_mode": "network_default", "ipv4_allowed": [],
        "ipv6_allowed": [],
    }  # fmt: skip


def disk_path(device: Record, vdi: Record, sr_uuid: str) -> str:
    """What a disk that is plugged into a guest is called; empty for its config disc."""
    mark = marks.read(vdi)
    if mark is not None and mark.kind is Kind.CONFIG:
        return ""
    volume = device["other_config"].get(marks.VOLUME)
    if volume and device["type"] == "Disk":
        return path_of(sr_uuid, Kind.VOLUME, volume)
    if mark is not None:
        return path_of(sr_uuid, mark.kind, mark.id)
    meant = marks.meant(vdi)
    if meant is not None and meant.kind is Kind.CONFIG:
        return ""
    return stranger_path(sr_uuid, vdi["name_label"], vdi["uuid"])


def status(record: Record, cpu_count: int, disks: tuple[str, ...]) -> GuestStatus:
    guest_id = guest_id_of(record)
    key = record["other_config"].get(marks.KEY) if guest_id is not None else None
    return GuestStatus(
        guest_id=guest_id,
        name=record["name_label"],
        power=POWER.get(record["power_state"], Power.CRASHED),
        key=UUID(key) if key else None,
        cpu_count=cpu_count,
        memory_mib=int(record["memory_dynamic_max"]) // MIB,
        disks=disks,
    )


def is_on(record: Record, host: str) -> bool:
    """Whether a VM is this host's: it runs there, or it is off and belongs there."""
    if record["resident_on"] not in NULLS:
        return bool(record["resident_on"] == host)
    return bool(record["affinity"] == host)


def cores(record: Record, metrics: Mapping[str, Record]) -> int:
    """Those that it has now, which may be more than it was started with."""
    now = metrics.get(record["metrics"])
    if record["power_state"] != "Halted" and now is not None and int(now["VCPUs_number"]):
        return int(now["VCPUs_number"])
    return int(record["VCPUs_at_startup"])
