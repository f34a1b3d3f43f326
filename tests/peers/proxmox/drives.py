"""Drives and cards as configurations say them, and what making one of them takes."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.peers.proxmox.errors import bad, die
from tests.peers.proxmox.world import GIB, MIB, Vm, World

NEW = re.compile(r"([^/:\s]+):(\d+(?:\.\d+)?)")
DRIVE = re.compile(r"(scsi|ide)\d+")
UNITS = {"": 1, "K": 2**10, "M": MIB, "G": GIB, "T": 2**40}


@dataclass
class Drive:
    volume: str
    options: dict[str, str]

    @property
    def is_cdrom(self) -> bool:
        return self.options.get("media") == "cdrom"

    def __str__(self) -> str:
        return ",".join([self.volume, *(f"{name}={value}" for name, value in self.options.items())])


def parse(said: str) -> Drive:
    volume, *rest = said.split(",")
    return Drive(volume, dict(one.split("=", 1) for one in rest))


def drives(config: dict[str, str]) -> dict[str, Drive]:
    return {name: parse(value) for name, value in config.items() if DRIVE.fullmatch(name)}


def shown_size(size: int) -> str:
    return f"{size // GIB}G" if size % GIB == 0 else f"{size // MIB}M"


def parse_size(said: str) -> int:
    unit = said[-1] if said[-1] in UNITS else ""
    return int(float(said.removesuffix(unit)) * UNITS[unit])


def check(world: World, told: dict[str, str]) -> None:
    """What is refused before anything is made."""
    for name, drive in drives(told).items():
        if drive.is_cdrom and drive.volume == "none":
            continue
        new = NEW.fullmatch(drive.volume)
        if new is None:
            world.volume(drive.volume)
            if "import-from" in drive.options:
                raise bad(**{name: "cannot import into an existing volume"})
        elif "import-from" in drive.options:
            if float(new[2]) != 0:
                raise bad(**{name: "'import-from' requires special syntax - use <storage ID>:0"})
            source = world.volume(drive.options["import-from"])
            if source.content not in ("import", "images"):
                raise die(f"cannot import from '{source.volid}' - content type {source.content}")
        elif float(new[2]) == 0:
            raise bad(**{name: "a disk of no size"})


async def define(world: World, vm: Vm, told: dict[str, str]) -> dict[str, str]:
    """The drives as they are once they are made; what was made goes again if one fails."""
    done, made = {}, []
    try:
        for name, drive in drives(told).items():
            new = NEW.fullmatch(drive.volume)
            if new is not None and not drive.is_cdrom:
                form = drive.options.pop("format", "")
                source = drive.options.pop("import-from", "")
                size = int(float(new[2]) * GIB)
                volume = world.allocate(new[1], vm.vmid, vm.node, size, form)
                made.append(volume.volid)
                if source:
                    await _import(world.volume(source).file, world.volume(source).format,
                                  volume.file)  # fmt: skip
                drive.volume = volume.volid
                drive.options["size"] = shown_size(volume.size)
            done[name] = str(drive)
    except BaseException:
        for volid in made:
            world.free(volid)
        raise
    return done


async def _import(source: Path, form: str, target: Path) -> None:
    tool = shutil.which("qemu-img")
    assert tool is not None
    process = await asyncio.create_subprocess_exec(
        tool, "convert", "-f", form, "-O", "raw", str(source), str(target),
        stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    if process.returncode:
        raise die(f"copy failed: command '/usr/bin/qemu-img convert' failed: {err.decode()}")


def users(world: World, volid: str) -> list[Vm]:
    """VMs that run from a volume, whoever it is named after."""
    return [
        vm for vm in world.vms.values()
        if vm.running and any(one.volume == volid for one in drives(vm.config).values())
    ]  # fmt: skip


def demand_unlocked(world: World, volid: str, but: Vm) -> None:
    """QEMU locks an image that it runs from, even against its own tools."""
    if any(one is not but for one in users(world, volid)):
        raise die(
            f"qemu-img: Could not open '{volid}': Failed to get shared \"write\" lock. Is another "
            "process using the image?"
        )


def release(world: World, vm: Vm, name: str, *, force: bool) -> None:
    """A drive leaves a configuration: the VM's own disk is kept as unused, unless it is to go."""
    said = vm.config.pop(name, None)
    if said is None:
        return
    drive = parse(said)
    volume = world.volumes.get(drive.volume)
    if drive.is_cdrom or volume is None or volume.owner != vm.vmid:
        return
    if force or name.startswith("unused"):
        world.free(drive.volume)
    else:
        number = next(one for one in range(256) if f"unused{one}" not in vm.config)
        vm.config[f"unused{number}"] = drive.volume
