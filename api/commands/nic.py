"""The network cards of a virtual machine, and their addresses."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.commands.vm_dhcp import options_of
from api.commands.vm_networks import check_network, mac_of
from api.declare import Bound, Caller, Job, Names, Page, Roles, Success, command
from api.errors import InvalidValue
from api.lists import cut
from api.views.nic import NicIpView, NicView
from api.views.vm import VmView
from engine.intents.job import AsJob
from engine.intents.nic import AddNic, AddNicIp, ChangeNicIp, RemoveNic, RemoveNicIp, SetDefaultNic
from engine.intents.vm import NicAsk
from projections.network import networks
from projections.nic import NicIps, NicRow, Nics
from projections.vm import Vm, vms

noun("nic", "owned")
noun("nic_ip", "owned")


def _card(caller: Caller, vm_id: UUID, nic_id: UUID) -> NicRow:
    """A card of this very guest."""
    card = caller.cloud.view(Nics)[nic_id]
    if card.vm_id != vm_id:
        raise InvalidValue(f"network card {nic_id} is not in virtual machine {vm_id}: see listNics")
    return card


def _check_ip(caller: Caller, vm: Vm, network_id: UUID, ip: str) -> None:
    network = caller.cloud[networks][network_id]
    check_network(network, ip, vm.zone_id, caller.cloud, vm.account_id, vm.domain_id)


@command(
    "addNicToVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="NIC.CREATE",
)
class AddNicToVirtualMachine:
    """Give a virtual machine a card on another network, while it runs or not."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    network_id: Annotated[UUID, "the network", Names("network")]
    ip_address: Annotated[str | None, "the address wanted; the lowest free one if omitted"] = None
    mac_address: Annotated[str | None, "the MAC wanted; the lowest free one if omitted"] = None
    dhcp_options: Annotated[dict[str, str] | None, "options that DHCP tells it there"] = None

    async def run(self, caller: Caller) -> Job:
        vm = caller.cloud[vms][self.virtual_machine_id]
        _check_ip(caller, vm, self.network_id, self.ip_address or "")
        nic = NicAsk(
            nic_id=caller.new_id(),
            network_id=self.network_id,
            ip4=self.ip_address or "",
            mac=mac_of(self.mac_address),
            dhcp_options=options_of(self.dhcp_options or {}, "dhcpoptions") or None,
        )
        return await caller.submit(AddNic(vm_id=vm.id, nic=nic))


@command(
    "removeNicFromVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="NIC.DELETE",
)
class RemoveNicFromVirtualMachine:
    """Take a card that is not the default one out of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    nic_id: Annotated[UUID, "the card", Names("nic", right="operate")]

    async def run(self, caller: Caller) -> Job:
        card = _card(caller, self.virtual_machine_id, self.nic_id)
        return await caller.submit(RemoveNic(vm_id=card.vm_id, nic_id=card.id))


@command(
    "updateDefaultNicForVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="NIC.UPDATE",
)
class UpdateDefaultNicForVirtualMachine:
    """Let the default route of a virtual machine go through another of its cards.

    A guest that runs learns of it when it next asks for its address.
    """

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    nic_id: Annotated[UUID, "the card", Names("nic", right="operate")]

    async def run(self, caller: Caller) -> Job:
        card = _card(caller, self.virtual_machine_id, self.nic_id)
        ask = SetDefaultNic(vm_id=card.vm_id, nic_id=card.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="vm", subject_id=card.vm_id))


@command(
    "updateVmNicIp",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="NIC.UPDATE",
)
class UpdateVmNicIp:
    """Give a card of a stopped virtual machine another address."""

    nic_id: Annotated[UUID, "the card", Names("nic", right="operate")]
    ip_address: Annotated[str | None, "the address wanted; the lowest free one if omitted"] = None

    async def run(self, caller: Caller) -> Job:
        card = caller.cloud.view(Nics)[self.nic_id]
        ip = self.ip_address or ""
        _check_ip(caller, caller.cloud[vms][card.vm_id], card.network_id, ip)
        ask = ChangeNicIp(vm_id=card.vm_id, nic_id=card.id, ip_id=caller.new_id(), ip4=ip)
        return await caller.submit(AsJob(ask=ask, subject_kind="vm", subject_id=card.vm_id))


@command(
    "addIpToNic",
    returns=NicIpView,
    key="nicsecondaryip",
    allow="ARDU",
    is_async=True,
    creates=True,
    envelope="addiptovmnicresponse",
    action="NIC.SECONDARY.IP.CONFIGURE",
)
class AddIpToNic:
    """Give a card a further address, which the guest itself must put to use."""

    nic_id: Annotated[UUID, "the card", Names("nic", right="operate")]
    ip_address: Annotated[str | None, "the address wanted; the lowest free one if omitted"] = None

    async def run(self, caller: Caller) -> Job:
        card, ip = caller.cloud.view(Nics)[self.nic_id], self.ip_address or ""
        _check_ip(caller, caller.cloud[vms][card.vm_id], card.network_id, ip)
        ip_id = caller.new_id()
        ask = AddNicIp(vm_id=card.vm_id, nic_id=card.id, ip_id=ip_id, ip4=ip)
        return await caller.submit(AsJob(ask=ask, subject_kind="nic_ip", subject_id=ip_id))


@command(
    "removeIpFromNic",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NIC.SECONDARY.IP.UNCONFIGURE",
)
class RemoveIpFromNic:
    """Take a further address from a card, unless a network rule leads to it."""

    id: Annotated[UUID, "the further address", Names("nic_ip", right="operate")]

    async def run(self, caller: Caller) -> Job:
        held = caller.cloud.view(NicIps)[self.id]
        ask = RemoveNicIp(vm_id=held.vm_id, nic_id=held.nic_id, ip_id=held.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="vm", subject_id=held.vm_id))


@command("listNics", returns=NicView, key="nic", shape="list", allow="ARDU", since="4.1")
class ListNics:
    """List the network cards of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    nic_id: Annotated[UUID | None, "the one card with this id", Names("nic", right="see")] = None
    network_id: Annotated[UUID | None, "on this network", Names("network", right="see")] = None
    keyword: Annotated[str | None, "text that its address contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None
    for_display: Annotated[
        bool | None, "shown to their owners; all are", Roles("Admin"), Roles("Admin")
    ] = None

    async def run(self, caller: Caller) -> Page:
        vm = caller.cloud[vms][self.virtual_machine_id]
        found = [
            made
            for made in NicView.of_vm(vm, caller.cloud)
            if self.for_display is not False
            and self.nic_id in (None, made.id)
            and self.network_id in (None, made.network_id)
            and (self.keyword or "") in (made.ip_address or "")
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))
