"""Hyper-V's cmdlets about virtual hard disks, on real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.peers.hyperv.commands import Call, cmdlet
from tests.peers.hyperv.values import Enum, Failure, Record, in_use, invalid
from tests.peers.hyperv.world import GIB, TYPES, image_info, kind_of, parent_of, tool

VHDX_MAX = 64 * 1024 * GIB
DYNAMIC = "subformat=dynamic,block_size=1M"


@cmdlet("Get-VHD", "Path", Path="str*")
def get_vhd(call: Call) -> Iterator[Any]:
    quiet = str(call.get("ErrorAction", "")).lower() in ("silentlycontinue", "ignore")
    for path in call.get("Path"):
        try:
            yield vhd(call, _there(call, path))
        except Failure:
            if not quiet:
                raise


def vhd(call: Call, local: Path) -> Record:
    told, world = image_info(local), call.host.world
    parent = parent_of(local)
    kind = "Differencing" if parent else world.kinds.get(str(local), "Dynamic")
    return Record(
        {
            "Path": call.host.windows(local),
            "VhdFormat": Enum("VHDX", 3),
            "VhdType": Enum(kind, TYPES[kind]),
            "FileSize": local.stat().st_size,
            "Size": told["virtual-size"],
            "MinimumSize": None,
            "LogicalSectorSize": 512,
            "PhysicalSectorSize": 4096,
            "BlockSize": 1 << 20,
            "ParentPath": "" if parent is None else call.host.windows(parent),
            "DiskIdentifier": str(uuid4()).upper(),
            "Attached": world.is_used(local),
        },
        of=local,
    )


@cmdlet(
    "New-VHD",
    "Path",
    Path="str",
    SizeBytes="int",
    ParentPath="str",
    Dynamic="switch",
    Fixed="switch",
    Differencing="switch",
    BlockSizeBytes="int",
)
def new_vhd(call: Call) -> Iterator[Any]:
    path = call.get("Path")
    local, size = _new(call, path), call.get("SizeBytes", 0)
    if not path.lower().endswith((".vhdx", ".vhd")):
        raise invalid(f"The path '{path}' must have the extension .vhd or .vhdx.")
    if call.has("ParentPath"):
        parent = _there(call, call.get("ParentPath"))
        image_info(parent)
        make_child(local, parent)
        if size and size < image_info(parent)["virtual-size"]:
            local.unlink()
            raise invalid("The size is smaller than that of the parent.")
        if size:
            tool("qemu-img", "resize", "-q", "-f", "qcow2", str(local), str(size))
    else:
        _require_size(size)
        if call.get("Fixed") and size > _free(call):
            raise _full(path)
        kind = "Fixed" if call.get("Fixed") else "Dynamic"
        options = "subformat=fixed" if kind == "Fixed" else DYNAMIC
        tool("qemu-img", "create", "-q", "-f", "vhdx", "-o", options, str(local), str(size))
        call.host.world.kinds[str(local)] = kind
    yield vhd(call, local)


@cmdlet("Resize-VHD", "Path SizeBytes", Path="str", SizeBytes="int")
def resize_vhd(call: Call) -> Iterator[Any]:
    """A disk of a running guest grows if it is on SCSI; none shrinks below what it holds."""
    with call.host.world.lock:
        local, size = _there(call, call.get("Path")), call.get("SizeBytes")
        now = image_info(local)["virtual-size"]
        _require_size(size)
        if size < now:
            raise Failure(
                "Failed to resize the virtual disk: the size is less than the minimum to which "
                "it can be shrunk. (0xC03A0030)",
                "InvalidParameter",
                category="InvalidArgument",
                hresult=0xC03A0030,
            )
        for vm in call.host.world.leaf_users(local):
            drives = [one for one in vm.drives if vm.host.local(one.path or "C:\\") == local]
            if any(one.controller == "IDE" for one in drives):
                raise in_use(call.get("Path"))
        if size > now:
            grow(local, size, call.host.world.kinds.get(str(local), "Dynamic"))
    yield from ()


@cmdlet(
    "Convert-VHD",
    "Path DestinationPath",
    Path="str",
    DestinationPath="str",
    VHDType="Dynamic|Fixed|Differencing",
    DeleteSource="switch",
)
def convert_vhd(call: Call) -> Iterator[Any]:
    """A disk of its own with all that the chain holds; one that a guest writes to is refused."""
    source = _there(call, call.get("Path"))
    target = _new(call, call.get("DestinationPath"))
    if call.host.world.leaf_users(source):
        raise in_use(call.get("Path"))
    image_info(source)
    kind = call.get("VHDType", "Dynamic")
    flatten(source, target, fixed=kind == "Fixed")
    call.host.world.kinds[str(target)] = kind
    yield from ()


@cmdlet("Test-VHD", "Path", Path="str")
def test_vhd(call: Call) -> Iterator[Any]:
    local = _there(call, call.get("Path"))
    image_info(local)
    for one in call.host.world.chain(local):
        if not one.is_file():
            raise Failure(
                "The chain of virtual hard disks is broken: a parent is missing. (0xC03A000D)",
                "ObjectNotFound",
                category="ObjectNotFound",
                hresult=0xC03A000D,
            )
    yield True


def make_child(local: Path, parent: Path) -> None:
    kind = kind_of(parent)
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(parent), "-F", kind, str(local))


def flatten(source: Path, target: Path, *, fixed: bool = False) -> None:
    options = "subformat=fixed" if fixed else DYNAMIC
    argv = ("qemu-img", "convert", "-U", "-f", kind_of(source), "-O", "vhdx", "-o", options)
    tool(*argv, str(source), str(target))


def grow(local: Path, size: int, kind: str) -> None:
    """qemu-img resizes no VHDX: it is copied through a raw file, which is sparse."""
    if kind_of(local) == "qcow2":
        tool("qemu-img", "resize", "-q", "-f", "qcow2", str(local), str(size))
        return
    raw, new = local.with_suffix(".raw"), local.with_suffix(".new")
    tool("qemu-img", "convert", "-f", "vhdx", "-O", "raw", str(local), str(raw))
    os.truncate(raw, size)
    options = "subformat=fixed" if kind == "Fixed" else DYNAMIC
    tool("qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", options, str(raw), str(new))
    os.replace(new, local)
    raw.unlink()


def _there(call: Call, path: str) -> Path:
    local: Path = call.host.local(path)
    if not local.is_file():
        raise Failure(
            f"The system cannot find the file '{path}'. (0x80070002)",
            "ObjectNotFound",
            category="ObjectNotFound",
            hresult=0x80070002,
        )
    return local


def _new(call: Call, path: str) -> Path:
    local: Path = call.host.local(path)
    if not local.parent.is_dir():
        raise Failure(
            f"The system cannot find the path '{path}'. (0x80070003)",
            "ObjectNotFound",
            category="ObjectNotFound",
            hresult=0x80070003,
        )
    if local.exists():
        raise Failure(
            f"The file '{path}' exists. (0x80070050)",
            "OperationFailed",
            category="ResourceExists",
            hresult=0x80070050,
        )
    return local


def _require_size(size: int) -> None:
    if not 3 * 1024**2 <= size <= VHDX_MAX or size % 512:
        raise invalid(f"The size {size} is not one that a virtual hard disk can have.")


def _free(call: Call) -> int:
    return int(call.host.world.room()[1])


def _full(path: str) -> Failure:
    return Failure(
        f"There is not enough space on the disk for '{path}'. (0x80070070)",
        "OperationFailed",
        hresult=0x80070070,
    )
