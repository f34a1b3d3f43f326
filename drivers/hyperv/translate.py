"""Specifications to Hyper-V's words and back. Nothing here talks to anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from drivers.contract.compute import (
    DiskAttachment,
    DiskLimits,
    GuestSpec,
    GuestStatus,
    NicSpec,
    Power,
)
from drivers.contract.errors import Refused
from drivers.hyperv import places
from drivers.hyperv.places import folder_above, settled
from drivers.hyperv.words import Cmd, Statement, cmd, do

MIB = 1 << 20
PREFIX = "sagastack "
BORN = "sagastack-"
IO_BYTES = 8192
CONFIG_LOCATION = 63
MEMORY_STEP_MIB = 2
RUNNING, OFF, SAVED, PAUSED = 2, 3, 6, 9
OK = frozenset({2, 11})
POWER = {
    RUNNING: Power.RUNNING,
    OFF: Power.OFF,
    SAVED: Power.OFF,
    PAUSED: Power.PAUSED,
    4: Power.RUNNING,
    10: Power.RUNNING,
    11: Power.RUNNING,
    32776: Power.RUNNING,
    32777: Power.PAUSED,
}
VM = (
    "Id",
    "Name",
    "State",
    "Notes",
    "ProcessorCount",
    "MemoryStartup",
    "Generation",
    "OperationalStatus",
    "Path",
    "IsClustered",
    "Uptime",
)
DRIVE = ("VMId", "Path", "ControllerType", "ControllerNumber", "ControllerLocation")
CARD = ("VMId", "Name", "MacAddress", "SwitchName")
PROCESSOR = ("VMId", "Count", "Maximum")


@dataclass(frozen=True, slots=True)
class Note:
    """What a guest's notes say: whose it is, and what was adopted with it."""

    guest_id: UUID
    key: UUID | None = None
    disks: dict[UUID, str] = field(default_factory=dict)
    nics: dict[UUID, str] = field(default_factory=dict)
    room_mib: int = 0

    def text(self) -> str:
        said: dict[str, Any] = {"id": str(self.guest_id)}
        said |= {"key": str(self.key)} if self.key else {}
        said |= {"room_mib": self.room_mib} if self.room_mib else {}
        for name, parts in (("disks", self.disks), ("nics", self.nics)):
            if parts:
                said[name] = {str(one): text for one, text in parts.items()}
        return PREFIX + json.dumps(said, separators=(",", ":"), sort_keys=True)


def read_note(notes: str, name: str) -> Note | None:
    """None for a stranger. One that was born a moment ago has its id in its name alone."""
    for line in notes.splitlines():
        if line.startswith(PREFIX):
            try:
                said = json.loads(line[len(PREFIX) :])
                return Note(
                    guest_id=UUID(said["id"]),
                    key=UUID(said["key"]) if "key" in said else None,
                    disks={UUID(one): text for one, text in said.get("disks", {}).items()},
                    nics={UUID(one): text for one, text in said.get("nics", {}).items()},
                    room_mib=int(said.get("room_mib", 0)),
                )
            except (KeyError, TypeError, ValueError, AttributeError):
                return None
    if name.startswith(BORN):
        try:
            return Note(guest_id=UUID(name[len(BORN) :]))
        except ValueError:
            return None
    return None


def without_note(notes: str) -> str:
    """What people wrote there stays."""
    return "\n".join(line for line in notes.splitlines() if not line.startswith(PREFIX))


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a disk is plugged."""

    path: str
    controller: str
    number: int
    location: int

    def find(self) -> Cmd:
        return cmd(
            "Get-VMHardDiskDrive",
            ControllerType=self.controller,
            ControllerNumber=self.number,
            ControllerLocation=self.location,
        )


@dataclass(frozen=True, slots=True)
class Guest:
    """A virtual machine as the host told of it."""

    vm_id: str
    name: str
    state: int
    note: Note | None
    notes: str
    cores: int
    cap_percent: int
    memory_mib: int
    generation: int
    busy: bool
    folder: str
    is_role: bool
    seats: tuple[Seat, ...]
    cards: tuple[dict[str, Any], ...] = ()

    @property
    def power(self) -> Power:
        return POWER.get(self.state, Power.CRASHED)

    @property
    def runs(self) -> bool:
        return self.power is Power.RUNNING

    @property
    def cpu_count(self) -> int:
        return max(1, round(self.cores * self.cap_percent / 100))

    def status(self) -> GuestStatus:
        return GuestStatus(
            guest_id=self.note.guest_id if self.note else None,
            name=self.name,
            power=self.power,
            key=self.note.key if self.note else None,
            cpu_count=self.cpu_count,
            memory_mib=self.memory_mib,
            disks=tuple(settled(seat.path) for seat in self.seats if seat.path),
        )

    def seat_of(self, volume_id: UUID) -> Seat | None:
        adopted = self.note.disks.get(volume_id, "") if self.note else ""
        for seat in self.seats:
            if places.id_in(seat.path) == volume_id:
                return seat
            if adopted and places.same(settled(seat.path), adopted):
                return seat
        return None

    def seat_at(self, path: str) -> Seat | None:
        found = (seat for seat in self.seats if places.same(settled(seat.path), path))
        return next(found, None)


def read_guests(told: list[list[dict[str, Any]]]) -> Iterator[Guest]:
    """From the answers of `SURVEY`: machines, processors, drives and cards."""
    machines, processors, drives, cards = told
    caps = {str(one["VMId"]): int(one["Maximum"]) for one in processors}
    for one in machines:
        vm_id = str(one["Id"])
        seats = tuple(
            Seat(
                path=drive["Path"] or "",
                controller="IDE" if int(drive["ControllerType"]) == 0 else "SCSI",
                number=int(drive["ControllerNumber"]),
                location=int(drive["ControllerLocation"]),
            )
            for drive in drives
            if str(drive["VMId"]) == vm_id
        )
        status = one["OperationalStatus"] or []
        numbers = status if isinstance(status, list) else [status]
        notes = one["Notes"] or ""
        yield Guest(
            vm_id=vm_id,
            name=one["Name"],
            state=int(one["State"]),
            note=read_note(notes, one["Name"]),
            notes=notes,
            cores=int(one["ProcessorCount"]),
            cap_percent=caps.get(vm_id, 100),
            memory_mib=int(one["MemoryStartup"]) // MIB,
            generation=int(one["Generation"]),
            busy=any(int(number) not in OK for number in numbers),
            folder=one["Path"] or "",
            is_role=bool(one["IsClustered"]),
            seats=tuple(sorted(seats, key=lambda seat: (seat.controller, seat.location))),
            cards=tuple(card for card in cards if str(card["VMId"]) == vm_id),
        )


def by_id(vm_id: str) -> Cmd:
    return cmd("Get-VM", Id=vm_id)


def machines_folder(spec: GuestSpec) -> str:
    """A guest's own files lie beside its root disk, so that they go where its disks can go."""
    if not spec.disks:
        return ""
    return f"{folder_above(spec.disks[0].path)}\\machines"


def home_in(machines: str, guest_id: UUID) -> str:
    """Hyper-V names the folder by what the machine was called when it was made."""
    return f"{machines}\\{BORN}{guest_id}"


def is_home(folder: str, guest_id: UUID) -> bool:
    """It was made for this guest: a stranger's folder that was adopted with it is its own."""
    return folder.lower().endswith(f"\\{BORN}{guest_id}".lower())


def config_path(home: str) -> str:
    return f"{home}\\config.iso"


def generation_of(spec: GuestSpec) -> int:
    return 1 if spec.boot.lower() in ("", "bios") else 2


def birth(spec: GuestSpec, folder: str) -> Cmd:
    """The machine, under a name that says whose it is before its notes do."""
    where: dict[str, Any] = {"Path": folder} if folder else {}
    return cmd(
        "New-VM",
        "NoVHD",
        Name=f"{BORN}{spec.guest_id}",
        MemoryStartupBytes=memory_bytes(spec.memory_mib),
        Generation=generation_of(spec),
        **where,
    )


def memory_bytes(memory_mib: int) -> int:
    """Hyper-V counts memory in steps of 2 MiB."""
    return -(-memory_mib // MEMORY_STEP_MIB) * MEMORY_STEP_MIB * MIB


def shape(spec: GuestSpec, vm_id: str, note: Note, switch: str, disc: str) -> list[Statement]:
    """All that the machine has, and then its name and notes, by which it is known for good."""
    vm, cores = by_id(vm_id), max(spec.cpu_max, spec.cpu_count)
    cap = cap_percent(spec.cpu_count, cores)
    made = [
        do(
            vm,
            cmd(
                "Set-VM",
                AutomaticStartAction="Nothing",
                AutomaticStopAction="TurnOff",
                CheckpointType="Standard",
                Notes=note.text(),
            ),
        ),
        do(vm, cmd("Set-VMMemory", DynamicMemoryEnabled=False)),
        do(
            vm,
            cmd(
                "Set-VMProcessor",
                Count=cores,
                Maximum=cap,
                RelativeWeight=weight(spec.cpu_mhz, cores),
                CompatibilityForMigrationEnabled=True,
            ),
        ),
    ]
    if generation_of(spec) == 2:
        secure = "On" if "secure" in spec.boot.lower() else "Off"
        made.append(do(vm, cmd("Set-VMFirmware", EnableSecureBoot=secure)))
    # Hyper-V gives every machine a card, which is nobody's.
    made.append(do(vm, cmd("Get-VMNetworkAdapter"), cmd("Remove-VMNetworkAdapter")))
    made += [plug(vm_id, spec.boot, disk) for disk in spec.disks]
    for nic in spec.nics:
        made += plug_nic(vm_id, nic, switch)
    if disc:
        at = (1, 1) if generation_of(spec) == 1 else (0, CONFIG_LOCATION)
        made.append(do(vm, _dvd(disc, *at)))
    made.append(do(vm, cmd("Set-VM", NewVMName=spec.known_as)))
    return made


def plug(vm_id: str, boot: str, disk: DiskAttachment) -> Statement:
    generation = 1 if boot.lower() in ("", "bios") else 2
    return plug_into(vm_id, generation, disk)


def plug_into(vm_id: str, generation: int, disk: DiskAttachment) -> Statement:
    """Generation 1 boots from IDE, whose disks do not come and go; all others are on SCSI."""
    vm = by_id(vm_id)
    if disk.is_cdrom:
        if generation == 1:
            return do(
                vm,
                cmd("Get-VMDvdDrive", ControllerNumber=1, ControllerLocation=0),
                cmd("Set-VMDvdDrive", Path=disk.path),
            )
        return do(vm, _dvd(disk.path, 0, disk.device))
    on_ide = generation == 1 and disk.device == 0
    limit: dict[str, Any] = {"MaximumIOPS": iops(disk.limits)} if iops(disk.limits) else {}
    return do(
        vm,
        cmd(
            "Add-VMHardDiskDrive",
            Path=disk.path,
            ControllerType="IDE" if on_ide else "SCSI",
            ControllerNumber=0,
            ControllerLocation=0 if on_ide else disk.device,
            **limit,
        ),
    )


def _dvd(path: str, number: int, location: int) -> Cmd:
    return cmd("Add-VMDvdDrive", Path=path, ControllerNumber=number, ControllerLocation=location)


def plug_nic(vm_id: str, nic: NicSpec, switch: str) -> list[Statement]:
    """A card bears our id as its name."""
    vm = by_id(vm_id)
    made = [
        do(
            vm,
            cmd(
                "Add-VMNetworkAdapter",
                Name=str(nic.nic_id),
                SwitchName=nic.bridge or switch,
                StaticMacAddress=nic.mac.replace(":", "").replace("-", "").upper(),
            ),
        )
    ]
    if nic.vlan is not None:
        tag = cmd(
            "Set-VMNetworkAdapterVlan",
            "Access",
            VMNetworkAdapterName=str(nic.nic_id),
            VlanId=nic.vlan,
        )
        made.append(do(vm, tag))
    return made


def cap_percent(cpu_count: int, cores: int) -> int:
    """Cores that a guest may have later are there from the start, and their time is kept back."""
    return max(1, min(100, -(-100 * cpu_count // cores))) if cores > cpu_count else 100


def weight(cpu_mhz: int, cores: int) -> int:
    """100 is what Hyper-V gives by itself; a core of 1000 MHz weighs that much."""
    return max(1, min(10000, cpu_mhz * cores // 10))


def iops(limits: DiskLimits) -> int:
    """Hyper-V knows one limit: operations a second, of 8 KiB each; a larger one counts as more."""
    asked = [limits.total_iops, limits.read_iops + limits.write_iops]
    asked += [-(-one // IO_BYTES) for one in (limits.read_bytes, limits.write_bytes)]
    set_ones = [one for one in asked if one > 0]
    return min(set_ones) if set_ones else 0


def require_possible(spec: GuestSpec, cores: int, memory_bytes_max: int) -> None:
    """Refused: what the host can never run."""
    wanted = max(spec.cpu_max, spec.cpu_count)
    if wanted > cores:
        raise Refused(f"guest {spec.name} wants {wanted} cores, and the host has {cores}")
    if memory_bytes(spec.memory_mib) >= memory_bytes_max:
        raise Refused(
            f"guest {spec.name} wants {spec.memory_mib} MiB of memory, and the host has "
            f"{memory_bytes_max // MIB}"
        )
    if spec.memory_mib < 32:
        raise Refused(f"guest {spec.name}: Hyper-V gives a guest 32 MiB of memory at least")
    if len(spec.nics) > 8:
        raise Refused(f"guest {spec.name}: Hyper-V gives a guest eight network cards at most")
