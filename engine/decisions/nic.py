"""Decisions about network cards and their addresses that touch nothing in the world."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from aggregates.errors import NotAllowed, NotFound
from aggregates.vm import Nic, NicIp, Vm, VmNicsSet, VmState
from engine.addresses import free_ip, pod_of, take_ip, way_out
from engine.decide import Desk, decision
from engine.intents.nic import AddNicIp, ChangeNicIp, RemoveNicIp, SetDefaultNic, SetDhcpOptions
from engine.rules_to import refuse_ruled
from projections.network import networks
from projections.vm import vms


def _change(desk: Desk, vm: Vm, change: Callable[[Nic], Nic]) -> None:
    """Change cards in place; nothing is written if none is another one afterwards."""
    vm.unclaimed()
    nics = [change(nic) for nic in vm.nics]
    if nics != vm.nics:
        desk.change(vm, VmNicsSet(nics=nics))


@decision
def set_default(ask: SetDefaultNic, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    wanted = vm.nic(ask.nic_id)
    _change(desk, vm, lambda nic: replace(nic, is_default=nic.id == wanted.id))


@decision
def set_dhcp_options(ask: SetDhcpOptions, desk: Desk) -> None:
    told = ask.options
    _change(
        desk,
        desk.row(vms, ask.vm_id),
        lambda nic: replace(nic, dhcp_options=told.get(nic.network_id, nic.dhcp_options)),
    )


@decision
def add_ip(ask: AddNicIp, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    nic = vm.nic(ask.nic_id)
    network = desk.row(networks, nic.network_id)
    desk.guard(network)
    more = NicIp(
        id=ask.ip_id,
        ip4=take_ip(desk, ask.ip_id, nic.id, network, ask.ip4, pod_id=pod_of(desk.cloud, [nic])),
    )
    _change(
        desk,
        vm,
        lambda one: replace(one, more_ips=(*one.more_ips, more)) if one.id == nic.id else one,
    )


@decision
def remove_ip(ask: RemoveNicIp, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    nic = vm.nic(ask.nic_id)
    gone = next((more for more in nic.more_ips if more.id == ask.ip_id), None)
    if gone is None:
        raise NotFound(f"network card {nic.id} has no further address {ask.ip_id}")
    refuse_ruled(desk.cloud, vm, nic, gone.ip4)
    left = tuple(more for more in nic.more_ips if more.id != gone.id)
    _change(desk, vm, lambda one: replace(one, more_ips=left) if one.id == nic.id else one)
    free_ip(desk, gone.id)


@decision
def change_ip(ask: ChangeNicIp, desk: Desk) -> None:
    """The new promise comes under an id of its own, so that old and new never share one."""
    vm = desk.row(vms, ask.vm_id)
    nic = vm.nic(ask.nic_id)
    if vm.state is not VmState.STOPPED:
        raise NotAllowed(f"virtual machine {vm.name} is {vm.state}: stop it first")
    if ask.ip4 == nic.ip4:
        return
    refuse_ruled(desk.cloud, vm, nic, nic.ip4)
    network = desk.row(networks, nic.network_id)
    desk.guard(network)
    ip4 = take_ip(desk, ask.ip_id, nic.id, network, ask.ip4, pod_id=pod_of(desk.cloud, [nic]))
    gateway, netmask = way_out(desk.cloud, network, ip4)
    changed = replace(nic, ip4=ip4, ip_hold=ask.ip_id, gateway=gateway, netmask=netmask)
    _change(desk, vm, lambda one: changed if one.id == nic.id else one)
    free_ip(desk, nic.ip_hold or nic.id)
