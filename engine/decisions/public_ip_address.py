"""Public addresses: allocated, given back with all that lies on them, and lent to one guest."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import AlreadyExists, Invalid, NotAllowed
from aggregates.public_ip_address import PublicIpAddress
from aggregates.vm import Nic, Vm, VmState
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import claim
from engine.intents.public_ip_address import (
    AllocateAddress,
    AssociateReserved,
    DisableStaticNat,
    EnableStaticNat,
    ReleaseAddress,
)
from engine.intents.record import UpdateRecord
from engine.ip_rules import addresses_of, clear_address, clear_static_nat, rules_on
from engine.network_services import require
from engine.public_addresses import ALLOCATED, RESERVED, free_public, take_public
from projections.network import Network, networks
from projections.public_ip_address import public_ip_addresses
from projections.vm import vms
from projections.vpc import vpcs

# What an address can be used for; a network that has none of these needs none.
USES = ("SourceNat", "StaticNat", "PortForwarding", "Lb", "Firewall", "Vpn")


@decision
def allocate(ask: AllocateAddress, desk: Desk) -> None:
    serves = _served(desk, ask.network_id, ask.vpc_id)
    take_public(
        desk,
        ask.id,
        account_id=ask.account_id,
        domain_id=ask.domain_id,
        zone_id=ask.zone_id,
        wanted=ask.wanted,
        network_id=ask.network_id,
        vpc_id=ask.vpc_id,
        is_displayed=ask.is_displayed,
        state=ALLOCATED if serves else RESERVED,
    )


@decision
def associate(ask: AssociateReserved, desk: Desk) -> None:
    row = desk.row(public_ip_addresses, ask.id)
    if row.state != RESERVED:
        raise AlreadyExists(f"address {row.address} is {row.state}: release it first")
    _served(desk, ask.network_id, ask.vpc_id)
    fields = {"state": ALLOCATED, "network_id": ask.network_id, "vpc_id": ask.vpc_id}
    record.update(UpdateRecord(kind="public_ip_address", id=row.id, fields=fields), desk)


def _served(desk: Desk, network_id: UUID | None, vpc_id: UUID | None) -> bool:
    """Look at what the address is for; it must be able to use one."""
    if vpc_id is not None:
        desk.guard(desk.row(vpcs, vpc_id))
        return True
    if network_id is None:
        return False
    network = desk.row(networks, network_id)
    _usable(network)
    desk.guard(network)
    return True


def _usable(network: Network) -> None:
    if network.vpc_id is not None:
        raise NotAllowed(f"network {network.name} is a VPC tier: give vpcid instead")
    if network.guest_ip_type != "Isolated" or not any(one in network.services for one in USES):
        raise NotAllowed(
            f"network {network.name} ({network.guest_ip_type}) has no service that uses a public "
            "address: choose an Isolated network with source NAT, static NAT, port forwarding "
            "or load balancing"
        )


@decision
def release(ask: ReleaseAddress, desk: Desk) -> None:
    row = desk.row(public_ip_addresses, ask.id)
    if row.is_source_nat:
        raise NotAllowed(
            f"address {row.address} is the source NAT address of its network and goes with it: "
            "delete the network instead"
        )
    clear_address(desk, row)
    record.unneeded("public_ip_address", row, desk)
    free_public(desk, row)


@decision
def enable_static_nat(ask: EnableStaticNat, desk: Desk) -> None:
    row, vm = desk.row(public_ip_addresses, ask.address_id), desk.row(vms, ask.vm_id)
    if row.state != ALLOCATED:
        raise NotAllowed(f"address {row.address} is {row.state}: associate it with a network first")
    if row.is_source_nat:
        raise NotAllowed(
            f"address {row.address} is a source NAT address and cannot stand for one guest: "
            "associate another one"
        )
    network_id = network_for(row, vm, ask.network_id)
    network = desk.row(networks, network_id)
    require(network, "StaticNat", "static NAT")
    nic, ip = target(vm, network, ask.vm_ip)
    if (row.vm_id, row.vm_ip) == (vm.id, ip):
        return
    if row.vm_id is not None:
        raise NotAllowed(
            f"address {row.address} stands for another guest address already, of virtual machine "
            f"{row.vm_id}: disable its static NAT first"
        )
    for rule in rules_on(desk.cloud, row.id):
        if rule.KIND != "firewall_rule":
            raise NotAllowed(f"address {row.address} has a rule, {rule.id}: remove that first")
    for other in desk.cloud[public_ip_addresses].by("vm_id", vm.id):
        if other.vm_network_id == network.id and other.vm_ip == ip:
            raise AlreadyExists(
                f"address {other.address} stands for {ip} of virtual machine {vm.name} already: "
                "disable its static NAT first"
            )
    desk.guard(vm)
    fields = {"vm_id": vm.id, "vm_network_id": nic.network_id, "vm_ip": ip}
    record.update(UpdateRecord(kind="public_ip_address", id=row.id, fields=fields), desk)
    claim("static_nat", {"network": nic.network_id, "ip": ip}, row.id, desk)
    claim("rules_on_address", {"address": row.id}, row.id, desk)


@decision
def disable_static_nat(ask: DisableStaticNat, desk: Desk) -> None:
    row = desk.row(public_ip_addresses, ask.address_id)
    if not row.is_static_nat:
        raise NotAllowed(f"address {row.address} has no static NAT: there is nothing to disable")
    clear_static_nat(desk, row)


def network_for(row: PublicIpAddress, vm: Vm, asked: UUID | None) -> UUID:
    """The network of a guest that an address leads to: the address's own, or a tier of its VPC."""
    if row.network_id is not None:
        if asked not in (None, row.network_id):
            raise Invalid(
                f"address {row.address} serves network {row.network_id}, not {asked}",
                field="networkid",
            )
        return row.network_id
    if asked is not None:
        return asked
    cards = vm.nics
    if len(cards) != 1:
        raise Invalid(
            f"virtual machine {vm.name} is on {len(cards)} networks: say networkid",
            field="networkid",
        )
    return cards[0].network_id


def target(vm: Vm, network: Network, wanted: str) -> tuple[Nic, str]:
    """The card of a guest on a network, and which of its addresses is meant."""
    if vm.state in (VmState.DESTROYED, VmState.EXPUNGING):
        raise NotAllowed(f"virtual machine {vm.name} is {vm.state}: choose one that lives")
    nic = next((one for one in vm.nics if one.network_id == network.id), None)
    if nic is None:
        raise Invalid(
            f"virtual machine {vm.name} is not on network {network.name}: choose one that is",
            field="virtualmachineid",
        )
    if wanted and wanted not in addresses_of(nic):
        raise Invalid(
            f"{wanted} is no address of virtual machine {vm.name} on network {network.name}: "
            f"it has {', '.join(sorted(addresses_of(nic)))}",
            field="vmguestip",
        )
    return nic, wanted or nic.ip4
