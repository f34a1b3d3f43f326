"""The state of a cluster: its nodes, storages, volumes, VMs and tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.peers.garble import Garble
from tests.peers.proxmox.errors import No, die

MIB, GIB = 2**20, 2**30
TOKEN = ("cloud@pve!sagastack", "7d3c2b1a-0f9e-4d8c-b7a6-958473625140")
AUDITOR = ("audit@pve!look", "11111111-2222-4333-8444-555555555555")
BROADCAST_S = 10.0  # How late a node tells the others whether a VM runs.
FILE_BASED = ("dir", "nfs")


@dataclass
class Storage:
    name: str
    type: str
    content: tuple[str, ...]
    shared: bool = True
    total: int = 20 * GIB
    active: bool = True


@dataclass
class Volume:
    """`owner` is the number in its name, whoever refers to it."""

    volid: str
    storage: str
    content: str
    file: Path
    format: str
    owner: int | None = None
    node: str = ""
    moments: dict[str, Path] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.file.stat().st_size


@dataclass
class Vm:
    vmid: int
    node: str
    config: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str | None] = field(default_factory=dict)
    running: bool = False
    ran_before: bool = False
    changed_s: float = field(default_factory=time.monotonic)
    since_s: float = 0.0
    moments: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def lock(self) -> str:
        return self.config.get("lock", "")

    def switch(self, running: bool) -> None:
        self.ran_before, self.running = self.running, running
        self.since_s = self.changed_s = time.monotonic()

    @property
    def memory(self) -> int:
        return int(self.config.get("memory", "512")) * MIB


@dataclass
class Task:
    upid: str
    node: str
    type: str
    id: str
    user: str
    began: int
    ended: int = 0
    outcome: str = ""
    running: asyncio.Task[None] | None = None

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "upid": self.upid, "node": self.node, "type": self.type, "id": self.id,
            "user": self.user.split("!")[0], "tokenid": self.user.split("!")[1],
            "starttime": self.began, "pid": 4711, "pstart": 1,
        }  # fmt: skip
        return found | ({"endtime": self.ended, "status": self.outcome} if self.outcome else {})


class World:
    """Two nodes with storages that both reach, and one that is each node's own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = "there"
        self.nodes = {"pve1": True, "pve2": True}
        self.memory = 8 * GIB
        self.storages: dict[str, Storage] = {}
        for name in ("one", "two"):
            self.storages[name] = Storage(name, "nfs", ("images", "iso", "import"))
        self.storages["blocks"] = Storage("blocks", "lvm", ("images",), shared=False)
        self.storages["backups"] = Storage("backups", "nfs", ("backup",))
        self.volumes: dict[str, Volume] = {}
        self.vms: dict[int, Vm] = {}
        self.tasks: list[Task] = []
        self.tickets: dict[str, int] = {}
        self.calls: list[str] = []
        self.garble = Garble()
        self.slow_s = 0.0  # How long each task takes at the least.
        self.boot_s = 0.05
        self.deaf = False  # Guests heed no power button.
        self.stubborn = False  # Guests let go of nothing that is unplugged.
        self.port = 0
        self.pin = ""
        self._numbers = count(1)

    # Tasks.

    def task(
        self, node: str, kind: str, thing: str, user: str, work: Callable[[], Awaitable[None]]
    ) -> str:
        """Begin one; it goes on whoever hangs up."""
        now, number = int(time.time()), next(self._numbers)
        upid = f"UPID:{node}:{number:08X}:{number:08X}:{now:08X}:{kind}:{thing}:{user}:"
        task = Task(upid, node, kind, thing, user, now)
        self.tasks.insert(0, task)

        async def run() -> None:
            try:
                if self.slow_s:
                    await asyncio.sleep(self.slow_s)
                await work()
                task.outcome = "OK"
            except No as error:
                task.outcome = error.reason
            except OSError as error:
                task.outcome = str(error)
            finally:
                task.ended = int(time.time())
                task.outcome = task.outcome or "interrupted by signal"

        task.running = asyncio.create_task(run(), name=upid)
        return upid

    def find_task(self, upid: str) -> Task:
        for task in self.tasks:
            if task.upid == upid:
                return task
        raise die(f"no such task '{upid}'")

    async def end(self) -> None:
        """A task that is still at work is cut off; one that broke says so here."""
        running = [one.running for one in self.tasks if one.running is not None]
        for task in running:
            task.cancel()
        for found in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(found, Exception):
                raise found

    # VMs.

    def vm(self, node: str, vmid: int) -> Vm:
        vm = self.vms.get(vmid)
        if vm is None or vm.node != node:
            raise die(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        return vm

    def unlocked(self, vm: Vm) -> Vm:
        if vm.lock:
            raise die(f"VM is locked ({vm.lock})")
        return vm

    def reserve(self, vmid: int, node: str, lock: str, emsg: str) -> Vm:
        """A number for a new VM, whose configuration says nothing yet but that it is made."""
        if (there := self.vms.get(vmid)) is not None:
            raise die(f"{emsg} VM {vmid} already exists on node '{there.node}'")
        vm = self.vms[vmid] = Vm(vmid, node, {"lock": lock})
        return vm

    def add_stranger(self, name: str) -> str:
        vm = Vm(next(one for one in count(100) if one not in self.vms), "pve1", {"name": name})
        self.vms[vm.vmid] = vm
        vm.switch(True)
        return name

    # Volumes.

    def storage(self, name: str, node: str = "") -> Storage:
        storage = self.storages.get(name)
        if storage is None:
            raise die(f"storage '{name}' does not exist")
        if not storage.active:
            raise die(f"storage '{name}' is not online")
        return storage

    def volume(self, volid: str) -> Volume:
        volume = self.volumes.get(volid)
        if volume is None:
            raise die(f"volume '{volid}' does not exist")
        return volume

    def allocate(self, storage: str, vmid: int, node: str, size: int, form: str = "") -> Volume:
        """A new image, named after its VM by the first number that is free."""
        where = self.storage(storage, node)
        if "images" not in where.content:
            raise die(f"storage '{storage}' does not support content-type 'images'")
        is_file = where.type in FILE_BASED
        form = form or "raw"
        if not is_file and form != "raw":
            raise die(f"unsupported format '{form}'")
        for number in count():
            name = f"vm-{vmid}-disk-{number}"
            volid = f"{storage}:{vmid}/{name}.{form}" if is_file else f"{storage}:{name}"
            if volid not in self.volumes:
                break
        file = self.folder / storage / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as made:
            made.truncate(size)
        owner = "" if where.shared else node
        volume = Volume(volid, storage, "images", file, form, vmid, owner)
        self.volumes[volid] = volume
        return volume

    def free(self, volid: str) -> None:
        volume = self.volumes.pop(volid, None)
        if volume is not None:
            for path in (volume.file, *volume.moments.values()):
                path.unlink(missing_ok=True)

    async def fill(self, volume: Volume, source: Path) -> None:
        await asyncio.to_thread(_copy, source, volume.file)

    def used(self, storage: str) -> int:
        return sum(
            one.file.stat().st_blocks * 512 for one in self.volumes.values()
            if one.storage == storage and one.file.exists()
        )  # fmt: skip

    # For tests.

    def file(self, word: str) -> Path:
        """The bytes of the one disk of the VM with such a tag; of several VMs, of the last."""
        found = [
            (tag, vm) for vm in self.vms.values()
            for tag in vm.config.get("tags", "").split(";")
            if word in tag and not vm.lock
        ]  # fmt: skip
        assert found, f"no VM is tagged {word}"
        _, vm = max(found, key=lambda one: one[0])
        slots = [one for one in vm.config if one.startswith("scsi") and one[4:].isdigit()]
        assert len(slots) == 1, vm.config
        return self.volumes[vm.config[slots[0]].split(",")[0]].file

    def left(self) -> dict[str, list[str]]:
        """What there is beside images."""
        found = {
            "vms": [vm.config.get("name", str(vm.vmid)) for vm in self.vms.values()],
            "volumes": [one.volid for one in self.volumes.values() if one.content != "import"],
            "tasks": [one.upid for one in self.tasks if not one.outcome],
        }
        return {kind: names for kind, names in found.items() if names}


def _copy(source: Path, target: Path) -> None:
    """Sparse as it was."""
    with source.open("rb") as from_, target.open("r+b") as to:
        while data := from_.read(MIB):
            if data.strip(b"\0"):
                to.write(data)
            else:
                to.seek(len(data), 1)
        to.truncate(max(target.stat().st_size, source.stat().st_size))
