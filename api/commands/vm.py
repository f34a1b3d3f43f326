"""What may be done with a virtual machine once it is there, and how they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from api.commands.vm_checks import check_host_name, check_user_data
from api.declare import Caller, Job, Length, Names, Roles, Success, command
from api.errors import Denied, InvalidValue
from api.lists import Filter, list_command
from api.views.vm import UserDataView, VmView
from engine.intents.vm import (
    DestroyVm,
    ExpungeVm,
    RebootVm,
    RecoverVm,
    StartVm,
    StopVm,
    UpdateVm,
)
from projections.host import hosts
from projections.service_offering import service_offerings
from projections.setting import is_on
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

    async def run(self, caller: Caller) -> Job:
        if not caller.is_root and (self.pod_id or self.cluster_id or self.host_id):
            raise Denied("podid, clusterid and hostid are for root administrators: leave them out")
        ask = StartVm(
            vm_id=self.id, pod_id=self.pod_id, cluster_id=self.cluster_id, host_id=self.host_id
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
            return await caller.submit(ExpungeVm(vm_id=self.id, volume_ids=disks))
        return await caller.submit(DestroyVm(vm_id=self.id, volume_ids=disks))


def require_expunger(caller: Caller, vm: Vm) -> None:
    """Expunging and recovering are for administrators, unless a setting lets users do it."""
    name = "allow.user.expunge.recover.vm"
    if caller.role_type == "User" and not is_on(caller.cloud, name, vm.account_id):
        raise Denied(
            f"expunging and recovering are for administrators while setting {name} is false: "
            "ask one, or destroy it without expunge"
        )


@command("expungeVirtualMachine", returns=Success, allow="ARDU", is_async=True, action="VM.EXPUNGE")
class ExpungeVirtualMachine:
    """Leave nothing of a virtual machine. Its data disks are detached and stay."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]

    async def run(self, caller: Caller) -> Job:
        require_expunger(caller, caller.cloud[vms][self.id])
        return await caller.submit(ExpungeVm(vm_id=self.id))


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
        require_expunger(caller, caller.cloud[vms][self.id])
        await caller.decide(RecoverVm(vm_id=self.id))
        return caller.cloud[vms][self.id]


@command(
    "updateVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    action="VM.UPDATE",
)
class UpdateVirtualMachine:
    """Change what the owner of a virtual machine may change. A new name counts after a restart."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    name: Annotated[str | None, "its new host name"] = None
    display_name: Annotated[str | None, "its new name for people"] = None
    group: Annotated[str | None, "the group to put it in; empty for none"] = None
    user_data: Annotated[str | None, "its new user data in base64", Length(1_048_576)] = None
    display_vm: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    details: Annotated[dict[str, str] | None, "its settings, instead of those it has"] = None
    cleanup_details: Annotated[bool | None, "take all settings away"] = None

    async def run(self, caller: Caller) -> Vm:
        vm = caller.cloud[vms][self.id]
        if self.name:
            check_host_name(caller, vm.account_id, self.name, but=vm.id)
        details = {} if self.cleanup_details else self.details
        await caller.decide(
            UpdateVm(
                vm_id=self.id,
                name=self.name or None,
                display_name=self.display_name,
                group=self.group,
                user_data=None if self.user_data is None else check_user_data(self.user_data),
                is_displayed=self.display_vm,
                details=details,
            )
        )
        return caller.cloud[vms][self.id]


@command(
    "getVirtualMachineUserData", returns=UserDataView, key="virtualmachineuserdata", allow="ARDU"
)
class GetVirtualMachineUserData:
    """Read the user data of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]

    async def run(self, caller: Caller) -> UserDataView:
        vm = caller.cloud[vms][self.virtual_machine_id]
        return UserDataView(virtual_machine_id=vm.id, user_data=vm.user_data)


@dataclass(frozen=True, kw_only=True)
class VmFilters:
    """What virtual machines are listed by."""

    state: Annotated[
        str | None, "in this state; Present for all but Destroyed and Expunging", Filter()
    ] = None
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    pod_id: Annotated[UUID | None, "in this pod", Names("pod", right="see"), Filter()] = None
    cluster_id: Annotated[
        UUID | None, "in this cluster", Names("cluster", right="see"), Filter()
    ] = None
    host_id: Annotated[UUID | None, "on this host", Names("host", right="see")] = None
    storage_id: Annotated[
        UUID | None, "with a disk on it", Names("storage_pool", right="see"), Filter()
    ] = None
    template_id: Annotated[UUID | None, "made from it", Names("template", right="see")] = None
    service_offering_id: Annotated[
        UUID | None, "sized by it", Names("service_offering", right="see")
    ] = None
    network_id: Annotated[
        UUID | None,
        "with a card on this network",
        Names("network", right="see"),
        Filter(test=lambda vm, wanted: any(nic.network_id == wanted for nic in vm.nics)),
    ] = None
    user_id: Annotated[UUID | None, "deployed by this user", Names("user", right="see")] = None
    hypervisor: Annotated[str | None, "run by this hypervisor"] = None
    key_pair: Annotated[
        str | None,
        "that let this key pair in",
        Filter(test=lambda vm, wanted: wanted in vm.key_pairs),
    ] = None
    ha_enable: Annotated[bool | None, "started again elsewhere, or not", Filter()] = None
    display_vm: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
    details: Annotated[tuple[str, ...] | None, "ignored: all details come", Filter()] = None
    user_data: Annotated[bool | None, "with their user data", Filter()] = None

    def matches(self, row: Any, caller: Caller) -> bool:
        return self._in_state(row, caller) and self._placed(row, caller)

    def visible(self, row: Any, caller: Caller) -> bool:
        return caller.is_root or row.is_displayed

    def show(self, row: Any, caller: Caller) -> VmView:
        made = VmView.of(row, caller.cloud)
        if self.user_data:
            made.user_data = row.user_data or None
        return made

    def _in_state(self, row: Any, caller: Caller) -> bool:
        """Who is no administrator sees a destroyed guest only when asking for it."""
        gone = row.state in ("Destroyed", "Expunging")
        if self.state is None:
            asked = getattr(self, "id", None) or getattr(self, "ids", None)
            seen = caller.role_type != "User" or is_on(
                caller.cloud, "allow.user.view.destroyed.vm", row.account_id
            )
            return not gone or bool(asked) or seen
        if self.state.lower() == "present":
            return not gone
        return str(row.state).lower() == self.state.lower()

    def _placed(self, row: Any, caller: Caller) -> bool:
        cloud = caller.cloud
        if self.pod_id is not None or self.cluster_id is not None:
            host = cloud[hosts].get(row.host_id or row.last_host_id)
            if host is None or self.pod_id not in (None, host.pod_id):
                return False
            if self.cluster_id not in (None, host.cluster_id):
                return False
        if self.storage_id is not None and all(
            disk.pool_id != self.storage_id for disk in cloud[volumes].by("vm_id", row.id)
        ):
            return False
        if self.ha_enable is None:
            return True
        offering = cloud[service_offerings].get(row.service_offering_id)
        return (offering is not None and offering.offer_ha) == self.ha_enable


NAMES = ("name", "display_name", "instance_name", "state")


@list_command("listVirtualMachines", view=VmView, table=vms, key="virtualmachine", keyword=NAMES)
class ListVirtualMachines(VmFilters):
    """List virtual machines."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None


@list_command(
    "listVirtualMachinesMetrics",
    view=VmView,
    table=vms,
    key="virtualmachine",
    keyword=NAMES,
    since="4.9.3",
)
class ListVirtualMachinesMetrics(VmFilters):
    """List virtual machines; measurements of a guest come with it once its host gives them."""
