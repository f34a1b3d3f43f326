"""A fresh root disk for a virtual machine, or another owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import GIB, refuse_later, usable_template
from api.commands.vm_networks import IpToNetwork, settle_nics
from api.declare import Bound, Caller, Job, Names, Wire, command
from api.errors import Denied, InvalidValue
from api.scope import owner_for
from api.views.vm import VmView
from engine.intents.vm_life import AssignVm, RestoreVm
from projections.template import Template, templates
from projections.vm import Vm, vms
from projections.volume import Volume, volumes
from projections.zone import zones

GIB_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Cards:
    """The networks that were named for a guest, as `settle_nics` reads them."""

    zone_id: UUID
    network_ids: tuple[UUID, ...] | None
    ip_to_network_list: tuple[IpToNetwork, ...] | None = None
    ip_address: str | None = None
    mac_address: str | None = None
    dhcp_options_network_list: tuple[dict[str, str], ...] | None = None


@command(
    "restoreVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    envelope="restorevmresponse",
    since="3.0.0",
    action="VM.RESTORE",
)
class RestoreVirtualMachine:
    """Give a virtual machine a fresh root disk. What was on the old one is gone for good.

    One that runs is stopped and started again; its data disks, cards and addresses stay.
    """

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    template_id: Annotated[
        UUID | None, "what to make it from; its own template if omitted", Names("template")
    ] = None
    root_disk_size: Annotated[
        int | None, "GiB of the fresh disk; as large as the old one if omitted",
        Bound(1, GIB_MAX), Wire(type="long"),
    ] = None  # fmt: skip
    disk_offering_id: Annotated[
        UUID | None, "not offered: the root disk keeps its offering", Names("disk_offering")
    ] = None
    details: Annotated[dict[str, str] | None, "not offered: it keeps its details"] = None
    expunge: Annotated[bool | None, "ignored: the old disk is never kept"] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("disk_offering_id", "details"))
        vm = caller.cloud[vms][self.virtual_machine_id]
        source = self.template_id or vm.template_id
        if source is None or source not in caller.cloud[templates]:
            raise InvalidValue(
                f"virtual machine {vm.name} has no template any more to make a disk from: "
                "say templateid"
            )
        template = usable_template(caller, source, caller.cloud[zones][vm.zone_id])
        if template.hypervisor.lower() != vm.hypervisor.lower():
            raise InvalidValue(
                f"template {template.name} is for {template.hypervisor}, and virtual machine "
                f"{vm.name} runs on {vm.hypervisor}: choose another"
            )
        ask = RestoreVm(
            vm_id=vm.id,
            volume_id=caller.new_disk_id(),
            template_id=template.id,
            size_bytes=self._size_bytes(caller, vm, template),
        )
        return await caller.submit(ask)

    def _size_bytes(self, caller: Caller, vm: Vm, template: Template) -> int:
        if self.root_disk_size is not None:
            asked = self.root_disk_size * GIB
            if asked < template.size_bytes:
                raise InvalidValue(
                    f"template {template.name} needs a root disk of at least "
                    f"{-(-template.size_bytes // GIB)} GiB: raise rootdisksize"
                )
            return asked
        old = next((one for one in _disks(caller, vm) if one.kind == "ROOT"), None)
        return max(template.size_bytes, 0 if old is None else old.size_bytes)


def _disks(caller: Caller, vm: Vm) -> list[Volume]:
    return list(caller.cloud[volumes].by("vm_id", vm.id))


@command(
    "assignVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARD",
    since="3.0.0",
    action="VM.MOVE",
)
class AssignVirtualMachine:
    """Give a stopped virtual machine, with its volumes, to another account or project.

    It gets new network cards, on networks that are open to its new owner.
    """

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    account: Annotated[str | None, "the account to have it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project to have it", Names("project")] = None
    network_ids: Annotated[
        tuple[UUID, ...] | None, "networks to be on, the default one first", Names("network")
    ] = None
    security_group_ids: Annotated[
        tuple[UUID, ...] | None, "not offered: add it to groups later", Names("security_group")
    ] = None

    async def run(self, caller: Caller) -> Vm:
        refuse_later(self, ("security_group_ids",))
        if self.account is None and self.project_id is None:
            raise InvalidValue("say account with its domainid, or projectid")
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        vm = caller.cloud[vms][self.virtual_machine_id]
        self._check_template(caller, vm, account_id, domain_id)
        asked = Cards(vm.zone_id, self.network_ids)
        nics = await settle_nics(asked, caller, account_id, domain_id)
        ask = AssignVm(vm_id=vm.id, account_id=account_id, domain_id=domain_id, nics=nics)
        await caller.decide(ask)
        return caller.cloud[vms][vm.id]

    def _check_template(self, caller: Caller, vm: Vm, account_id: UUID, domain_id: UUID) -> None:
        """The new owner may restore it later, so its template must be open to that owner."""
        template = caller.cloud.table("template").get(vm.template_id)
        if template is None or template.is_public or template.account_id == account_id:
            return
        if account_id not in template.shared_with:
            raise Denied(
                f"template {template.name} of virtual machine {vm.name} is not open to its new "
                "owner: share it first (updateTemplatePermissions)"
            )
