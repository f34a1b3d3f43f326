"""A public address as clients see it, taken or free."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Date, Roles, date, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.firewall_rule import firewall_rules
from projections.ip_forwarding_rule import ip_forwarding_rules
from projections.load_balancer_rule import load_balancer_rules
from projections.network import networks
from projections.port_forwarding_rule import port_forwarding_rules
from projections.public_ip_address import PublicIpAddress
from projections.table import TableSpec
from projections.vlan_ip_range import VlanIpRange, vlan_ip_ranges
from projections.vm import vms
from projections.vpc import vpcs
from projections.zone import zones

noun("public_ip_address", "owned")

_RULES: tuple[TableSpec[Any], ...] = (
    firewall_rules,
    port_forwarding_rules,
    ip_forwarding_rules,
    load_balancer_rules,
)


@view
class PublicIpAddressView(OwnedView, kw_only=True):
    """A public address."""

    id: Annotated[UUID, "the address"]
    ip_address: Annotated[str, "as people write it"]
    allocated: Annotated[Date | None, "since when its owner has it"] = None
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    state: Annotated[str, "Allocated, Reserved or Free"]
    vlan_id: Annotated[UUID | None, "the range that it is of"] = None
    vlan_name: Annotated[str | None, "the VLAN of that range", Roles("Admin")] = None
    physical_network_id: Annotated[UUID | None, "the physical network"] = None
    for_virtual_network: Annotated[bool, "true for public addresses"]
    is_source_nat: Annotated[bool, "whether a network's guests go out by it"]
    is_static_nat: Annotated[bool, "whether it belongs to one guest"]
    is_system: Annotated[bool, "whether it serves the cloud itself"]
    for_system_vms: Annotated[bool, "whether system virtual machines alone take it"]
    is_portable: Annotated[bool, "whether it can move between zones"]
    has_rules: Annotated[bool, "whether rules lie on it"]
    associated_network_id: Annotated[UUID | None, "the guest network that it serves"] = None
    associated_network_name: Annotated[str | None, "its name"] = None
    network_name: Annotated[str | None, "the name of that network, again"] = None
    vpc_id: Annotated[UUID | None, "the VPC that it serves"] = None
    vpc_name: Annotated[str | None, "its name"] = None
    virtual_machine_id: Annotated[UUID | None, "the guest of its static NAT"] = None
    virtual_machine_name: Annotated[str | None, "the name of that guest"] = None
    virtual_machine_display_name: Annotated[str | None, "what its owner calls it"] = None
    virtual_machine_type: Annotated[str | None, "always User"] = None
    vm_ip_address: Annotated[str | None, "the guest's own address"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: PublicIpAddress, cloud: Cloud) -> PublicIpAddressView:
        of = cloud[vlan_ip_ranges].get(row.range_id)
        network, vm = cloud[networks].get(row.network_id or row.vm_network_id), None
        if row.vm_id is not None:
            vm = cloud[vms].get(row.vm_id)
        vpc = cloud[vpcs].get(row.vpc_id)
        return cls(
            id=row.id,
            ip_address=row.address,
            allocated=date(row.created_at_ms),
            zone_id=row.zone_id,
            zone_name=cloud[zones][row.zone_id].name,
            state=row.state,
            vlan_id=row.range_id,
            vlan_name=None if of is None else of.vlan,
            physical_network_id=None if of is None else of.physical_network_id,
            for_virtual_network=True,
            is_source_nat=row.is_source_nat,
            is_static_nat=row.is_static_nat,
            is_system=False,
            for_system_vms=False,
            is_portable=False,
            has_rules=any(any(cloud[one].by("ip_address_id", row.id)) for one in _RULES),
            associated_network_id=None if network is None else network.id,
            associated_network_name=None if network is None else network.name,
            network_name=None if network is None else network.name,
            vpc_id=row.vpc_id,
            vpc_name=None if vpc is None else vpc.name,
            virtual_machine_id=row.vm_id,
            virtual_machine_name=None if vm is None else vm.name,
            virtual_machine_display_name=None if vm is None else vm.display_name,
            virtual_machine_type=None if vm is None else "User",
            vm_ip_address=row.vm_ip or None,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            has_annotations=False,
            **owner(row, cloud),
        )

    @classmethod
    def of_free(cls, of: VlanIpRange, number: int, cloud: Cloud) -> PublicIpAddressView:
        """An address that nobody has; its id can be told apart from every row's."""
        return cls(
            id=free_id(of.id, number),
            ip_address=str(IPv4Address(number)),
            zone_id=of.zone_id,
            zone_name=cloud[zones][of.zone_id].name,
            state="Free",
            vlan_id=of.id,
            vlan_name=of.vlan,
            physical_network_id=of.physical_network_id,
            for_virtual_network=True,
            is_source_nat=False,
            is_static_nat=False,
            is_system=False,
            for_system_vms=False,
            is_portable=False,
            has_rules=False,
            tags=[],
            has_annotations=False,
        )


def free_id(range_id: UUID, number: int) -> UUID:
    """The id under which a free address is listed: its range and its number, folded together."""
    return UUID(int=range_id.int ^ number)


def free_number(range_id: UUID, address_id: UUID) -> int | None:
    """The number that `free_id` made this id of, if it is one of this range."""
    number = range_id.int ^ address_id.int
    return number if number < 1 << 32 else None
