"""A network card as the wire shows it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, Roles, View, view
from projections.network import networks
from projections.nic import NicIpRow


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
    broadcast_uri: Annotated[str | None, "the VLAN that it is on", Roles("Admin")] = None
    virtual_machine_id: Annotated[UUID | None, "the virtual machine that it is in"] = None
    secondary_ip: Annotated[list[dict[str, str]], "its further addresses"]
    extra_dhcp_option: Annotated[list[dict[str, str]], "DHCP options of its own"]

    @classmethod
    def of_vm(cls, vm: Any, cloud: Cloud) -> list[NicView]:
        """Every card of a virtual machine, in the order of its devices."""
        return [cls.of_card(vm, number, nic, cloud) for number, nic in enumerate(vm.nics)]

    @classmethod
    def of_card(cls, vm: Any, number: int, nic: Any, cloud: Cloud) -> NicView:
        """One card, which is the `number`th of its virtual machine."""
        network = cloud[networks].get(nic.network_id)
        vlan = None if network is None else network.vlan
        return cls(
            id=nic.id,
            network_id=nic.network_id,
            network_name=None if network is None else network.name,
            netmask=nic.netmask or None,
            gateway=nic.gateway or None,
            ip_address=nic.ip4 or None,
            mac_address=nic.mac,
            is_default=nic.is_default,
            traffic_type="Guest",
            type=None if network is None else network.guest_ip_type,
            device_id=str(number),
            broadcast_uri=None if vlan is None else f"vlan://{vlan}",
            virtual_machine_id=vm.id,
            secondary_ip=[{"id": str(more.id), "ipaddress": more.ip4} for more in nic.more_ips],
            extra_dhcp_option=_options(nic.dhcp_options or {}),
        )


def _options(told: dict[str, str]) -> list[dict[str, str]]:
    """DHCP options as clients read them: by number, else by name."""
    return [
        {"dhcpoptioncode" if name.isdecimal() else "dhcpoptionname": name, "dhcpoptionvalue": value}
        for name, value in told.items()
    ]


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
