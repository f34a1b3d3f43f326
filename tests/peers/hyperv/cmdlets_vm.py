"""Hyper-V's cmdlets about virtual machines: their life, processors, memory and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from tests.peers.hyperv import cmdlets_vhd, exports
from tests.peers.hyperv.commands import Call, cmdlet
from tests.peers.hyperv.values import Enum, Failure, Record, Stamp, invalid
from tests.peers.hyperv.world import MIB, Card, Checkpoint, Drive, Vm, kind_of, tool


def vms_of(call: Call, *, names: tuple[str, ...] = ("Name", "VMName")) -> list[Vm]:
    """Those that are named by -VM, -Id, -VMId, -Name, -VMName, or come through the pipeline."""
    host = call.host
    if call.has("Id") or call.has("VMId"):
        wanted = call.get("Id", call.get("VMId"))
        if wanted not in host.vms:
            raise not_found(str(wanted), "Id")
        return [host.vms[wanted]]
    for name in names:
        if call.has(name):
            found = [vm for vm in host.vms.values() if vm.name.lower() == call.get(name).lower()]
            if not found:
                raise not_found(call.get(name), "name")
            return found
    return [one.of for one in call.piped if isinstance(one, Record) and isinstance(one.of, Vm)]


def not_found(name: str, what: str) -> Failure:
    return Failure(
        f'Hyper-V was unable to find a virtual machine with {what} "{name}".',
        "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM",
        category="InvalidArgument",
    )


def wrong_state(vm: Vm, doing: str) -> Failure:
    return Failure(
        f"'{vm.name}' failed to {doing}. The operation cannot be performed while the virtual "
        f"machine is in its current state ({vm.state}). (0x80048030)",
        "InvalidState,Microsoft.HyperV.PowerShell.Commands",
        category="NotSpecified",
        hresult=0x80048030,
    )


@cmdlet("Get-VM", Id="uuid", Name="str")
def get_vm(call: Call) -> Iterator[Any]:
    with call.host.world.lock:
        named = call.has("Id") or call.has("Name")
        for vm in vms_of(call) if named else list(call.host.vms.values()):
            yield vm.record()


@cmdlet(
    "New-VM",
    Name="str",
    MemoryStartupBytes="int",
    Generation="int",
    NoVHD="switch",
    Path="str",
    BootDevice="str",
    SwitchName="str",
)
def new_vm(call: Call) -> Iterator[Any]:
    with call.host.world.lock:
        generation = call.get("Generation", 1)
        path = f"{call.get('Path', 'C:' + chr(92) + 'VMs')}\\{call.get('Name')}"
        memory = call.get("MemoryStartupBytes", 512 * MIB)
        if generation not in (1, 2):
            raise invalid(f"The generation {generation} is not supported.")
        if memory % (2 * MIB) or memory < 32 * MIB or memory > 12 * 1024**4:
            raise Failure(
                "Invalid memory value assigned: it must be a multiple of 2 MB between 32 MB and "
                "12 TB. (0x80070057)",
                "InvalidParameter",
                category="InvalidArgument",
                hresult=0x80070057,
            )
        vm = Vm(call.get("Name", "New Virtual Machine"), generation, memory, path, call.host)
        vm.cards.append(Card("Network Adapter", call.get("SwitchName", "")))
        if generation == 1:
            vm.drives.append(Drive("", "IDE", 1, 0, is_dvd=True))
        config = vm.config_file()
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(vm.name)
        call.host.vms[vm.id] = vm
        yield vm.record()


@cmdlet(
    "Set-VM",
    Id="uuid",
    Name="str",
    NewVMName="str",
    Notes="str",
    CheckpointType="Disabled|Standard|Production|ProductionOnly",
    AutomaticStartAction="Nothing|StartIfRunning|Start",
    AutomaticStopAction="TurnOff|Save|ShutDown",
    AutomaticCheckpointsEnabled="bool",
    StaticMemory="switch",
    VM="obj",
)
def set_vm(call: Call) -> Iterator[Any]:
    with call.host.world.lock:
        for vm in vms_of(call):
            vm.name = call.get("NewVMName", vm.name)
            vm.notes = call.get("Notes", vm.notes)
            vm.checkpoint_type = call.get("CheckpointType", vm.checkpoint_type)
    yield from ()


@cmdlet(
    "Set-VMProcessor",
    VMName="str",
    Count="int",
    Maximum="int",
    RelativeWeight="int",
    CompatibilityForMigrationEnabled="bool",
    ExposeVirtualizationExtensions="bool",
)
def set_vm_processor(call: Call) -> Iterator[Any]:
    for vm in vms_of(call):
        if call.has("Count") and call.get("Count") != vm.cpus:
            if vm.state != "Off":
                raise wrong_state(vm, "modify device 'Processor'")
            if not 1 <= call.get("Count") <= 2048:
                raise invalid("The number of processors is out of range.")
            vm.cpus = call.get("Count")
        vm.cpu_limit = _between(call.get("Maximum", vm.cpu_limit), 0, 100)
        vm.cpu_weight = _between(call.get("RelativeWeight", vm.cpu_weight), 0, 10000)
    yield from ()


@cmdlet("Get-VMProcessor", VMName="str")
def get_vm_processor(call: Call) -> Iterator[Any]:
    for vm in vms_of(call):
        yield Record(
            {
                "VMId": vm.id,
                "VMName": vm.name,
                "Count": vm.cpus,
                "Maximum": vm.cpu_limit,
                "RelativeWeight": vm.cpu_weight,
            }
        )


@cmdlet("Set-VMMemory", VMName="str", StartupBytes="int", DynamicMemoryEnabled="bool")
def set_vm_memory(call: Call) -> Iterator[Any]:
    """Memory that is static can be more while the guest runs; less only when it is off."""
    for vm in vms_of(call):
        memory = call.get("StartupBytes", vm.memory)
        if vm.state == "Running" and memory - vm.memory > vm.host.memory - vm.host.memory_used():
            raise no_memory(vm)
        if vm.state == "Running" and memory < vm.memory:
            raise wrong_state(vm, "modify device 'Memory'")
        vm.memory = memory
    yield from ()


def no_memory(vm: Vm) -> Failure:
    return Failure(
        f"'{vm.name}' could not initialize. Not enough memory in the system to start the virtual "
        f"machine {vm.name} with ram size {vm.memory // MIB} megabytes. (0x8007000E)",
        "OutOfMemory,Microsoft.HyperV.PowerShell.Commands.StartVM",
        hresult=0x8007000E,
    )


@cmdlet("Set-VMFirmware", VMName="str", EnableSecureBoot="On|Off", SecureBootTemplate="str")
def set_vm_firmware(call: Call) -> Iterator[Any]:
    for vm in vms_of(call):
        if vm.generation != 2:
            raise invalid(f"The virtual machine '{vm.name}' is of generation 1: it has no UEFI.")
        if vm.state != "Off":
            raise wrong_state(vm, "modify its firmware")
        vm.secure_boot = call.get("EnableSecureBoot", "On") == "On"
    yield from ()


@cmdlet("Start-VM", VMName="str", Id="uuid")
def start_vm(call: Call) -> Iterator[Any]:
    for vm in vms_of(call):
        with call.host.world.under_way(vm, "InService"):
            if vm.state in ("Running", "Starting"):
                continue
            if vm.memory > call.host.memory - call.host.memory_used():
                raise no_memory(vm)
            if vm.cpus > call.host.cpus:
                raise Failure(
                    f"'{vm.name}' could not be started because the hypervisor has not enough "
                    "logical processors. (0xC0350004)",
                    "OperationFailed",
                    hresult=0xC0350004,
                )
            for drive in vm.drives:
                if drive.path:
                    require_free(vm, drive)
            if vm.state == "Off":
                vm.mind = ""
            vm.state, vm.started_s = "Running", time.monotonic()
    yield from ()


def require_free(vm: Vm, drive: Drive) -> None:
    """A disk that a guest starts with is there, whole, and nobody else's."""
    local, world = vm.host.local(drive.path), vm.host.world
    for one in world.chain(local):
        if not one.is_file():
            raise Failure(
                f"'{vm.name}' Synthetic SCSI Controller: Failed to open attachment "
                f"'{drive.path}'. The system cannot find the file specified. (0x80070002)",
                "ObjectNotFound,Microsoft.HyperV.PowerShell.Commands.StartVM",
                category="ObjectNotFound",
                hresult=0x80070002,
            )
    others = [one for one in world.leaf_users(local) if one is not vm]
    if others and not drive.is_dvd:
        raise Failure(
            f"'{vm.name}': Failed to open attachment '{drive.path}': The process cannot access "
            "the file because it is being used by another process. (0x80070020)",
            "ObjectInUse",
            category="ResourceBusy",
            hresult=0x80070020,
        )


@cmdlet("Stop-VM", VMName="str", Id="uuid", TurnOff="switch", Force="switch", Save="switch")
def stop_vm(call: Call) -> Iterator[Any]:
    """A shut-down asks the guest; without its integration service it fails at once."""
    for vm in vms_of(call):
        if vm.status == "MigratingVirtualMachine":
            raise wrong_state(vm, "stop")
        if not call.get("TurnOff") and vm.state == "Running":
            if not vm.heeds_power:
                raise Failure(
                    f"'{vm.name}' failed to perform the operation: a required component, the "
                    "guest shutdown service, is not ready. (0x80070015)",
                    "OperationFailed",
                    hresult=0x80070015,
                )
            time.sleep(vm.shutdown_s)
        with call.host.world.lock:
            vm.state = "Off"
    yield from ()


@cmdlet("Resume-VM")
def resume_vm(call: Call) -> Iterator[Any]:
    for vm in vms_of(call):
        if vm.state != "Paused":
            raise wrong_state(vm, "resume")
        vm.state = "Running"
    yield from ()


@cmdlet("Restart-VM", VMName="str", Force="switch", Type="Reboot|Reset")
def restart_vm(call: Call) -> Iterator[Any]:
    for vm in vms_of(call):
        if vm.state != "Running":
            raise wrong_state(vm, "reset")
        vm.started_s = time.monotonic()
    yield from ()


@cmdlet("Remove-VM", Name="str", Force="switch")
def remove_vm(call: Call) -> Iterator[Any]:
    with call.host.world.lock:
        for vm in vms_of(call):
            if vm.state not in ("Off", "Saved"):
                raise wrong_state(vm, "remove the virtual machine")
            if vm.role:
                raise Failure(
                    f"'{vm.name}' is a clustered role: remove it from the cluster first.",
                    "OperationFailed",
                )
            merge(vm)
            vm.config_file().unlink(missing_ok=True)
            del call.host.vms[vm.id]
    yield from ()


@cmdlet(
    "Checkpoint-VM",
    Name="str",
    SnapshotName="str",
    Passthru="switch",
)
def checkpoint_vm(call: Call) -> Iterator[Any]:
    """From now on the guest writes to new differencing disks, `.avhdx`, over what it had."""
    for vm in vms_of(call):
        with call.host.world.under_way(vm, "CreatingSnapshot", call.host.slow.get("snapshot", 0)):
            if vm.checkpoint_type == "Disabled":
                raise Failure("Checkpoints have been disabled for it.", "OperationFailed")
            name, kind = call.get("SnapshotName", vm.name), kind_of_checkpoint(vm)
            kept = Checkpoint(name, uuid4(), {}, time.time(), kind, exports.config_of(vm))
            kept.mind = vm.mind if kind == "Standard" and vm.state == "Running" else ""
            for drive in vm.drives:
                if not drive.path or drive.is_dvd:
                    continue
                stem = drive.path.rsplit(".", 1)[0]
                leaf = f"{stem}_{str(uuid4()).upper()}.avhdx"
                cmdlets_vhd.make_child(call.host.local(leaf), call.host.local(drive.path))
                kept.leaves[leaf] = drive.path
                drive.path = leaf
            vm.checkpoints.append(kept)
        if call.get("Passthru"):
            yield checkpoint_record(vm, kept)


def kind_of_checkpoint(vm: Vm) -> str:
    """Production asks the guest to order its files; where it cannot, it is a standard one."""
    if vm.checkpoint_type == "Standard" or vm.state != "Running":
        return "Standard"
    if vm.heeds_power:  # it has integration services
        return "Production"
    if vm.checkpoint_type == "ProductionOnly":
        raise Failure(
            f"'{vm.name}': production checkpoints cannot be created. (0x80004005)",
            "OperationFailed",
            hresult=0x80004005,
        )
    return "Standard"


@cmdlet("Get-VMCheckpoint", VMName="str", Name="str")
def get_vm_checkpoint(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        for kept in vm.checkpoints:
            if not call.has("Name") or call.get("Name").lower() == kept.name.lower():
                yield checkpoint_record(vm, kept)


def checkpoint_record(vm: Vm, kept: Checkpoint) -> Record:
    fields = {
        "VMId": vm.id,
        "VMName": vm.name,
        "Name": kept.name,
        "Id": kept.id,
        "SnapshotType": Enum(kept.kind, 0 if kept.kind == "Standard" else 5),
        "CreationTime": Stamp(kept.created_s),
    }
    return Record(fields, of=(vm, kept))


@cmdlet("Remove-VMCheckpoint", VMName="str", Name="str")
def remove_vm_checkpoint(call: Call) -> Iterator[Any]:
    """The checkpoint goes at once; its disks are merged into what they lie over afterwards."""
    for record in call.piped:
        vm, kept = record.of
        with call.host.world.under_way(vm, "MergingDisks", call.host.slow.get("merge", 0)):
            merge_one(vm, kept)
    yield from ()


def merge(vm: Vm) -> None:
    """All that the guest wrote goes into the disks that it had before its first checkpoint."""
    for kept in reversed(list(vm.checkpoints)):
        merge_one(vm, kept)


def merge_one(vm: Vm, kept: Checkpoint) -> None:
    """What was written over a checkpoint goes into what lies under it; what is above follows."""
    above = {under: leaf for one in vm.checkpoints for leaf, under in one.leaves.items()}
    vm.checkpoints.remove(kept)
    for leaf, under in kept.leaves.items():
        local, below = vm.host.local(leaf), vm.host.local(under)
        tool("qemu-img", "commit", "-q", "-f", "qcow2", str(local))
        if leaf in above:
            over = ("-u", "-f", "qcow2", "-b", str(below), "-F", kind_of(below))
            tool("qemu-img", "rebase", *over, str(vm.host.local(above[leaf])))
        for one in vm.checkpoints:
            one.leaves = {k: under if v == leaf else v for k, v in one.leaves.items()}
        for drive in vm.drives:
            drive.path = under if drive.path == leaf else drive.path
        local.unlink()


def _between(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise invalid(f"{number} is not between {low} and {high}.")
    return number
