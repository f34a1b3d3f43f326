"""Hyper-V hosts as they are beneath their commands: guests, disks on files, switches, a cluster.

Windows paths lead to folders of this machine: drives to a host's own, shares to one that all see.
A disk is a real file: a VHDX made by qemu-img, or, if it is differencing, a qcow2 overlay under a
name that ends in `.vhdx` (qemu-img writes no differencing VHDX). All checks of one moment are made
under one lock; what takes long says so in the guest's operational status, as Hyper-V's jobs do.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any
from uuid import UUID, uuid4

from tests.peers.hyperv.values import TICKS, Enum, Failure, Record, Span, Stamp, invalid

MIB, GIB = 1 << 20, 1 << 30
STATES = {"Running": 2, "Off": 3, "Stopping": 4, "Saved": 6, "Paused": 9, "Starting": 10}
STATUS = {
    "Ok": 2,
    "InService": 11,
    "CreatingSnapshot": 32769,
    "MergingDisks": 32772,
    "MigratingVirtualMachine": 32774,
    "StorageMigrationPhaseOne": 32779,
}
TYPES = {"Fixed": 2, "Dynamic": 3, "Differencing": 4}


@dataclass
class Drive:
    path: str
    controller: str = "SCSI"
    number: int = 0
    location: int = 0
    max_iops: int = 0
    is_dvd: bool = False
    ios: int = 0


@dataclass
class Card:
    name: str
    switch: str
    mac: str = ""
    vlan: int = 0
    id: str = field(default_factory=lambda: str(uuid4()).upper())


@dataclass
class Checkpoint:
    name: str
    id: UUID
    leaves: dict[str, str]
    created_s: float
    kind: str = "Standard"
    config: dict[str, Any] = field(default_factory=dict)
    mind: str = ""


@dataclass
class Vm:
    name: str
    generation: int
    memory: int
    path: str
    host: Host
    id: UUID = field(default_factory=uuid4)
    state: str = "Off"
    notes: str = ""
    cpus: int = 1
    cpu_limit: int = 100
    cpu_weight: int = 100
    memory_dynamic: bool = False
    checkpoint_type: str = "Production"
    drives: list[Drive] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    scsi: int = 1
    status: str = "Ok"
    started_s: float = 0.0
    heeds_power: bool = True
    shutdown_s: float = 0.0
    secure_boot: bool = True
    boot: str = ""
    role: str = ""
    mind: str = ""

    def record(self) -> Record:
        runs = self.state in ("Running", "Paused")
        ran_s = time.monotonic() - self.started_s if runs else 0.0
        first = "Ok" if self.status == "Ok" else "InService"
        status = [Enum(first, STATUS[first])]
        status += [] if self.status == "Ok" else [Enum(self.status, STATUS[self.status])]
        return Record(
            {
                "Name": self.name,
                "VMName": self.name,
                "Id": self.id,
                "VMId": self.id,
                "State": Enum(self.state, STATES[self.state]),
                "OperationalStatus": status,
                "Status": "Operating normally" if self.status == "Ok" else self.status,
                "Notes": self.notes,
                "Generation": self.generation,
                "ProcessorCount": self.cpus,
                "MemoryStartup": self.memory,
                "MemoryAssigned": self.memory if runs else 0,
                "MemoryDemand": self.memory // 2 if runs else 0,
                "CPUUsage": 1 if runs else 0,
                "Uptime": Span(int(ran_s * TICKS)),
                "Path": self.path,
                "ComputerName": self.host.name,
                "IsClustered": bool(self.role),
                "CheckpointType": self.checkpoint_type,
                "CreationTime": Stamp(0.0),
                "Version": "10.0",
            },
            of=self,
        )

    def config_file(self) -> Path:
        folder = f"{self.path}\\Virtual Machines"
        return self.host.local(f"{folder}\\{str(self.id).upper()}.vmcx")

    def ran_ticks(self) -> int:
        return int((time.monotonic() - self.started_s) * TICKS * 0.01)


class World:
    """All hosts of one test, the shares that they see, and a cluster if they are one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.RLock()
        self.hosts: dict[str, Host] = {}
        self.shares: dict[str, Path] = {}
        self.kinds: dict[str, str] = {}
        self.cluster = ""
        self.op_s, self.free_bytes = 0.0, 96 * GIB

    def room(self) -> tuple[int, int]:
        """How large every file system is, and how much of it is free."""
        return 128 * GIB, self.free_bytes

    def share(self, name: str) -> Path:
        """A share `\\\\server\\name` that every host reaches."""
        folder = self.folder / "shares" / name
        folder.mkdir(parents=True, exist_ok=True)
        self.shares[f"\\\\store\\{name}".lower()] = folder
        return folder

    def vms(self) -> Iterator[Vm]:
        for host in self.hosts.values():
            yield from host.vms.values()

    def users(self, local: Path) -> list[Vm]:
        """Guests that hold a file open: as a disk, or as what a disk of theirs rests on."""
        found = []
        for vm in self.vms():
            if vm.state not in ("Running", "Paused", "Saved"):
                continue
            held = (vm.host.local(drive.path) for drive in vm.drives if drive.path)
            if any(local in self.chain(one) for one in held):
                found.append(vm)
        return found

    def leaf_users(self, local: Path) -> list[Vm]:
        return [
            vm
            for vm in self.vms()
            if vm.state in ("Running", "Paused", "Saved")
            and any(d.path and vm.host.local(d.path) == local for d in vm.drives)
        ]

    def is_used(self, local: Path) -> bool:
        return bool(self.users(local))

    def chain(self, local: Path) -> list[Path]:
        """A disk and all that it rests on."""
        found = [local]
        while len(found) < 16 and (parent := parent_of(found[-1])) is not None:
            found.append(parent)
        return found

    @contextmanager
    def under_way(self, vm: Vm, status: str, seconds: float = 0.0) -> Iterator[None]:
        """A job of the guest's: nobody begins another, and it takes its time with no lock held."""
        with self.lock:
            if vm.status != "Ok":
                raise Failure(
                    f"Operation failed. '{vm.name}' failed to perform the operation. The virtual "
                    "machine is currently performing another operation. Try again later. "
                    "(0x80048008)",
                    "ObjectInUse",
                    category="ResourceBusy",
                    hresult=0x80048008,
                )
            vm.status = status
        try:
            time.sleep(seconds or self.op_s)
            with self.lock:
                yield
        finally:
            vm.status = "Ok"


class Host:
    """One machine that runs Hyper-V."""

    def __init__(self, world: World, name: str, *, cpus: int = 8, memory: int = 16 * GIB) -> None:
        self.world, self.name, self.cpus, self.memory = world, name, cpus, memory
        self.hardware = uuid4()
        self.vms: dict[UUID, Vm] = {}
        self.switches = {"external": "External", "isolated": "Private"}
        self.log: list[str] = []
        self.slow: dict[str, float] = {}
        self.breaks: dict[str, Failure] = {}
        self.up = True
        self.booted_s = time.time() - 3600
        self.root = world.folder / "hosts" / name.replace(":", "_")
        (self.root / "c").mkdir(parents=True, exist_ok=True)
        world.hosts[name.lower()] = self

    def before(self, cmdlet: str) -> None:
        """Where tests put slowness and failures."""
        if (seconds := self.slow.get(cmdlet, 0.0)) > 0:
            time.sleep(seconds)
        if (failure := self.breaks.pop(cmdlet, None)) is not None:
            raise failure

    def local(self, path: str) -> Path:
        """Where a Windows path of this host leads; one that leads nowhere is not found."""
        pure = PureWindowsPath(path)
        drive = pure.drive.lower()
        if not pure.is_absolute() or ".." in pure.parts:
            raise invalid(f"The path '{path}' is not absolute.", "InvalidPath")
        if drive == "c:":
            return self.root / "c" / Path(*pure.parts[1:])
        if drive in self.world.shares:
            return self.world.shares[drive] / Path(*pure.parts[1:])
        raise Failure(
            f"Cannot find path '{path}' because it does not exist.",
            "PathNotFound",
            category="ObjectNotFound",
            kind="ItemNotFoundException",
            hresult=0x80070003 if drive.endswith(":") else 0x80070035,
        )

    def windows(self, local: Path) -> str:
        for drive, folder in (*self.world.shares.items(), ("C:", self.root / "c")):
            if local.is_relative_to(folder):
                text = "\\".join(local.relative_to(folder).parts)
                return f"{drive}\\{text}"
        return str(local)

    def is_shared(self, path: str) -> bool:
        return PureWindowsPath(path).drive.lower() in self.world.shares

    def memory_used(self) -> int:
        runs = (vm.memory for vm in self.vms.values() if vm.state in ("Running", "Paused"))
        return 2 * GIB + sum(runs)


def tool(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise Failure(
            f"The operation failed on the disk: {text} (0xC03A0014)",
            "OperationFailed",
            hresult=0xC03A0014,
        )
    return done.stdout


def kind_of(local: Path) -> str:
    """How a disk's file is laid out: qcow2 if it is differencing, vhdx if not, or nothing."""
    with local.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"QFI\xfb"):
        return "qcow2"
    return "vhdx" if head == b"vhdxfile" else ""


def image_info(local: Path) -> dict[str, Any]:
    kind = kind_of(local)
    if not kind:
        raise Failure(
            f"Failed to get the disk information. The file '{local.name}' is not a virtual hard "
            "disk or is corrupted. (0xC03A0005)",
            "FileCorrupt",
            category="InvalidData",
            hresult=0xC03A0005,
        )
    told: dict[str, Any] = json.loads(
        tool("qemu-img", "info", "-U", "-f", kind, "--output=json", str(local))
    )
    return told


def parent_of(local: Path) -> Path | None:
    if not local.is_file() or kind_of(local) != "qcow2":
        return None
    with local.open("rb") as file:
        head = file.read(20)
        at, length = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:20], "big")
        if not at:
            return None
        file.seek(at)
        return Path(file.read(length).decode())
