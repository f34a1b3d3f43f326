"""Hyper-V's cmdlets that write a machine into a folder and bring it back from there.

What a machine is described by (`.vmcx`) and its memory (`.vmrs`) are JSON and text here: theirs are
published nowhere, and whoever manages machines only carries the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PureWindowsPath
from typing import Any
from uuid import UUID, uuid4

from tests.peers.hyperv import cmdlets_vhd
from tests.peers.hyperv.commands import Call, cmdlet
from tests.peers.hyperv.values import Failure, in_use, invalid
from tests.peers.hyperv.world import Card, Drive, Vm

PLAIN = (
    "name",
    "generation",
    "memory",
    "notes",
    "cpus",
    "cpu_limit",
    "cpu_weight",
    "checkpoint_type",
    "scsi",
    "secure_boot",
)


def config_of(vm: Vm) -> dict[str, Any]:
    """What a machine's configuration says at this moment."""
    told: dict[str, Any] = {name: getattr(vm, name) for name in PLAIN}
    told["id"] = str(vm.id)
    told["drives"] = [asdict(drive) for drive in vm.drives]
    told["cards"] = [asdict(card) for card in vm.cards]
    return told


@cmdlet("Export-VMCheckpoint", "Path", VMName="str", Name="str*", Path="str")
def export_checkpoint(call: Call) -> Iterator[Any]:
    """A machine of its own: its disks as they were, without chains, and what it had in mind."""
    for record in call.piped:
        vm, kept = record.of
        home = f"{call.get('Path')}\\{kept.config['name']}"
        folder = call.host.local(home)
        if folder.exists():
            raise Failure(
                f"Failed to export: the directory '{home}' already exists. (0x80070050)",
                "OperationFailed",
                category="ResourceExists",
                hresult=0x80070050,
            )
        for name in ("Virtual Machines", "Virtual Hard Disks", "Snapshots"):
            (folder / name).mkdir(parents=True)
        config, taken = dict(kept.config), []
        for drive in config["drives"]:
            if drive["path"] and not drive["is_dvd"]:
                name = PureWindowsPath(drive["path"]).name
                target = folder / "Virtual Hard Disks" / name
                cmdlets_vhd.flatten(call.host.local(drive["path"]), target)
                drive = drive | {"path": f"{home}\\Virtual Hard Disks\\{name}"}
            taken.append(drive)
        config["drives"] = taken
        stem = folder / "Virtual Machines" / str(vm.id).upper()
        stem.with_suffix(".vmcx").write_text(json.dumps(config))
        if kept.mind or kept.kind == "Standard":
            stem.with_suffix(".vmrs").write_text(kept.mind)
    yield from ()


@cmdlet(
    "Import-VM",
    "Path",
    Path="str",
    Register="switch",
    Copy="switch",
    GenerateNewId="switch",
    VhdSourcePath="str",
    VhdDestinationPath="str",
    VirtualMachinePath="str",
    SnapshotFilePath="str",
)
def import_vm(call: Call) -> Iterator[Any]:
    """It is saved, if it had its memory with it; else off. Copied files lie over no others."""
    local = call.host.local(call.get("Path"))
    if local.suffix != ".vmcx" or not local.is_file():
        raise _incompatible(f"The virtual machine configuration '{call.get('Path')}' is not there.")
    config = json.loads(local.read_text())
    vm_id = uuid4() if call.get("GenerateNewId") else UUID(config["id"])
    with call.host.world.lock:
        if vm_id in call.host.vms:
            raise _incompatible("A virtual machine with the same identifier already exists.")
        for card in config["cards"]:
            if card["switch"] and card["switch"].lower() not in call.host.switches:
                raise _incompatible(f"Could not find Ethernet switch '{card['switch']}'.")
        if not call.get("Copy"):
            raise invalid("This server only imports copies.")
        drives = [_brought(call, Drive(**drive)) for drive in config["drives"]]
        home = call.get("VirtualMachinePath", f"C:\\VMs\\{config['name']}")
        plain = {name: config[name] for name in PLAIN}
        vm = Vm(**plain, path=home, host=call.host, id=vm_id, drives=drives)
        vm.cards = [Card(**card) for card in config["cards"]]
        memory = local.with_suffix(".vmrs")
        if memory.exists():
            vm.state, vm.mind = "Saved", memory.read_text()
        vm.config_file().parent.mkdir(parents=True, exist_ok=True)
        vm.config_file().write_text(vm.name)
        call.host.vms[vm.id] = vm
        yield vm.record()


def _brought(call: Call, drive: Drive) -> Drive:
    if not drive.path or drive.is_dvd:
        return drive
    pure = PureWindowsPath(drive.path)
    source = call.host.local(f"{call.get('VhdSourcePath', str(pure.parent))}\\{pure.name}")
    path = f"{call.get('VhdDestinationPath', 'C:' + chr(92) + 'VHDs')}\\{pure.name}"
    target = call.host.local(path)
    if not source.is_file():
        raise _incompatible(f"Virtual hard disk '{pure.name}' was not found.")
    if target.exists():
        raise (
            in_use(path)
            if call.host.world.is_used(target)
            else _incompatible(f"The file '{path}' already exists in the destination.")
        )
    cmdlets_vhd.flatten(source, target)
    drive.path = path
    return drive


def _incompatible(why: str) -> Failure:
    text = f"Unable to import virtual machine due to configuration errors. {why} (0x80048010)"
    return Failure(text, "OperationFailed", category="InvalidOperation", hresult=0x80048010)
