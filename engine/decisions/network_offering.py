"""Network offerings: which services go with which kind of guest network."""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.errors import Invalid
from engine.decide import Desk
from engine.decisions.record import Proposed, rule

# What only makes sense where there is a router between guests and everything else.
ROUTED = ("SourceNat", "PortForwarding", "Firewall", "Gateway", "NetworkACL", "Vpn")
L2_SERVICES = ("UserData", "Dhcp", "Dns", "Connectivity")


@rule("network_offering")
def services_fit(one: Proposed, desk: Desk) -> None:
    """Refuse an offering whose parts contradict each other."""
    said = ("services", "guest_ip_type", "specify_vlan", "specify_ip_ranges", "availability")
    if not one.changes(*said, "for_vpc", "is_persistent"):
        return
    wrong = next(_wrong(one), None)
    if wrong is not None:
        field, why = wrong
        raise Invalid(f"network offering {one['name']}: {why}", field=field)


def _wrong(one: Proposed) -> Iterator[tuple[str, str]]:
    """What contradicts what, each with the parameter to change."""
    services, kind = one["services"] or {}, one["guest_ip_type"]
    if kind == "Shared":
        yield from _wrong_shared(one, services)
    elif kind == "L2":
        extra = sorted(set(services) - set(L2_SERVICES))
        if extra:
            yield "supportedservices", f"an L2 network has no {', '.join(extra)}: leave it out"
    elif one["specify_ip_ranges"] and "SourceNat" in services:
        yield "specifyipranges", "networks with SourceNat choose their addresses: say false"
    if one["availability"] == "Required" and not (kind == "Isolated" and "SourceNat" in services):
        yield "availability", "only an Isolated offering with SourceNat can be Required"
    if one["for_vpc"] and kind != "Isolated":
        yield "forvpc", f"tiers of a VPC are Isolated, not {kind}"
    if one["for_vpc"] and "Firewall" in services:
        yield "supportedservices", "tiers have NetworkACL instead of Firewall: leave Firewall out"
    if "NetworkACL" in services and not one["for_vpc"]:
        yield "supportedservices", "NetworkACL is for tiers of a VPC: leave it out, or say forvpc"
    if "SecurityGroup" in services and kind != "Shared":
        yield "supportedservices", "SecurityGroup is for Shared networks: leave it out"


def _wrong_shared(one: Proposed, services: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    if not one["specify_vlan"]:
        yield "specifyvlan", "who makes a shared network names its VLAN: say specifyvlan=true"
    if not one["specify_ip_ranges"]:
        yield "specifyipranges", "who makes a shared network names its addresses: say true"
    if one["is_persistent"]:
        yield "ispersistent", "a shared network is never persistent: say false"
    extra = [name for name in ROUTED if name in services]
    if extra:
        yield "supportedservices", f"a shared network has no {', '.join(extra)}: leave it out"
