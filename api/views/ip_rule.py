"""Rules on public addresses as the wire shows them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Roles, View, view
from api.views.tag import TagView, tags_of
from projections.egress_firewall_rule import EgressFirewallRule
from projections.firewall_rule import FirewallRule
from projections.ip_forwarding_rule import IpForwardingRule
from projections.port_forwarding_rule import PortForwardingRule
from projections.public_ip_address import public_ip_addresses
from projections.vm import vms

for _kind in (
    "firewall_rule",
    "egress_firewall_rule",
    "port_forwarding_rule",
    "ip_forwarding_rule",
):
    noun(_kind, "owned")


def address_of(row: Any, cloud: Cloud) -> dict[str, Any]:
    """The address that a rule lies on."""
    found = cloud[public_ip_addresses].get(row.ip_address_id)
    return {
        "ip_address_id": row.ip_address_id,
        "ip_address": None if found is None else found.address,
    }


def guest_of(row: Any, cloud: Cloud) -> dict[str, Any]:
    """The guest that a rule leads to."""
    vm = cloud[vms].get(row.vm_id)
    return {
        "virtual_machine_id": row.vm_id,
        "virtual_machine_name": None if vm is None else vm.name,
        "virtual_machine_display_name": None if vm is None else vm.display_name,
    }


def comma(words: list[str]) -> str:
    return ",".join(words)


@view
class PortForwardingRuleView(View, kw_only=True):
    """Ports of a public address that lead to a guest. Ports are text, as clients expect."""

    id: Annotated[UUID, "the rule"]
    protocol: Annotated[str, "tcp or udp"]
    public_port: Annotated[str, "the first public port"]
    public_end_port: Annotated[str, "the last public port"]
    private_port: Annotated[str, "the first port of the guest"]
    private_end_port: Annotated[str, "the last port of the guest"]
    ip_address_id: Annotated[UUID, "the public address"]
    ip_address: Annotated[str | None, "as people write it"] = None
    virtual_machine_id: Annotated[UUID, "the guest"]
    virtual_machine_name: Annotated[str | None, "its name"] = None
    virtual_machine_display_name: Annotated[str | None, "what its owner calls it"] = None
    vm_guest_ip: Annotated[str, "the guest's own address"]
    network_id: Annotated[UUID, "the network of that address"]
    cidr_list: Annotated[str | None, "who may come, with commas; everybody if absent"] = None
    state: Annotated[str, "Active"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: PortForwardingRule, cloud: Cloud) -> PortForwardingRuleView:
        return cls(
            id=row.id,
            protocol=row.protocol,
            public_port=str(row.start_port),
            public_end_port=str(row.end_port),
            private_port=str(row.private_start_port),
            private_end_port=str(row.private_end_port),
            vm_guest_ip=row.vm_ip,
            network_id=row.network_id,
            cidr_list=comma(row.cidrs) or None,
            state=row.state,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            **address_of(row, cloud),
            **guest_of(row, cloud),
        )


@view
class IpForwardingRuleView(View, kw_only=True):
    """Ports that an address with static NAT lets through to its guest."""

    id: Annotated[UUID, "the rule"]
    protocol: Annotated[str, "tcp, udp or all"]
    start_port: Annotated[int, "the first port"]
    end_port: Annotated[int, "the last port"]
    ip_address: Annotated[str | None, "the public address"] = None
    virtual_machine_id: Annotated[UUID, "the guest"]
    virtual_machine_name: Annotated[str | None, "its name"] = None
    virtual_machine_display_name: Annotated[str | None, "what its owner calls it"] = None
    state: Annotated[str, "Active"]

    @classmethod
    def of(cls, row: IpForwardingRule, cloud: Cloud) -> IpForwardingRuleView:
        return cls(
            id=row.id,
            protocol=row.protocol,
            start_port=row.start_port,
            end_port=row.end_port,
            ip_address=address_of(row, cloud)["ip_address"],
            state=row.state,
            **guest_of(row, cloud),
        )


@view
class FirewallRuleView(View, kw_only=True):
    """What an address lets in, or what a network lets out."""

    id: Annotated[UUID, "the rule"]
    protocol: Annotated[str, "tcp, udp, icmp or all"]
    start_port: Annotated[int | None, "the first port; all without"] = None
    end_port: Annotated[int | None, "the last port"] = None
    icmp_type: Annotated[int | None, "the ICMP type; -1 is any"] = None
    icmp_code: Annotated[int | None, "the ICMP code; -1 is any"] = None
    ip_address_id: Annotated[UUID | None, "the public address"] = None
    ip_address: Annotated[str | None, "as people write it"] = None
    network_id: Annotated[UUID, "the network behind it"]
    cidr_list: Annotated[str, "where traffic comes from, with commas"]
    dest_cidr_list: Annotated[str | None, "where traffic goes, with commas"] = None
    traffic_type: Annotated[str, "Ingress or Egress"]
    state: Annotated[str, "Active"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: FirewallRule | EgressFirewallRule, cloud: Cloud) -> FirewallRuleView:
        inward = isinstance(row, FirewallRule)
        return cls(
            id=row.id,
            protocol=row.protocol,
            start_port=row.start_port,
            end_port=row.end_port,
            icmp_type=row.icmp_type,
            icmp_code=row.icmp_code,
            network_id=row.network_id,
            cidr_list=comma(row.cidrs),
            dest_cidr_list=None if isinstance(row, FirewallRule) else comma(row.dest_cidrs),
            traffic_type="Ingress" if inward else "Egress",
            state=row.state,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            **(address_of(row, cloud) if isinstance(row, FirewallRule) else {}),
        )
