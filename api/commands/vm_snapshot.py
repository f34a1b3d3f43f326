"""Snapshots of whole virtual machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain, count
from typing import Annotated
from uuid import UUID

from api.commands import state_words
from api.commands.vm_checks import refuse_later
from api.declare import Caller, Job, Length, Names, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.vm import VmView
from api.views.vm_snapshot import VmSnapshotView
from engine.intents.vm_snapshot import CreateVmSnapshot, DeleteVmSnapshot, RevertToVmSnapshot
from projections.vm import Vm, vms
from projections.vm_snapshot import VmSnapshot, vm_snapshots


def _name_for(vm: Vm, kept: Sequence[VmSnapshot], now_ms: int) -> str:
    """A name that tells the second, and a number beside it for one more within that second."""
    when = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d%H%M%S")
    taken = {name for one in kept for name in (one.name, one.display_name)}
    first = f"{vm.instance_name}_VS_{when}"
    numbered = (f"{first}_{number}" for number in count(2))
    return next(name for name in chain((first,), numbered) if name not in taken)


@command(
    "createVMSnapshot",
    returns=VmSnapshotView,
    key="vmsnapshot",
    allow="ARDU",
    is_async=True,
    creates=True,
    since="4.2.0",
    action="VMSNAPSHOT.CREATE",
)
class CreateVMSnapshot:
    """Keep a virtual machine as it is now, so that it can be that again."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    name: Annotated[str | None, "its name for people; one that tells the time if omitted"] = None
    description: Annotated[str | None, "what to say of it", Length(255)] = None
    snapshot_memory: Annotated[bool | None, "keep the memory of one that runs, too"] = None
    quiesce_vm: Annotated[bool | None, "not offered yet"] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("quiesce_vm",))
        vm = caller.cloud[vms][self.virtual_machine_id]
        kept = list(caller.cloud[vm_snapshots].by("vm_id", vm.id))
        if any(one.display_name == self.name for one in kept):
            raise InvalidValue(
                f"virtual machine {vm.name} has a VM snapshot {self.name} already: "
                "choose another name"
            )
        name = _name_for(vm, kept, caller.now_ms)
        ask = CreateVmSnapshot(
            snapshot_id=caller.new_id(),
            vm_id=vm.id,
            name=name,
            display_name=self.name or name,
            description=self.description or "",
            with_memory=bool(self.snapshot_memory),
        )
        return await caller.submit(ask)


@command(
    "deleteVMSnapshot",
    returns=Success,
    allow="ARDU",
    is_async=True,
    since="4.2.0",
    action="VMSNAPSHOT.DELETE",
)
class DeleteVMSnapshot:
    """Keep a snapshot of a virtual machine no longer; the virtual machine stays as it is."""

    vm_snapshot_id: Annotated[UUID, "the snapshot", Names("vm_snapshot", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DeleteVmSnapshot(snapshot_id=self.vm_snapshot_id))


@command(
    "revertToVMSnapshot",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    since="4.2.0",
    action="VMSNAPSHOT.REVERTTO",
)
class RevertToVMSnapshot:
    """Let a virtual machine be what a snapshot kept. What it has done since is lost."""

    vm_snapshot_id: Annotated[UUID, "the snapshot", Names("vm_snapshot", right="operate")]

    async def run(self, caller: Caller) -> Job:
        kept = caller.cloud[vm_snapshots][self.vm_snapshot_id]
        return await caller.submit(RevertToVmSnapshot(vm_id=kept.vm_id, snapshot_id=kept.id))


@list_command(
    "listVMSnapshot",
    view=VmSnapshotView,
    table=vm_snapshots,
    key="vmSnapshot",
    keyword=("name", "display_name"),
    since="4.2.0",
)
class ListVMSnapshot:
    """List snapshots of virtual machines."""

    vm_snapshot_id: Annotated[
        UUID | None, "the one with this id", Names("vm_snapshot", right="see"), Filter("id")
    ] = None
    vm_snapshot_ids: Annotated[
        tuple[UUID, ...] | None, "several by id", Names("vm_snapshot", right="see"), Filter("id")
    ] = None
    virtual_machine_id: Annotated[
        UUID | None, "of this virtual machine", Names("vm", right="see"), Filter("vm_id")
    ] = None
    state: Annotated[str | None, "in this state", state_words.VM_SNAPSHOT] = None
    name: Annotated[str | None, "that people call this", Filter("display_name")] = None
