"""Rules on public addresses: which stand in each other's way, and what goes when something goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.errors import RuleConflict
from aggregates.load_balancer_rule import Member
from aggregates.public_ip_address import PublicIpAddress
from aggregates.record import RECORDS
from aggregates.vm import Nic, Vm
from engine.public_addresses import At
from projections.cloud import Cloud
from projections.egress_firewall_rule import egress_firewall_rules
from projections.firewall_rule import firewall_rules
from projections.health_check_policy import health_check_policies
from projections.ip_forwarding_rule import ip_forwarding_rules
from projections.load_balancer import load_balancers
from projections.load_balancer_rule import load_balancer_rules
from projections.port_forwarding_rule import port_forwarding_rules
from projections.public_ip_address import public_ip_addresses
from projections.stickiness_policy import stickiness_policies
from projections.table import TableSpec

# Every noun of a rule that lies on a public address.
ON_ADDRESSES: tuple[TableSpec[Any], ...] = (
    firewall_rules,
    port_forwarding_rules,
    ip_forwarding_rules,
    load_balancer_rules,
)
LEADING_TO_GUESTS: tuple[TableSpec[Any], ...] = (port_forwarding_rules, ip_forwarding_rules)
POLICIES: tuple[TableSpec[Any], ...] = (stickiness_policies, health_check_policies)
BALANCERS: tuple[TableSpec[Any], ...] = (load_balancer_rules, load_balancers)
PURPOSES = {
    "firewall_rule": "Firewall",
    "port_forwarding_rule": "PortForwarding",
    "ip_forwarding_rule": "StaticNat",
    "load_balancer_rule": "LoadBalancing",
}
# On the wires of an address these all are TCP.
_TCP = frozenset({"tcp", "tcp-proxy", "ssl", "http", "https"})


def rules_on(cloud: Cloud, address_id: UUID) -> Iterator[Any]:
    """Every rule on an address."""
    for spec in ON_ADDRESSES:
        yield from cloud[spec].by("ip_address_id", address_id)


def refuse_conflict(
    cloud: Cloud, kind: str, fields: dict[str, Any], *, conserve: bool, is_source_nat: bool
) -> None:
    """Two rules of an address may not claim one port, nor two firewall rules say the same."""
    for row in rules_on(cloud, fields["ip_address_id"]):
        # A firewall rule stands beside the rule whose traffic it lets in.
        if kind != row.KIND and "firewall_rule" in (kind, row.KIND):
            continue
        if kind != row.KIND and not conserve:
            raise RuleConflict(
                f"There is already a {PURPOSES[row.KIND]} rule {row.id} on this address, and its "
                "network keeps an address for one purpose: use another address"
            )
        if _collide(row, fields):
            raise _conflict(row, fields)
    if is_source_nat and not conserve and kind != "firewall_rule":
        raise RuleConflict(
            "There is already source NAT on this address, and its network keeps an address for "
            "one purpose: use another address"
        )


def refuse_egress_conflict(cloud: Cloud, fields: dict[str, Any]) -> None:
    """No two egress rules of a network say the same of the same traffic."""
    for row in cloud[egress_firewall_rules].by("network_id", fields["network_id"]):
        if _collide(row, fields) and _share(row.dest_cidrs, fields["dest_cidrs"]):
            raise _conflict(row, fields)


def _collide(row: Any, fields: dict[str, Any]) -> bool:
    """Do both speak of one port of one protocol? Firewall rules also need a common source."""
    mine, theirs = fields["protocol"], row.protocol
    if mine != theirs and not (mine in _TCP and theirs in _TCP):
        return False
    if "firewall_rule" in row.KIND and not _share(row.cidrs, fields["cidrs"]):
        return False
    if mine == "icmp":
        return _any_or_same(row.icmp_type, fields.get("icmp_type")) and _any_or_same(
            row.icmp_code, fields.get("icmp_code")
        )
    first, last = fields.get("start_port") or 1, fields.get("end_port") or 65535
    return bool((row.start_port or 1) <= last and first <= (row.end_port or 65535))


def _any_or_same(one: int | None, other: int | None) -> bool:
    return one == other or None in (one, other) or -1 in (one, other)


def _share(mine: list[str], theirs: list[str]) -> bool:
    """Have two lists of sources one in common? No list is every source."""
    return (not mine and not theirs) or bool(set(mine) & set(theirs))


def _conflict(row: Any, fields: dict[str, Any]) -> RuleConflict:
    if fields["protocol"] == "icmp":
        return RuleConflict(f"The ICMP type and code specified, conflicts with rule {row.id}")
    mine = f"{fields.get('start_port') or 1}-{fields.get('end_port') or 65535}"
    theirs = f"{row.start_port or 1}-{row.end_port or 65535}"
    return RuleConflict(
        f"The range specified, {mine}, conflicts with rule {row.id} which has {theirs}"
    )


def remove_rule(at: At, row: Aggregate) -> None:
    """Remove a rule with what it brought along; already removed by this commit is fine."""
    if _removes(at, row.id):
        return
    if row.KIND == "load_balancer_rule":
        for policies in POLICIES:
            for policy in at.cloud[policies].by("load_balancer_rule_id", row.id):
                remove_rule(at, policy)
    if row.KIND in PURPOSES and row.KIND != "firewall_rule":
        for opened in at.cloud[firewall_rules].by("opened_for", row.id):
            remove_rule(at, opened)
    at.change(row, RECORDS[row.KIND].removed())


def clear_address(at: At, address: PublicIpAddress) -> None:
    """Remove every rule on an address."""
    for row in list(rules_on(at.cloud, address.id)):
        remove_rule(at, row)


def clear_static_nat(at: At, address: PublicIpAddress) -> None:
    """The address stands for no guest: what it let through goes, its firewall rules too."""
    clear_address(at, address)
    fields = {"vm_id": None, "vm_network_id": None, "vm_ip": ""}
    if (event := RECORDS["public_ip_address"].update(address, fields)) is not None:
        at.change(address, event)


def forget_guest(at: At, vm: Vm) -> None:
    """A guest that ends takes along each rule that leads to it, and leaves its balancers."""
    for rules in LEADING_TO_GUESTS:
        for row in list(at.cloud[rules].by("vm_id", vm.id)):
            remove_rule(at, row)
    for address in list(at.cloud[public_ip_addresses].by("vm_id", vm.id)):
        clear_static_nat(at, address)
    for balancer in list(balancers_of(at.cloud, vm)):
        set_members(at, balancer, [one for one in balancer.members if one.vm_id != vm.id])


def balancers_of(cloud: Cloud, vm: Vm) -> Iterator[Any]:
    """The load balancers, outside and inside, that a guest takes connections of."""
    for network_id in {nic.network_id for nic in vm.nics}:
        for spec in BALANCERS:
            for row in cloud[spec].by("network_id", network_id):
                if any(one.vm_id == vm.id for one in row.members):
                    yield row


def set_members(at: At, row: Any, members: list[Member]) -> None:
    """Let exactly these guests take the connections of a load balancer."""
    event = RECORDS[row.KIND].update(row, {"members": members})
    if event is not None:
        at.change(row, event)


def addresses_of(nic: Nic) -> set[str]:
    """Every address that a card has, the further ones included."""
    return {nic.ip4, *(one.ip4 for one in nic.more_ips)} - {""}


def _removes(at: At, row_id: UUID) -> bool:
    return at.draft is not None and at.draft.removes(row_id)
