"""Which guest networks a zone can have: Basic or Advanced, with security groups or without.

A Basic zone has one network that all its guests share; its addresses come pod by pod, by ranges.
A zone with security groups keeps guests apart by those, so its networks are shared ones too.
"""

from __future__ import annotations

from aggregates.errors import AlreadyExists, Invalid
from aggregates.network_offering import NetworkOffering
from aggregates.zone import Zone
from engine.decide import Desk
from engine.decisions.record import claim
from engine.intents.network import CreateNetwork
from projections.network import networks


def check_zone(zone: Zone, offering: NetworkOffering, ask: CreateNetwork, desk: Desk) -> None:
    """Refuse a network that this zone cannot have."""
    desk.guard(zone)
    shared = offering.guest_ip_type == "Shared"
    if "SecurityGroup" in offering.services and not zone.security_groups_enabled:
        raise Invalid(
            f"network offering {offering.name} has security groups and zone {zone.name} has not: "
            "choose another offering",
            field="networkofferingid",
        )
    if zone.security_groups_enabled and not shared:
        raise Invalid(
            f"zone {zone.name} has security groups: only shared networks can be made in it, and "
            f"network offering {offering.name} is {offering.guest_ip_type}",
            field="networkofferingid",
        )
    if zone.network_type == "Basic":
        _check_basic(zone, offering, ask, desk)


def _check_basic(zone: Zone, offering: NetworkOffering, ask: CreateNetwork, desk: Desk) -> None:
    if offering.guest_ip_type != "Shared":
        raise Invalid(
            f"zone {zone.name} is Basic: its guests share one network, and network offering "
            f"{offering.name} is {offering.guest_ip_type}; choose a Shared one",
            field="networkofferingid",
        )
    claim("basic_network", {"zone_id": zone.id}, ask.network_id, desk)
    for other in desk.cloud[networks].by("zone_id", zone.id):
        raise AlreadyExists(f"zone {zone.name} is Basic and has its one network, {other.name}")
    if ask.gateway or ask.vlan is not None:
        raise Invalid(
            f"zone {zone.name} is Basic: its network gets addresses by createVlanIpRange for each "
            "pod; leave gateway, netmask, startip, endip and vlan out",
            field="gateway",
        )
