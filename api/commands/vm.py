"""What may be done with a virtual machine once it is there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import check_boot, check_host_name, open_to_users, planner_of
from api.declare import Caller, Job, Later, Names, Success, command
from api.errors import Denied, InvalidValue
from api.views.vm import VmView
from engine.intents.vm import (
    DestroyVm,
    ExpungeVm,
    RebootVm,
    RecoverVm,
    StartVm,
    StopVm,
)
from projections.service_offering import service_offerings
from projections.vm import Vm, vms
from projections.volume import volumes


@command(
    "startVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="VM.START",
)
class StartVirtualMachine:
    """Start a stopped virtual machine, where it ran last if there is room."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    pod_id: Annotated[UUID | None, "where to run; root admins only", Names("pod")] = None
    cluster_id: Annotated[UUID | None, "where to run; root admins only", Names("cluster")] = None
    host_id: Annotated[UUID | None, "where to run; root admins only", Names("host")] = None
    consider_last_host: Annotated[
        bool | None, "false lets it start anywhere, as if it had never run"
    ] = None
    deployment_planner: Annotated[
        str | None, "how to choose among hosts with room; root admins only"
    ] = None
    boot_into_setup: Annotated[bool | None, "stop in the firmware's setup; VMware only"] = None

    async def run(self, caller: Caller) -> Job:
        if not caller.is_root and (self.pod_id or self.cluster_id or self.host_id):
            raise Denied("podid, clusterid and hostid are for root administrators: leave them out")
        vm = caller.cloud[vms][self.id]
        check_boot(vm.hypervisor, None, None, self.boot_into_setup)
        offering = caller.cloud[service_offerings].get(vm.service_offering_id)
        usual = offering.deployment_planner if offering is not None else ""
        ask = StartVm(
            vm_id=self.id,
            pod_id=self.pod_id,
            cluster_id=self.cluster_id,
            host_id=self.host_id,
            planner=planner_of(caller, self.deployment_planner) or usual,
            consider_last_host=self.consider_last_host is not False,
        )
        return await caller.submit(ask)


@command(
    "stopVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="VM.STOP",
)
class StopVirtualMachine:
    """Stop a running virtual machine: its guest is asked first, then its power is cut."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    forced: Annotated[bool | None, "cut the power at once"] = None

    async def run(self, caller: Caller) -> Job:
        name = "allow.user.force.stop.vm"
        if self.forced and not open_to_users(caller, name, caller.cloud[vms][self.id].account_id):
            raise Denied(f"forced is for administrators while setting {name} is false: leave it")
        return await caller.submit(StopVm(vm_id=self.id, forced=bool(self.forced)))


@command(
    "rebootVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="VM.REBOOT",
)
class RebootVirtualMachine:
    """Restart a running virtual machine where it is."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    forced: Annotated[bool | None, "reset it without asking its guest"] = None
    boot_into_setup: Annotated[
        bool | None, "not offered yet", Later("guests start from their disks")
    ] = None

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(RebootVm(vm_id=self.id, forced=bool(self.forced)))


@command(
    "destroyVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="VM.DESTROY",
)
class DestroyVirtualMachine:
    """Stop a virtual machine and let go of it; it can be recovered until it is expunged."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    expunge: Annotated[bool | None, "leave nothing of it at once"] = None
    volume_ids: Annotated[
        tuple[UUID, ...] | None,
        "data disks of it to be deleted with it",
        Names("volume", right="operate"),
    ] = None

    async def run(self, caller: Caller) -> Job:
        disks = list(dict.fromkeys(self.volume_ids or ()))
        for volume in (caller.cloud[volumes][one] for one in disks):
            if volume.vm_id != self.id or volume.kind == "ROOT":
                raise InvalidValue(
                    f"volume {volume.name} is no data disk of virtual machine {self.id}: "
                    "leave it out of volumeids"
                )
        if self.expunge:
            require_expunger(caller, caller.cloud[vms][self.id])
            caller.cloud[vms][self.id].unprotected()
            return await caller.submit(ExpungeVm(vm_id=self.id, volume_ids=disks))
        return await caller.submit(DestroyVm(vm_id=self.id, volume_ids=disks))


def require_expunger(caller: Caller, vm: Vm) -> None:
    """Expunging and recovering are for administrators, unless a setting lets users do it."""
    name = "allow.user.expunge.recover.vm"
    if not open_to_users(caller, name, vm.account_id):
        raise Denied(
            f"expunging and recovering are for administrators while setting {name} is false: "
            "ask one, or destroy it without expunge"
        )


@command("expungeVirtualMachine", returns=Success, allow="ARDU", is_async=True, action="VM.EXPUNGE")
class ExpungeVirtualMachine:
    """Leave nothing of a destroyed virtual machine. Data disks that it still has stay."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]

    async def run(self, caller: Caller) -> Job:
        require_expunger(caller, caller.cloud[vms][self.id])
        caller.cloud[vms][self.id].unprotected()
        return await caller.submit(ExpungeVm(vm_id=self.id, let_go=True))


@command(
    "recoverVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    action="VM.RECOVER",
)
class RecoverVirtualMachine:
    """Take back the destroying of a virtual machine; it is Stopped afterwards."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]

    async def run(self, caller: Caller) -> Vm:
        vm = caller.cloud[vms][self.id]
        require_expunger(caller, vm)
        check_host_name(caller, vm.account_id, vm.name, but=vm.id)
        await caller.decide(RecoverVm(vm_id=self.id))
        return caller.cloud[vms][self.id]
