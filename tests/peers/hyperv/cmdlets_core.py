"""Cmdlets of PowerShell itself: picking properties, JSON, and files."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.peers.hyperv.commands import Call, cmdlet, fields_of, json_of
from tests.peers.hyperv.values import Enum, Failure, Record, Stamp, in_use

TWO_PATHS = {"LiteralPath": "str", "Destination": "str", "Force": "switch"}


@cmdlet("Select-Object", Property="str*", ExpandProperty="str", First="int", Skip="int")
def select_object(call: Call) -> Iterator[Any]:
    for value in call.piped[: call.get("First", None)]:
        if call.has("ExpandProperty"):
            inner = Record(fields_of(value)).get(call.get("ExpandProperty"))
            yield from inner if isinstance(inner, list) else [inner]
            continue
        known = Record(fields_of(value))
        yield Record({name: known.get(name) for name in call.get("Property", [])})


@cmdlet("ConvertTo-Json", Depth="int", Compress="switch")
def convert_to_json(call: Call) -> Iterator[Any]:
    """One object of one that is piped, a list of several, and nothing of nothing."""
    if not call.piped:
        return
    what: Any = call.piped[0] if len(call.piped) == 1 else call.piped
    depth = call.get("Depth", 2) + (len(call.piped) > 1)
    yield json.dumps(json_of(what, depth), separators=(",", ":"))


@cmdlet("Where-Object", Property="str", EQ="switch", Value="str", Match="switch")
def where_object(call: Call) -> Iterator[Any]:
    for value in call.piped:
        found = Record(fields_of(value)).get(call.get("Property", ""))
        text = found.name if isinstance(found, Enum) else str(found)
        if text.lower() == call.get("Value", "").lower():
            yield value


@cmdlet("Write-Output", "InputObject", InputObject="obj")
def write_output(call: Call) -> Iterator[Any]:
    yield call.get("InputObject")


@cmdlet("Out-Null")
def out_null(call: Call) -> Iterator[Any]:
    yield from ()


@cmdlet("Test-Path", "LiteralPath", LiteralPath="str", PathType="Any|Container|Leaf")
def test_path(call: Call) -> Iterator[Any]:
    local = _quiet_local(call, call.get("LiteralPath"))
    kind = call.get("PathType", "Any")
    holds = {"Any": Path.exists, "Container": Path.is_dir, "Leaf": Path.is_file}[kind]
    yield local is not None and holds(local)


@cmdlet("New-Item", "Path", Path="str", ItemType="Directory|File", Force="switch", Value="str")
def new_item(call: Call) -> Iterator[Any]:
    local = call.host.local(call.get("Path"))
    if call.get("ItemType", "File") == "Directory":
        if local.exists() and not call.get("Force"):
            raise _exists(call.get("Path"), "DirectoryExist")
        local.mkdir(parents=True, exist_ok=True)
    else:
        if not local.parent.is_dir() and not call.get("Force"):
            raise _no_path(call.get("Path"))
        if local.exists() and not call.get("Force"):
            raise _exists(call.get("Path"), "NewItemIOError")
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(call.get("Value", ""))
    yield _file(call, local)


@cmdlet("Get-Item", "LiteralPath", LiteralPath="str*")
def get_item(call: Call) -> Iterator[Any]:
    for path in call.get("LiteralPath"):
        local = call.host.local(path)
        if not local.exists():
            raise _no_path(path)
        yield _file(call, local)


@cmdlet(
    "Get-ChildItem",
    "LiteralPath",
    LiteralPath="str",
    Filter="str",
    File="switch",
    Directory="switch",
    Recurse="switch",
)
def get_child_item(call: Call) -> Iterator[Any]:
    local = call.host.local(call.get("LiteralPath"))
    if not local.is_dir():
        raise _no_path(call.get("LiteralPath"))
    wanted = call.get("Filter", "*").lower()
    walk = local.rglob("*") if call.get("Recurse") else local.iterdir()
    for one in sorted(walk):
        if call.get("File") and not one.is_file():
            continue
        if call.get("Directory") and not one.is_dir():
            continue
        if fnmatch.fnmatchcase(one.name.lower(), wanted):
            yield _file(call, one)


@cmdlet("Remove-Item", "LiteralPath", LiteralPath="str*", Force="switch", Recurse="switch")
def remove_item(call: Call) -> Iterator[Any]:
    with call.host.world.lock:
        for path in call.get("LiteralPath"):
            local = call.host.local(path)
            if not local.exists():
                raise _no_path(path)
            if local.is_dir():
                if any(local.iterdir()) and not call.get("Recurse"):
                    raise Failure("The directory is not empty.", "DirectoryNotEmpty")
                shutil.rmtree(local)
            elif call.host.world.is_used(local):
                raise in_use(path, "RemoveFileSystemItemIOError")
            else:
                local.unlink()
    yield from ()


@cmdlet("Move-Item", "LiteralPath Destination", **TWO_PATHS)
def move_item(call: Call) -> Iterator[Any]:
    with call.host.world.lock:
        source, target = _two(call)
        if call.host.world.is_used(source):
            raise in_use(call.get("LiteralPath"), "MoveFileInfoItemIOError")
        if target.exists():
            if not call.get("Force"):
                raise _exists(call.get("Destination"), "MoveFileInfoItemIOError")
            if call.host.world.is_used(target):
                raise in_use(call.get("Destination"), "MoveFileInfoItemIOError")
        os.replace(source, target)
        kinds = call.host.world.kinds
        if str(source) in kinds:
            kinds[str(target)] = kinds.pop(str(source))
    yield from ()


@cmdlet("Copy-Item", "LiteralPath Destination", **TWO_PATHS)
def copy_item(call: Call) -> Iterator[Any]:
    source, target = _two(call)
    if call.host.world.leaf_users(source):
        raise in_use(call.get("LiteralPath"), "CopyFileInfoItemIOError")
    shutil.copyfile(source, target)
    yield from ()


def _two(call: Call) -> tuple[Path, Path]:
    source, target = (
        call.host.local(call.get("LiteralPath")),
        call.host.local(call.get("Destination")),
    )
    if not source.exists():
        raise _no_path(call.get("LiteralPath"))
    if not target.parent.is_dir():
        raise _no_path(call.get("Destination"))
    return source, target


def _file(call: Call, local: Path) -> Record:
    found = local.stat()
    fields: dict[str, Any] = {
        "Name": local.name,
        "FullName": call.host.windows(local),
        "Length": found.st_size if local.is_file() else None,
        "PSIsContainer": local.is_dir(),
        "LastWriteTimeUtc": Stamp(found.st_mtime),
    }
    return Record(fields, of=local)


def _quiet_local(call: Call, path: str) -> Path | None:
    try:
        found: Path = call.host.local(path)
    except Failure:
        return None
    return found


def _no_path(path: str) -> Failure:
    return Failure(
        f"Cannot find path '{path}' because it does not exist.",
        "PathNotFound",
        category="ObjectNotFound",
        kind="ItemNotFoundException",
        hresult=0x80070002,
    )


def _exists(path: str, error_id: str) -> Failure:
    return Failure(
        f"An item with the specified name {path} already exists.",
        error_id,
        category="ResourceExists",
        kind="IOException",
        hresult=0x800700B7,
    )


@cmdlet("Get-CimInstance", "ClassName", ClassName="str", Namespace="str", Filter="str")
def get_cim_instance(call: Call) -> Iterator[Any]:
    name = call.get("ClassName").lower()
    made = CLASSES.get(name)
    if made is None:
        raise Failure(
            "Invalid class",
            "HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets",
            category="MetadataError",
            kind="CimException",
            hresult=0x80041010,
        )
    found = [Record(fields) for fields in made(call.host)]
    if (wanted := call.get("Filter", "")) and "=" in wanted:
        key, _, value = wanted.partition("=")
        found = [one for one in found if str(one.get(key.strip())) == value.strip().strip("'\"")]
    yield from found


def _operating_system(host: Any) -> Iterator[dict[str, Any]]:
    yield {
        "Caption": "Microsoft Windows Server 2022 Datacenter",
        "Version": "10.0.20348",
        "CSName": host.name,
        "TotalVisibleMemorySize": host.memory // 1024,
        "FreePhysicalMemory": (host.memory - host.memory_used()) // 1024,
        "LastBootUpTime": Stamp(host.booted_s),
        "LocalDateTime": Stamp(time.time()),
    }


def _processors(host: Any) -> Iterator[dict[str, Any]]:
    yield {
        "Name": "Processor",
        "MaxClockSpeed": 2400,
        "NumberOfCores": host.cpus,
        "NumberOfLogicalProcessors": host.cpus,
        "LoadPercentage": 5,
    }


def _product(host: Any) -> Iterator[dict[str, Any]]:
    yield {"UUID": str(host.hardware).upper(), "Vendor": "Peer", "Name": "Machine"}


def _volumes(host: Any) -> Iterator[dict[str, Any]]:
    size, free = host.world.room()
    yield {"Name": "C:\\", "Capacity": size, "FreeSpace": free, "FileSystem": "NTFS"}
    yield {"Name": "\\\\?\\Volume{7}\\", "Capacity": 1 << 30, "FreeSpace": 0}


def _logical_processor(host: Any) -> Iterator[dict[str, Any]]:
    yield {"Name": "_Total", "PercentTotalRunTime": 7, "PercentGuestRunTime": 5}


def _virtual_processors(host: Any) -> Iterator[dict[str, Any]]:
    for vm in _running(host):
        for number in range(vm.cpus):
            name = f"{vm.name}:Hv VP {number}"
            yield {"Name": name, "PercentTotalRunTime": vm.ran_ticks()}


def _storage_devices(host: Any) -> Iterator[dict[str, Any]]:
    for vm in _running(host):
        for drive in vm.drives:
            if drive.path and not drive.is_dvd:
                yield {
                    "Name": drive.path.replace("\\", "-"),
                    "ReadBytesPersec": 4096 * (1 + drive.ios),
                    "WriteBytesPersec": 4096 * drive.ios,
                    "ReadOperationsPerSec": 1 + drive.ios,
                    "WriteOperationsPerSec": drive.ios,
                }


def _network_adapters(host: Any) -> Iterator[dict[str, Any]]:
    for vm in _running(host):
        for card in vm.cards:
            yield {
                "Name": f"{vm.name}_{card.name}_{str(vm.id).upper()}--{card.id}",
                "BytesReceivedPersec": 1500,
                "BytesSentPersec": 900,
            }


def _interfaces(host: Any) -> Iterator[dict[str, Any]]:
    yield {"Name": "Ethernet", "BytesReceivedPersec": 123456, "BytesSentPersec": 65432}


def _running(host: Any) -> list[Any]:
    return [vm for vm in host.vms.values() if vm.state == "Running"]


CLASSES = {
    "win32_operatingsystem": _operating_system,
    "win32_processor": _processors,
    "win32_computersystemproduct": _product,
    "win32_volume": _volumes,
    "win32_perfformatteddata_hvstats_hypervhypervisorlogicalprocessor": _logical_processor,
    "win32_perfrawdata_hvstats_hypervhypervisorvirtualprocessor": _virtual_processors,
    "win32_perfrawdata_counters_hypervvirtualstoragedevice": _storage_devices,
    "win32_perfrawdata_nvspnicstats_hypervvirtualnetworkadapter": _network_adapters,
    "win32_perfrawdata_tcpip_networkinterface": _interfaces,
}
