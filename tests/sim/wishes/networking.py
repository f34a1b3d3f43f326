"""Networks, VPCs with their tiers, public addresses, and the rules on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from benchmarks.cloud import ISOLATED
from engine.genesis import stable_id
from engine.intents.ip_rule import AssignMembers, CreateIpRule, RemoveIpRule, RemoveMembers
from engine.intents.load_balancer import CreateLoadBalancer, RemoveLoadBalancer
from engine.intents.network import (
    CreateNetwork,
    PermitNetwork,
    RemoveNetwork,
    RestartNetwork,
    UpdateNetwork,
)
from engine.intents.public_ip_address import (
    AllocateAddress,
    AssociateReserved,
    DisableStaticNat,
    EnableStaticNat,
    ReleaseAddress,
)
from engine.intents.record import CreateRecord, RemoveRecord
from engine.intents.router import DestroyRouter
from engine.intents.vpc import CreateVpc, OwnNetworkAcl, ReplaceNetworkAcl, RestartVpc
from engine.intents.vpn import CloseRemoteAccess, OpenRemoteAccess
from projections.load_balancer import load_balancers
from projections.load_balancer_rule import load_balancer_rules
from projections.network import networks
from projections.network_acl import network_acls
from projections.private_gateway import private_gateways
from projections.public_ip_address import public_ip_addresses
from projections.router import routers
from projections.vm import vms
from projections.vpc import vpcs
from projections.vpn import remote_access_vpns, vpn_gateways
from tests.sim.place import ZONES
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

NETWORKS_MAX = 12
TIER = "DefaultIsolatedNetworkOfferingForVpcNetworks"
TIERS = [stable_id("network_offering", name) for name in (TIER, f"{TIER}WithInternalLB")]
VPC = stable_id("vpc_offering", "Default VPC offering")
FRONTS = ("198.51.100", "203.0.113")
RULES = (
    "firewall_rule", "port_forwarding_rule", "ip_forwarding_rule", "load_balancer_rule",
    "egress_firewall_rule",
)  # fmt: skip


def _zone(who: Tenants) -> UUID:
    """The larger one more often than not."""
    return ZONES[who.rarely(0.3)]


@wish(4, always=True)
def create_network(who: Tenants) -> object | None:
    if len(who.cloud[networks]) >= NETWORKS_MAX:
        return None
    name, vm = who.name("network"), who.one(vms)
    owner = who.owner()
    if vm is not None and who.rarely(0.5):
        owner = {"account_id": vm.account_id, "domain_id": vm.domain_id}
    return CreateNetwork(
        network_id=who.new_id(), zone_id=_zone(who), offering_id=ISOLATED, name=name,
        display_text=name, gateway="10.2.0.1", netmask="255.255.255.240", **owner,
    )  # fmt: skip


@wish(1)
def remove_network(who: Tenants) -> object | None:
    network = who.one(networks)
    return network and RemoveNetwork(network_id=network.id)


@wish(1)
def restart_network(who: Tenants) -> object | None:
    network = who.one(networks)
    return network and RestartNetwork(network_id=network.id, cleanup=who.rarely(0.5))


@wish(1)
def destroy_router(who: Tenants) -> object | None:
    router = who.one(routers)
    return router and DestroyRouter(id=router.id)


# ---- VPCs ------------------------------------------------------------------------------------


@wish(1)
def create_vpc(who: Tenants) -> object | None:
    name = who.name("vpc")
    fields = {"name": name, "display_text": name, "zone_id": _zone(who), "offering_id": VPC}
    fields |= {"cidr": "10.8.0.0/16", **who.owner()}
    parts = {"address_id": who.new_id(), "router_id": who.new_id()}
    return CreateVpc(id=who.new_id(), fields=fields, **parts)


@wish(2)
def create_tier(who: Tenants) -> object | None:
    vpc, name = who.one(vpcs), who.name("tier")
    third = who.pick(*range(8))
    return vpc and CreateNetwork(
        network_id=who.new_id(), zone_id=vpc.zone_id, offering_id=who.pick(*TIERS), name=name,
        display_text=name, account_id=vpc.account_id, domain_id=vpc.domain_id, vpc_id=vpc.id,
        gateway=f"10.8.{third}.1", netmask="255.255.255.0",
    )  # fmt: skip


@wish(1)
def restart_vpc(who: Tenants) -> object | None:
    vpc = who.one(vpcs)
    return vpc and RestartVpc(
        id=vpc.id, address_id=who.new_id(), router_id=who.new_id(), cleanup=who.rarely(0.5)
    )


@wish(1)
def remove_vpc(who: Tenants) -> object | None:
    vpc = who.one(vpcs)
    return vpc and RemoveRecord(kind="vpc", id=vpc.id)


@wish(1)
def create_private_gateway(who: Tenants) -> object | None:
    """Into a network of the cloud, where it has an address as a guest has."""
    vpc = who.one(vpcs)
    network = vpc and who.near(networks, vpc, lambda one: one.vpc_id is None)
    acl = vpc and who.one(network_acls, lambda one: one.vpc_id is None)
    if vpc is None or network is None or not network.cidr or acl is None:
        return None
    front = network.gateway.rpartition(".")[0]
    fields = {
        "account_id": vpc.account_id, "domain_id": vpc.domain_id, "vpc_id": vpc.id,
        "zone_id": vpc.zone_id, "gateway": network.gateway, "netmask": network.netmask,
        "ip_address": f"{front}.{who.pick(*range(2, 14))}", "network_acl_id": acl.id,
        "associated_network_id": network.id,
    }  # fmt: skip
    return CreateRecord(kind="private_gateway", id=who.new_id(), fields=fields)


@wish(1)
def remove_private_gateway(who: Tenants) -> object | None:
    gateway = who.one(private_gateways)
    return gateway and RemoveRecord(kind="private_gateway", id=gateway.id)


@wish(1)
def create_vpn_gateway(who: Tenants) -> object | None:
    vpc = who.one(vpcs)
    address = vpc and who.one(public_ip_addresses, lambda one: one.vpc_id == vpc.id)
    if vpc is None or address is None:
        return None
    fields = {
        "account_id": vpc.account_id, "domain_id": vpc.domain_id, "vpc_id": vpc.id,
        "public_ip_address_id": address.id,
    }  # fmt: skip
    return CreateRecord(kind="vpn_gateway", id=who.new_id(), fields=fields)


@wish(1)
def remove_vpn_gateway(who: Tenants) -> object | None:
    gateway = who.one(vpn_gateways)
    return gateway and RemoveRecord(kind="vpn_gateway", id=gateway.id)


# ---- addresses and rules ---------------------------------------------------------------------


@wish(5)
def allocate_address(who: Tenants) -> object | None:
    network = who.one(networks)
    if network is None or who.rarely(0.1):
        return AllocateAddress(id=who.new_id(), zone_id=_zone(who), **who.owner())
    place: dict[str, Any] = (
        {"vpc_id": network.vpc_id} if network.vpc_id else {"network_id": network.id}
    )
    owner = {"account_id": network.account_id, "domain_id": network.domain_id}
    return AllocateAddress(id=who.new_id(), zone_id=network.zone_id, **owner, **place)


@wish(2)
def release_address(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: not one.is_source_nat)
    return address and ReleaseAddress(id=address.id)


def _pair(who: Tenants, *, alone: bool = False) -> tuple[Any, Any, Any] | None:
    """An address, a guest that it can lead to, and the network between them.

    `alone`: nobody else goes out by the address.
    """
    address = who.one(
        public_ip_addresses,
        lambda one: one.state == "Allocated" and not (alone and one.is_source_nat),
    )
    if address is None:
        return None
    serves = [
        network.id
        for network in who.cloud[networks]
        if network.id == address.network_id or (address.vpc_id and network.vpc_id == address.vpc_id)
    ]
    vm = who.one(vms, lambda one: any(nic.network_id in serves for nic in one.nics))
    if vm is None or not vm.nics:
        return None
    return address, vm, next((n.network_id for n in vm.nics if n.network_id in serves), None)


@wish(4)
def forward_port(who: Tenants) -> object | None:
    found = _pair(who)
    if found is None:
        return None
    address, vm, network_id = found
    port = who.pick(22, 80, 443, 8080)
    fields = {
        "ip_address_id": address.id, "network_id": network_id, "vm_id": vm.id, "vm_ip": "",
        "protocol": "tcp", "start_port": port, "end_port": port, "private_start_port": port,
        "private_end_port": port, "cidrs": [],
    }  # fmt: skip
    opens = who.new_id() if who.rarely(0.5) else None
    return CreateIpRule(kind="port_forwarding_rule", id=who.new_id(), fields=fields, opens=opens)


@wish(3)
def enable_static_nat(who: Tenants) -> object | None:
    found = _pair(who, alone=True)
    return found and EnableStaticNat(address_id=found[0].id, vm_id=found[1].id, network_id=found[2])


@wish(1)
def disable_static_nat(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: one.is_static_nat)
    return address and DisableStaticNat(address_id=address.id)


@wish(1)
def forward_all(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: one.is_static_nat)
    fields = {"protocol": "tcp", "start_port": 1, "end_port": 99, "cidrs": []}
    return address and CreateIpRule(
        kind="ip_forwarding_rule", id=who.new_id(), fields=fields | {"ip_address_id": address.id},
        opens=who.new_id(),
    )  # fmt: skip


@wish(2)
def balance_load(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: one.network_id is not None)
    if address is None:
        return None
    port = who.pick(80, 443)
    fields = {
        "name": who.name("balancer"), "ip_address_id": address.id,
        "network_id": address.network_id, "algorithm": "roundrobin", "start_port": port,
        "end_port": port, "private_port": port, "protocol": "tcp", "cidrs": [],
    }  # fmt: skip
    opens = who.new_id() if who.rarely(0.5) else None
    return CreateIpRule(kind="load_balancer_rule", id=who.new_id(), fields=fields, opens=opens)


@wish(4)
def assign_members(who: Tenants) -> object | None:
    rule = who.one(load_balancers if who.rarely(0.3) else load_balancer_rules)
    vm = rule and who.one(vms, lambda one: any(n.network_id == rule.network_id for n in one.nics))
    return vm and AssignMembers(kind=rule.KIND, id=rule.id, members=[(vm.id, "")])


@wish(1)
def remove_members(who: Tenants) -> object | None:
    rule = who.one(load_balancer_rules, lambda one: bool(one.members))
    if rule is None or not rule.members:
        return None
    gone = [(rule.members[0].vm_id, "")]
    return RemoveMembers(kind="load_balancer_rule", id=rule.id, members=gone)


@wish(1)
def open_firewall(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: one.network_id is not None)
    fields = {"protocol": "udp", "start_port": 1, "end_port": who.pick(9, 99), "cidrs": []}
    return address and CreateIpRule(
        kind="firewall_rule", id=who.new_id(), fields=fields | {"ip_address_id": address.id}
    )


@wish(2)
def remove_rule(who: Tenants) -> object | None:
    every = [(kind, row.id) for kind in RULES for row in who.cloud.table(kind)]
    if not every:
        return None
    kind, row_id = who.pick(*every)
    return RemoveIpRule(kind=kind, id=row_id)


@wish(2)
def update_network(who: Tenants) -> object | None:
    """Another address to go out by, or fewer addresses for guests, or all again."""
    network = who.one(networks, lambda one: one.vpc_id is None)
    if network is None or who.rarely(0.3):
        part = who.pick("10.2.0.0/29", "10.2.0.0/28")
        return network and UpdateNetwork(network_id=network.id, guest_vm_cidr=part)
    others = [one.address for one in who.cloud[public_ip_addresses].by("network_id", network.id)]
    wanted = who.pick(*others, f"{who.pick(*FRONTS)}.{who.pick(*range(10, 41))}")
    return UpdateNetwork(network_id=network.id, source_nat_ip=wanted)


@wish(1)
def associate_reserved(who: Tenants) -> object | None:
    address = who.one(
        public_ip_addresses, lambda one: one.network_id is None and one.vpc_id is None
    )
    network = address and who.near(networks, address)
    if address is None or network is None:
        return None
    serves = {"vpc_id": network.vpc_id} if network.vpc_id else {"network_id": network.id}
    return AssociateReserved(id=address.id, **serves)


# ---- inside of VPCs --------------------------------------------------------------------------


@wish(1)
def own_network_acl(who: Tenants) -> object | None:
    tier = who.one(networks, lambda one: one.vpc_id is not None)
    name = who.name("list")
    return tier and OwnNetworkAcl(network_id=tier.id, network_acl_id=who.new_id(), name=name)


@wish(1)
def replace_network_acl(who: Tenants) -> object | None:
    tier, acl = who.one(networks, lambda one: one.vpc_id is not None), who.one(network_acls)
    return tier and acl and ReplaceNetworkAcl(network_id=tier.id, network_acl_id=acl.id)


@wish(1)
def remove_network_acl(who: Tenants) -> object | None:
    acl = who.one(network_acls, lambda one: one.vpc_id is not None)
    return acl and RemoveRecord(kind="network_acl", id=acl.id)


@wish(2)
def create_load_balancer(who: Tenants) -> object | None:
    tier = who.one(networks, lambda one: "InternalLbVm" in one.services.get("Lb", ()))
    there = tier and who.one(load_balancers, lambda one: one.network_id == tier.id)
    return tier and CreateLoadBalancer(
        id=who.new_id(), router_id=who.new_id(), network_id=tier.id, source_network_id=tier.id,
        name=who.name("inside"), description="", source_port=who.pick(80, 443),
        source_ip=there.source_ip if there and who.rarely(0.5) else "", instance_port=8080,
        algorithm="roundrobin",
    )  # fmt: skip


@wish(1)
def remove_load_balancer(who: Tenants) -> object | None:
    balancer = who.one(load_balancers)
    return balancer and RemoveLoadBalancer(id=balancer.id)


# ---- private networks that others dial into --------------------------------------------------


@wish(2)
def open_remote_access(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: one.is_source_nat)
    if address is None:
        return None
    fields = {
        "account_id": address.account_id, "domain_id": address.domain_id,
        "public_ip_address_id": address.id, "ip_range": "10.1.2.1-10.1.2.8",
        "psk_ref": str(who.new_id()),
    }  # fmt: skip
    return OpenRemoteAccess(id=who.new_id(), fields=fields, opens=who.rarely(0.7))


@wish(1)
def close_remote_access(who: Tenants) -> object | None:
    vpn = who.one(remote_access_vpns)
    return vpn and CloseRemoteAccess(id=vpn.id)


@wish(1)
def permit_network(who: Tenants) -> object | None:
    """Let somebody else use it, or let nobody but its owner."""
    network, other = who.one(networks), who.owner()["account_id"]
    if network is None or who.rarely(0.3):
        return network and PermitNetwork(network_id=network.id, take_all=True)
    return PermitNetwork(network_id=network.id, add=[other])
