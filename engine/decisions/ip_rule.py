"""Rules on public addresses and for egress: what may be made, beside what is there already.

Whoever makes a rule on an address claims the address's list of rules, so of two that are made at
one moment the later one sees the earlier.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.errors import AlreadyExists, Invalid, NotAllowed, RuleConflict
from aggregates.load_balancer_rule import Member
from aggregates.public_ip_address import PublicIpAddress
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.public_ip_address import network_for, target
from engine.decisions.record import claim
from engine.intents.ip_rule import (
    AssignMembers,
    CreateIpRule,
    RemoveIpRule,
    RemoveMembers,
    UpdateIpRule,
)
from engine.intents.record import CreateRecord, UpdateRecord
from engine.ip_rules import (
    refuse_conflict,
    refuse_egress_conflict,
    remove_rule,
    set_members,
)
from engine.network_services import conserves, require
from engine.public_addresses import ALLOCATED
from projections.firewall_rule import firewall_rules
from projections.network import Network, networks
from projections.public_ip_address import public_ip_addresses
from projections.table import TABLES
from projections.vm import vms

SERVICES = {
    "firewall_rule": ("Firewall", "a firewall rule"),
    "egress_firewall_rule": ("Firewall", "an egress rule"),
    "port_forwarding_rule": ("PortForwarding", "port forwarding"),
    "ip_forwarding_rule": ("StaticNat", "static NAT"),
    "load_balancer_rule": ("Lb", "load balancing"),
}


@decision
def create(ask: CreateIpRule, desk: Desk) -> None:
    if ask.kind == "egress_firewall_rule":
        _create_egress(ask, desk)
        return
    address = desk.row(public_ip_addresses, ask.fields["ip_address_id"])
    if address.state != ALLOCATED:
        raise NotAllowed(
            f"address {address.address} is {address.state}: associate it with a network first"
        )
    _fits_static_nat(ask.kind, address)
    network = _network(ask.fields, address, desk)
    service, what = SERVICES[ask.kind]
    require(network, service, what)
    fields = ask.fields | _settled(ask, address, network, desk)
    refuse_conflict(
        desk.cloud,
        ask.kind,
        fields,
        conserve=conserves(network, desk.cloud),
        is_source_nat=address.is_source_nat,
    )
    record.create(CreateRecord(kind=ask.kind, id=ask.id, fields=fields), desk)
    claim("rules_on_address", {"address": address.id}, ask.id, desk)
    if ask.opens is not None and "Firewall" in network.services and network.vpc_id is None:
        _open(ask, ask.opens, fields, desk)


def _create_egress(ask: CreateIpRule, desk: Desk) -> None:
    network = desk.row(networks, ask.fields["network_id"])
    require(network, *SERVICES[ask.kind])
    if network.vpc_id is not None:
        raise NotAllowed(f"network {network.name} is a VPC tier: use a network ACL instead")
    owner = {"account_id": network.account_id, "domain_id": network.domain_id}
    refuse_egress_conflict(desk.cloud, ask.fields)
    record.create(CreateRecord(kind=ask.kind, id=ask.id, fields=ask.fields | owner), desk)
    claim("egress_rules", {"network": network.id}, ask.id, desk)


def _fits_static_nat(kind: str, address: PublicIpAddress) -> None:
    """An address that stands for one guest is not shared out by ports."""
    if kind in ("port_forwarding_rule", "load_balancer_rule") and address.is_static_nat:
        raise RuleConflict(
            f"There is already static NAT on address {address.address}: disable it, or use "
            "another address"
        )
    if kind == "ip_forwarding_rule" and not address.is_static_nat:
        raise NotAllowed(f"address {address.address} has no static NAT: enable it first")


def _network(fields: dict[str, Any], address: PublicIpAddress, desk: Desk) -> Network:
    """The network that the rule leads into."""
    asked: UUID | None = fields.get("network_id")
    vm_id = fields.get("vm_id")
    if vm_id is not None:
        return _tier(address, network_for(address, desk.row(vms, vm_id), asked), desk)
    found = address.network_id or address.vm_network_id or asked
    if found is None:
        raise Invalid("networkid is needed: the address serves a whole VPC", field="networkid")
    if asked not in (None, found):
        raise Invalid(
            f"address {address.address} serves network {found}, not {asked}", field="networkid"
        )
    return _tier(address, found, desk)


def _tier(address: PublicIpAddress, network_id: UUID, desk: Desk) -> Network:
    network = desk.row(networks, network_id)
    if address.vpc_id is not None and network.vpc_id != address.vpc_id:
        raise Invalid(
            f"network {network.name} is no tier of the VPC of address {address.address}: "
            "choose one that is",
            field="networkid",
        )
    return network


def _settled(
    ask: CreateIpRule, address: PublicIpAddress, network: Network, desk: Desk
) -> dict[str, Any]:
    """What follows from the address and the guest. A rule is the address's owner's."""
    found: dict[str, Any] = {
        "network_id": network.id,
        "account_id": address.account_id,
        "domain_id": address.domain_id,
    }
    if ask.kind == "port_forwarding_rule":
        _, ip = target(desk.row(vms, ask.fields["vm_id"]), network, ask.fields.get("vm_ip") or "")
        found["vm_ip"] = ip
    if ask.kind == "ip_forwarding_rule":
        found["vm_id"] = address.vm_id
    if ask.kind == "load_balancer_rule":
        found["zone_id"] = address.zone_id
    return found


def _open(ask: CreateIpRule, opens: UUID, fields: dict[str, Any], desk: Desk) -> None:
    """Let the traffic of a new rule in, unless a firewall rule does so already."""
    protocol = "udp" if fields["protocol"] == "udp" else "tcp"
    wanted = (protocol, fields["start_port"], fields["end_port"])
    for row in desk.cloud[firewall_rules].by("ip_address_id", fields["ip_address_id"]):
        if (row.protocol, row.start_port, row.end_port) == wanted:
            return
    named = ("ip_address_id", "network_id", "account_id", "domain_id", "start_port", "end_port")
    made = {name: fields[name] for name in named} | {
        "protocol": protocol,
        "cidrs": ask.from_cidrs or fields.get("cidrs") or ["0.0.0.0/0"],
        "opened_for": ask.id,
    }
    record.create(CreateRecord(kind="firewall_rule", id=opens, fields=made), desk)


@decision
def update(ask: UpdateIpRule, desk: Desk) -> None:
    row: Any = desk.row(TABLES[ask.kind], ask.id)
    fields = dict(ask.fields)
    if ask.kind == "port_forwarding_rule" and ("vm_id" in fields or "vm_ip" in fields):
        vm = desk.row(vms, fields.get("vm_id", row.vm_id))
        wanted = fields.get("vm_ip") or (row.vm_ip if vm.id == row.vm_id else "")
        _, fields["vm_ip"] = target(vm, desk.row(networks, row.network_id), wanted)
    record.update(UpdateRecord(kind=ask.kind, id=ask.id, fields=fields), desk)


@decision
def remove(ask: RemoveIpRule, desk: Desk) -> None:
    row = desk.row(TABLES[ask.kind], ask.id)
    remove_rule(desk, row)


@decision
def assign(ask: AssignMembers, desk: Desk) -> None:
    row: Any = desk.row(TABLES[ask.kind], ask.id)
    network = desk.row(networks, row.network_id)
    members = list(row.members)
    for vm_id, wanted in ask.members:
        vm = desk.row(vms, vm_id)
        _, ip = target(vm, network, wanted)
        if any(one.vm_id == vm_id and one.ip == ip for one in members):
            raise AlreadyExists(
                f"virtual machine {vm.name} ({ip}) is already mapped to load balancer {row.name}: "
                "leave it out"
            )
        desk.guard(vm)
        members.append(Member(vm_id=vm_id, ip=ip))
    set_members(desk, row, members)


@decision
def remove_members(ask: RemoveMembers, desk: Desk) -> None:
    row: Any = desk.row(TABLES[ask.kind], ask.id)
    members = list(row.members)
    for vm_id, ip in ask.members:
        gone = [one for one in members if one.vm_id == vm_id and ip in ("", one.ip)]
        if not gone:
            raise Invalid(
                f"virtual machine {vm_id} {ip} takes no connections of load balancer {row.name}: "
                "leave it out",
                field="virtualmachineids",
            )
        members = [one for one in members if one not in gone]
    set_members(desk, row, members)
