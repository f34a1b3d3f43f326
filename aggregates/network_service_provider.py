"""A provider of network services on a physical network, such as the virtual router."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record

_ROUTER = (
    "Vpn",
    "Dhcp",
    "Dns",
    "Gateway",
    "Firewall",
    "Lb",
    "SourceNat",
    "StaticNat",
    "PortForwarding",
    "UserData",
)

# What each provider can do. Those of hardware appliances come with their drivers.
PROVIDERS: dict[str, tuple[str, ...]] = {
    "VirtualRouter": _ROUTER,
    "VpcVirtualRouter": (*(one for one in _ROUTER if one != "Firewall"), "NetworkACL"),
    "InternalLbVm": ("Lb",),
    "ConfigDrive": ("Dhcp", "Dns", "UserData"),
    "SecurityGroupProvider": ("SecurityGroup",),
    "Ovs": ("Connectivity", "StaticNat", "PortForwarding", "Lb"),
    "BaremetalDhcpProvider": ("Dhcp",),
    "BaremetalPxeProvider": (),
    "BaremetalUserdataProvider": ("UserData",),
}

# The providers whose routers are made by an element, which must be enabled before they are.
ELEMENTS = ("VirtualRouter", "VpcVirtualRouter", "InternalLbVm")


@record(
    "network_service_provider",
    unique=(("physical_network_id", "name"),),
    references={"physical_network_id": "physical_network"},
)
class NetworkServiceProvider(Aggregate):
    physical_network_id: UUID
    name: str
    services: list[str] = msgspec.field(default_factory=list)
    state: str = "Disabled"
