"""Virtual machines as the vCenter tells of them, and as the contract says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestStatus, Power, Stranger, StrangerDisk, StrangerNic
from drivers.vsphere import notes
from drivers.vsphere.client import Found
from drivers.vsphere.notes import Note
from drivers.vsphere.sdk import Managed, vim

DEVICES = "config.hardware.device"
SEEN = (
    "name",
    "runtime.powerState",
    "runtime.host",
    "runtime.connectionState",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.instanceUuid",
    "config.template",
    DEVICES,
    notes.PATH,
)
POWERS = {"poweredOn": Power.RUNNING, "suspended": Power.PAUSED, "poweredOff": Power.OFF}


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of a machine. `file` is what it writes to, `base` what its chain rests on."""

    device: Any
    slot: str
    file: str
    base: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine as it was when it was looked at."""

    ref: Managed
    found: Found

    @property
    def name(self) -> str:
        return str(self.found.get("name", ""))

    @property
    def note(self) -> Note | None:
        """The controller's, unless this is a copy of the machine that it was written on."""
        note = notes.read(self.found.get(notes.PATH))
        uuid = str(self.found.get("config.instanceUuid", "")).lower()
        return note if note is not None and uuid == str(note.guest) else None

    @property
    def power(self) -> Power:
        return POWERS.get(str(self.found.get("runtime.powerState")), Power.OFF)

    @property
    def host(self) -> str:
        at = self.found.get("runtime.host")
        return str(at._moId) if at is not None else ""

    @property
    def is_template(self) -> bool:
        return bool(self.found.get("config.template"))

    @property
    def devices(self) -> list[Any]:
        return list(self.found.get(DEVICES) or ())

    @property
    def disks(self) -> list[Disk]:
        found = []
        for device in self.devices:
            if isinstance(device, vim.vm.device.VirtualDisk):
                file = str(getattr(device.backing, "fileName", "") or "")
                size_bytes = int(device.capacityInBytes or (device.capacityInKB or 0) * 1024)
                found.append(Disk(device, slot_of(device), file, base_of(device), size_bytes))
        return found

    @property
    def nics(self) -> list[Any]:
        card = vim.vm.device.VirtualEthernetCard
        return [device for device in self.devices if isinstance(device, card)]

    @property
    def drive(self) -> Any | None:
        """The drive that people's discs go into: the first one."""
        return self.drives[0] if self.drives else None

    @property
    def drives(self) -> list[Any]:
        kind = vim.vm.device.VirtualCdrom
        drives = [device for device in self.devices if isinstance(device, kind)]
        return sorted(drives, key=lambda one: (one.controllerKey, one.unitNumber or 0))

    def disk_of(self, volume_id: UUID) -> Disk | None:
        """The disk that the note says is this volume."""
        note = self.note
        if note is None or (held := note.disks.get(volume_id)) is None:
            return None
        return next((disk for disk in self.disks if disk.slot == held.slot), None)

    def path_of(self, disk: Disk) -> str:
        """What the controller calls a disk: the note's path, or its file if it is a stranger's."""
        note = self.note
        for held in note.disks.values() if note is not None else ():
            if held.slot == disk.slot:
                return held.path
        return disk.base

    def status(self) -> GuestStatus:
        note = self.note
        discs = [disc_of(drive) for drive in self.drives]
        return GuestStatus(
            guest_id=note.guest if note is not None else None,
            name=self.name,
            power=self.power,
            key=note.key if note is not None else None,
            cpu_count=int(self.found.get("config.hardware.numCPU", 0)),
            memory_mib=int(self.found.get("config.hardware.memoryMB", 0)),
            disks=(*(self.path_of(disk) for disk in self.disks), *(one for one in discs if one)),
        )

    def stranger(self) -> Stranger:
        return Stranger(
            name=self.name,
            power=self.power,
            cpu_count=int(self.found.get("config.hardware.numCPU", 0)),
            memory_mib=int(self.found.get("config.hardware.memoryMB", 0)),
            disks=tuple(
                StrangerDisk(
                    label=label_of(disk.device),
                    path=disk.base,
                    size_bytes=disk.size_bytes,
                    image_format="vmdk",
                )
                for disk in self.disks
            ),
            nics=tuple(
                StrangerNic(mac=str(nic.macAddress or ""), bridge=network_name(nic))
                for nic in self.nics
            ),
        )


def slot_of(device: Any) -> str:
    return f"{device.controllerKey}:{device.unitNumber}"


def label_of(device: Any) -> str:
    return str(device.deviceInfo.label) if device.deviceInfo is not None else slot_of(device)


def base_of(device: Any) -> str:
    """The first file of a disk's chain: the one that is there without any snapshot."""
    link = device.backing
    while getattr(link, "parent", None) is not None:
        link = link.parent
    return str(getattr(link, "fileName", "") or "")


def disc_of(drive: Any) -> str:
    """The disc in a drive, or nothing."""
    if isinstance(drive.backing, vim.vm.device.VirtualCdrom.IsoBackingInfo):
        return str(drive.backing.fileName or "")
    return ""


def network_name(nic: Any) -> str:
    backing = nic.backing
    if (port := getattr(backing, "port", None)) is not None:
        return str(port.portgroupKey or "")
    return str(getattr(backing, "deviceName", "") or "")
