"""Hyper-V's cmdlets about hosts and clusters, and those that move guests between them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.peers.hyperv.cmdlets_vm import no_memory, not_found, require_free, vms_of, wrong_state
from tests.peers.hyperv.commands import Call, cmdlet
from tests.peers.hyperv.values import Enum, Failure, Record
from tests.peers.hyperv.world import Host, Vm


@cmdlet("Get-VMHost")
def get_vm_host(call: Call) -> Iterator[Any]:
    host = call.host
    yield Record(
        {
            "Name": host.name,
            "ComputerName": host.name,
            "FullyQualifiedDomainName": "",
            "LogicalProcessorCount": host.cpus,
            "MemoryCapacity": host.memory,
            "VirtualMachinePath": "C:\\VMs",
            "VirtualMachineMigrationEnabled": True,
        }
    )


@cmdlet("Move-VM", "DestinationHost", Name="str", DestinationHost="str",
        IncludeStorage="switch", DestinationStoragePath="str", VirtualMachinePath="str",
        Vhds="hash*")  # fmt: skip
def move_vm(call: Call) -> Iterator[Any]:
    """The guest goes on at the destination, with those disks that are listed, and is gone here."""
    world = call.host.world
    for vm in vms_of(call):
        target = world.hosts.get(call.get("DestinationHost").lower())
        if target is None or not target.up:
            raise _failed(vm, "the connection to the destination could not be made", 0x80072751)
        if vm.role:
            raise _failed(vm, "it is a clustered role: move it with the cluster", 0x80048054)
        moves = _moves(call) if call.get("IncludeStorage") else {}
        _require_can_move(vm, target, call, moves)
        _migrate(vm, target, moves, call.get("VirtualMachinePath", ""))
    yield from ()


def _require_can_move(vm: Vm, target: Host, call: Call, moves: dict[str, str]) -> None:
    if vm.state != "Running":
        raise wrong_state(vm, "migrate")
    if vm.host is target:
        raise _failed(vm, "it is at the destination already", 0x80048059)
    if vm.memory > target.memory - target.memory_used():
        raise no_memory(vm)
    if not vm.host.is_shared(vm.path) and not call.has("VirtualMachinePath"):
        raise _failed(vm, "its configuration is not on storage that both reach", 0x80048051)
    for card in vm.cards:
        if card.switch.lower() not in {one.lower() for one in target.switches}:
            raise _failed(vm, f"there is no virtual switch '{card.switch}'", 0x80048053)
    for drive in vm.drives:
        if not drive.path:
            continue
        for one in vm.host.world.chain(vm.host.local(drive.path)):
            path = vm.host.windows(one)
            if path.lower() not in moves and not vm.host.is_shared(path):
                raise _failed(vm, f"the disk '{path}' is not in reach of it", 0x80048052)


def _migrate(vm: Vm, target: Host, moves: dict[str, str], config: str) -> None:
    source, world = vm.host, vm.host.world
    made = _begin_copies(vm, target, moves)
    try:
        with world.under_way(vm, "MigratingVirtualMachine", source.slow.get("migrate", 0)):
            _finish_copies(vm, target, moves)
            old = vm.config_file()
            vm.path = config or vm.path
            del source.vms[vm.id]
            target.vms[vm.id] = vm
            vm.host = target
            vm.config_file().parent.mkdir(parents=True, exist_ok=True)
            os.replace(old, vm.config_file())
            made.clear()
    finally:
        for one in made:
            one.unlink(missing_ok=True)


@cmdlet("Move-VMStorage", VMName="str", DestinationStoragePath="str", Vhds="hash*",
        VirtualMachinePath="str")  # fmt: skip
def move_vm_storage(call: Call) -> Iterator[Any]:
    """Listed disks are copied while the guest runs, which then goes on from the copies."""
    for vm in vms_of(call):
        moves = _moves(call)
        made = _begin_copies(vm, vm.host, moves)
        try:
            slow = vm.host.slow.get("storage", 0)
            with vm.host.world.under_way(vm, "StorageMigrationPhaseOne", slow):
                _finish_copies(vm, vm.host, moves)
                made.clear()
        finally:
            for one in made:
                one.unlink(missing_ok=True)
    yield from ()


def _moves(call: Call) -> dict[str, str]:
    found = {}
    for one in call.get("Vhds", []):
        lower = {str(key).lower(): value for key, value in one.items()}
        found[lower["sourcefilepath"].lower()] = lower["destinationfilepath"]
    return found


def _begin_copies(vm: Vm, target: Host, moves: dict[str, str]) -> list[Path]:
    """The destinations' files are there from the beginning, as in Windows."""
    known = {drive.path.lower() for drive in vm.drives if drive.path}
    made = []
    for source, destination in moves.items():
        local = target.local(destination)
        if source not in known:
            raise _failed(vm, f"it has no disk '{source}'", 0x80048055)
        if not local.parent.is_dir():
            raise _failed(vm, f"there is no folder for '{destination}'", 0x80070003)
        if local.exists():
            raise _failed(vm, f"the file '{destination}' exists", 0x80070050)
        local.touch()
        made.append(local)
    return made


def _finish_copies(vm: Vm, target: Host, moves: dict[str, str]) -> None:
    for drive in vm.drives:
        if drive.path and drive.path.lower() in moves:
            old, destination = vm.host.local(drive.path), moves[drive.path.lower()]
            new = target.local(destination)
            shutil.copyfile(old, new)
            drive.path = target.windows(new)
            old.unlink()
            kinds = vm.host.world.kinds
            kinds[str(new)] = kinds.pop(str(old), "Dynamic")


def _failed(vm: Vm, why: str, hresult: int) -> Failure:
    return Failure(
        f"Virtual machine migration operation for '{vm.name}' failed: {why}. (0x{hresult:08X})",
        "OperationFailed,Microsoft.HyperV.PowerShell.Commands.MoveVM",
        hresult=hresult,
    )


@cmdlet("Get-Cluster")
def get_cluster(call: Call) -> Iterator[Any]:
    _require_cluster(call)
    yield Record({"Name": call.host.world.cluster, "Domain": ""})


@cmdlet("Get-ClusterNode")
def get_cluster_node(call: Call) -> Iterator[Any]:
    _require_cluster(call)
    for host in call.host.world.hosts.values():
        state = Enum("Up", 0) if host.up else Enum("Down", 1)
        yield Record({"Name": host.name, "State": state})


@cmdlet("Get-ClusterGroup", Name="str", VMId="uuid")
def get_cluster_group(call: Call) -> Iterator[Any]:
    _require_cluster(call)
    for vm in _roles(call):
        yield Record(
            {"Name": vm.role, "OwnerNode": vm.host.name, "VMId": vm.id, "State": Enum("Online", 0)},
            of=vm,
        )


@cmdlet("Add-ClusterVirtualMachineRole", VMId="uuid", Name="str")
def add_role(call: Call) -> Iterator[Any]:
    _require_cluster(call)
    vm = call.host.vms.get(call.get("VMId"))
    if vm is None:
        raise not_found(str(call.get("VMId")), "Id")
    if vm.role:
        raise Failure(
            f"The virtual machine '{vm.name}' is clustered already. (0x80071396)",
            "AddClusterVirtualMachineRole",
            hresult=0x80071396,
        )
    if not vm.host.is_shared(vm.path):
        raise Failure(f"'{vm.name}' is not on storage of the cluster.", "NotClusterStorage")
    vm.role = call.get("Name", vm.name)
    yield Record({"Name": vm.role, "OwnerNode": vm.host.name}, of=vm)


@cmdlet("Remove-ClusterGroup", VMId="uuid", Name="str", RemoveResources="switch", Force="switch")
def remove_group(call: Call) -> Iterator[Any]:
    _require_cluster(call)
    for vm in _roles(call):
        vm.role = ""
    yield from ()


@cmdlet("Move-ClusterVirtualMachineRole", VMId="uuid", Node="str",
        MigrationType="Live|Quick|Shutdown", Wait="int")  # fmt: skip
def move_role(call: Call) -> Iterator[Any]:
    _require_cluster(call)
    for vm in _roles(call):
        target = call.host.world.hosts.get(call.get("Node").lower())
        if target is None or not target.up:
            raise _failed(vm, "the node is not up", 0x800713B0)
        for drive in vm.drives:
            if drive.path:
                require_free(vm, drive)
        _require_can_move(vm, target, call, {})
        _migrate(vm, target, {}, "")
        yield Record({"Name": vm.role, "OwnerNode": target.name}, of=vm)


def _roles(call: Call) -> list[Vm]:
    world, wanted = call.host.world, call.get("VMId")
    found = [vm for vm in world.vms() if vm.role and wanted in (None, vm.id)]
    if wanted is not None and not found:
        raise Failure(
            "The cluster group could not be found. (0x80071395)",
            "GroupNotFound",
            category="ObjectNotFound",
            hresult=0x80071395,
        )
    return found


def _require_cluster(call: Call) -> None:
    if not call.host.world.cluster:
        raise Failure(
            "The cluster service is not running.  Make sure that the service is running on all "
            "nodes in the cluster. There are no more endpoints available from the endpoint mapper",
            "ClusterCmdletException",
            category="ConnectionError",
            hresult=0x800706D9,
        )
