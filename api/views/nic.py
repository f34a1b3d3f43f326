"""A network card as the wire shows it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, Roles, View, view
from projections.network import Network, networks
from projections.nic import NicIpRow
from projections.public_ip_address import public_ip_addresses
from projections.vpc import vpcs


@view
class DhcpOptionView(View, kw_only=True):
    """Something that DHCP tells a guest beside its address: by number, else by name."""

    extra_dhcp_option_code: Annotated[int | None, "its number"] = None
    extra_dhcp_option_name: Annotated[str | None, "its name"] = None
    extra_dhcp_value: Annotated[str, "what is told"]
    nic_id: Annotated[UUID, "the card"]

    @classmethod
    def of_card(cls, nic: Any) -> list[DhcpOptionView]:
        """Those of a card, as they were said."""
        return [
            cls(
                extra_dhcp_option_code=int(name) if name.isdecimal() else None,
                extra_dhcp_option_name=None if name.isdecimal() else name,
                extra_dhcp_value=value,
                nic_id=nic.id,
            )
            for name, value in (nic.dhcp_options or {}).items()
        ]


@view
class NicView(View, kw_only=True):
    """A network card of a virtual machine."""

    id: Annotated[UUID, "its id"]
    network_id: Annotated[UUID, "the network that it is on"]
    network_name: Annotated[str | None, "the name of that network"] = None
    netmask: Annotated[str | None, "the mask of its subnet"] = None
    gateway: Annotated[str | None, "the gateway of its subnet"] = None
    ip_address: Annotated[str | None, "its IPv4 address"] = None
    mac_address: Annotated[str, "its hardware address"]
    is_default: Annotated[bool, "whether the guest's default route goes through it"]
    traffic_type: Annotated[str, "always Guest"]
    type: Annotated[str | None, "Isolated, Shared or L2, as its network"] = None
    device_id: Annotated[str, "its place among the cards, from 0"]
    public_ip: Annotated[str | None, "the public address that is all its own"] = None
    public_ip_id: Annotated[UUID | None, "the id of that address"] = None
    vpc_id: Annotated[UUID | None, "the VPC of its network"] = None
    vpc_name: Annotated[str | None, "the name of that VPC"] = None
    ip6_gateway: Annotated[str | None, "the IPv6 gateway of its network"] = None
    ip6_cidr: Annotated[str | None, "the IPv6 subnet of its network"] = None
    isolation_uri: Annotated[str | None, "the VLAN that keeps it apart", Roles("Admin")] = None
    broadcast_uri: Annotated[str | None, "the VLAN that it is on", Roles("Admin")] = None
    virtual_machine_id: Annotated[UUID | None, "the virtual machine that it is in"] = None
    secondary_ip: Annotated[list[dict[str, str]], "its further addresses"]
    extra_dhcp_option: Annotated[list[DhcpOptionView], "DHCP options of its own"]

    @classmethod
    def of_vm(cls, vm: Any, cloud: Cloud) -> list[NicView]:
        """Every card of a virtual machine, in the order of its devices."""
        return [cls.of_card(vm, number, nic, cloud) for number, nic in enumerate(vm.nics)]

    @classmethod
    def of_card(cls, vm: Any, number: int, nic: Any, cloud: Cloud) -> NicView:
        """One card, which is the `number`th of its virtual machine."""
        network = cloud[networks].get(nic.network_id)
        made = cls(
            id=nic.id,
            network_id=nic.network_id,
            mac_address=nic.mac,
            is_default=nic.is_default,
            traffic_type="Guest",
            device_id=str(number),
            secondary_ip=[{"id": str(more.id), "ipaddress": more.ip4} for more in nic.more_ips],
            extra_dhcp_option=DhcpOptionView.of_card(nic),
        )
        made.virtual_machine_id = vm.id
        made.netmask, made.gateway = nic.netmask or None, nic.gateway or None
        made.ip_address = nic.ip4 or None
        _reached(made, cloud)
        if network is not None:
            _of_network(made, network, cloud)
        return made


def _reached(made: NicView, cloud: Cloud) -> None:
    """The public address that is the card's own by static NAT."""
    for one in cloud[public_ip_addresses].by("vm_id", made.virtual_machine_id):
        if one.is_static_nat and one.vm_network_id in (None, made.network_id):
            made.public_ip, made.public_ip_id = one.address, one.id
            return


def _of_network(made: NicView, network: Network, cloud: Cloud) -> None:
    vpc = cloud[vpcs].get(network.vpc_id)
    made.network_name, made.type = network.name, network.guest_ip_type
    if network.vlan is not None:
        made.broadcast_uri = made.isolation_uri = f"vlan://{network.vlan}"
    made.vpc_id, made.vpc_name = network.vpc_id, None if vpc is None else vpc.name
    made.ip6_gateway, made.ip6_cidr = network.ip6_gateway or None, network.ip6_cidr or None


@view
class NicIpView(View, kw_only=True):
    """A further address of a network card."""

    id: Annotated[UUID, "its id"]
    ip_address: Annotated[str, "the IPv4 address"]
    nic_id: Annotated[UUID, "the card that has it"]
    network_id: Annotated[UUID, "the network that it is on"]
    virtual_machine_id: Annotated[UUID, "the virtual machine of that card"]

    @classmethod
    def of(cls, row: NicIpRow, cloud: Cloud) -> NicIpView:
        return cls(
            id=row.id,
            ip_address=row.ip4,
            nic_id=row.nic_id,
            network_id=row.network_id,
            virtual_machine_id=row.vm_id,
        )
