"""What is true of some hosts together: exports with real bytes, machines, and domains of Xen."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from xmlrpc.client import Fault

DOM0_MIB = 512
COPY_CHUNK = 1 << 20


@dataclass
class Domain:
    """A guest that xend has. `disks` and `cards` are as the host names them."""

    name: str
    uuid: str
    vcpus: int
    memory_mib: int
    disks: list[str]
    vifs: list[str]
    state: str = "-b----"
    number: int = 0
    since_s: float = field(default_factory=time.monotonic)
    password: str = ""
    heeds: bool = True

    @property
    def cpu_s(self) -> float:
        return (time.monotonic() - self.since_s) / 10


@dataclass
class Machine:
    """A host: what it has, mounts and runs."""

    ip: str
    name: str
    world: World
    memory_mib: int = 4096
    cores: int = 4
    id: str = field(default_factory=lambda: uuid4().hex)
    mounts: dict[str, str] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    bridges: dict[str, str] = field(default_factory=lambda: {"xenbr0": "bond0"})
    boot_s: float = field(default_factory=time.monotonic)

    @property
    def free_mib(self) -> int:
        return self.memory_mib - DOM0_MIB - sum(one.memory_mib for one in self.domains.values())

    def file(self, path: str) -> Path:
        """A path of the host's, in the export that is mounted there."""
        clean = os.path.normpath(path)
        for point, export in self.mounts.items():
            if clean == point or clean.startswith(f"{point}/"):
                return self.world.exports[export] / clean[len(point) :].lstrip("/")
        return self.world.nowhere / clean.lstrip("/")

    def run(self, domain: Domain) -> None:
        """Build a domain, as `xm create` would, or say why not."""
        if domain.uuid in self.domains or any(
            one.name == domain.name for one in self.domains.values()
        ):
            raise xm("create", f"Error: Domain '{domain.name}' already exists with ID '3'")
        if domain.memory_mib > self.free_mib:
            raise xm(
                "create",
                f"Error: I need {domain.memory_mib * 1024} KiB, but dom0_min_mem is "
                f"{DOM0_MIB * 1024} and shrinking to {DOM0_MIB * 1024} KiB would leave only "
                f"{self.free_mib * 1024} KiB free.",
            )
        for line in domain.disks:
            self.check_disk(line)
        for line in domain.vifs:
            self.check_vif(line)
        domain.number = next(self.world.numbers)
        self.domains[domain.uuid] = domain

    def check_disk(self, line: str) -> None:
        path = image(line)
        if not path:
            return
        if not self.file(path).is_file():
            raise xm(
                "create", f"Error: Device 768 (vbd) could not be connected. {path} does not exist."
            )
        mode = line.rsplit(",", 1)[-1]
        users = [one for one in self.domains.values() if path in map(image, one.disks)]
        if users and mode == "w":
            raise xm(
                "create",
                f"Error: Device 768 (vbd) could not be connected. File {path} is loopback-mounted "
                "through /dev/loop0, which is mounted in a guest domain, and so cannot be mounted "
                "now.",
            )

    def check_vif(self, line: str) -> None:
        bridge = dict(one.partition("=")[::2] for one in line.split(",")).get("bridge", "")
        if bridge not in self.bridges:
            raise xm(
                "create", f"Error: Device 0 (vif) could not be connected. bridge {bridge} not found"
            )

    def by_name(self, name: str) -> Domain | None:
        return next((one for one in self.domains.values() if one.name == name), None)


@dataclass
class World:
    """Machines by address, and what they can mount. `beat_s` is how long small things take."""

    nowhere: Path
    exports: dict[str, Path] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    beat_s: float = 0.01
    heed_s: float = 0.1
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    def machine(self, ip: str, name: str) -> Machine:
        self.machines[ip] = Machine(ip, name, self)
        return self.machines[ip]

    def turn(self, ip: str, vm: str) -> asyncio.Lock:
        """An agent does one thing at a time to a guest."""
        return self.turns.setdefault(f"{ip} {vm}", asyncio.Lock())

    async def beat(self) -> None:
        await asyncio.sleep(self.beat_s)


def image(line: str) -> str:
    """The path in a line of a configuration's disks."""
    return re.sub(r"^(file|tap:aio|phy):", "", line.split(",", 1)[0])


def xm(verb: str, said: str) -> Fault:
    return Fault(1, f"exceptions.RuntimeError:Command: ['xm', '{verb}'] failed (1): stderr: {said}")


async def copy(source: Path, target: Path, *, sparse: bool, pause_s: float = 0) -> None:
    """Byte by byte, a piece at a time; what is empty stays so, if it may."""
    with source.open("rb") as given, target.open("wb") as made:
        while piece := given.read(COPY_CHUNK):
            if sparse and not piece.strip(b"\0"):
                made.seek(len(piece), os.SEEK_CUR)
            else:
                made.write(piece)
            await asyncio.sleep(pause_s)
        made.truncate()
