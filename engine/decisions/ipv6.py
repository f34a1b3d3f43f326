"""IPv6: prefixes that do not overlap, a subnet for each network, and rules that say something."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address, IPv6Network
from typing import Any

from aggregates.errors import Exhausted, InUse, Invalid, NotAllowed
from aggregates.ipv6 import SUBNET_BITS, GuestIpv6Prefix
from engine.decide import Desk
from engine.decisions.record import Proposed, claim, farewell, rule
from engine.decisions.traffic import any_network, settle_traffic, subnets
from engine.intents.network import CreateNetwork
from projections.ipv6 import guest_ipv6_prefixes
from projections.network import networks
from projections.network_offering import NetworkOffering


@rule("guest_ipv6_prefix")
def prefixes_are_apart(one: Proposed, desk: Desk) -> None:
    prefix = ip6_network(one["prefix"], "prefix")
    if prefix.prefixlen > SUBNET_BITS:
        raise Invalid(
            f"prefix {prefix} holds no subnet of {SUBNET_BITS} bits: give a shorter one",
            field="prefix",
        )
    claim("guest_ipv6", {"zone_id": one["zone_id"]}, one.id, desk)
    for other in desk.cloud[guest_ipv6_prefixes].by("zone_id", one["zone_id"]):
        if other.id != one.id and IPv6Network(other.prefix).overlaps(prefix):
            raise Invalid(
                f"prefix {prefix} overlaps {other.prefix}: choose another", field="prefix"
            )
    one.fields["prefix"] = str(prefix)


@farewell("guest_ipv6_prefix")
def no_network_has_a_part(row: GuestIpv6Prefix, desk: Desk) -> None:
    prefix = IPv6Network(row.prefix)
    for network in desk.cloud[networks].by("zone_id", row.zone_id):
        if network.ip6_cidr and IPv6Network(network.ip6_cidr).subnet_of(prefix):
            raise InUse(
                f"IPv6 prefix {prefix} is in use by network {network.name}: delete that first"
            )


def ip6_of(ask: CreateNetwork, offering: NetworkOffering, desk: Desk) -> tuple[str, str]:
    """Gateway and subnet of a new network: those asked for, a free /64, or none."""
    if ask.ip6_gateway or ask.ip6_cidr:
        return _asked(ask, offering)
    if offering.internet_protocol != "DualStack" or offering.guest_ip_type != "Isolated":
        return "", ""
    claim("guest_ipv6", {"zone_id": ask.zone_id}, ask.network_id, desk)
    here = desk.cloud[networks].by("zone_id", ask.zone_id)
    taken = {network.ip6_cidr for network in here}
    for row in desk.cloud[guest_ipv6_prefixes].by("zone_id", ask.zone_id):
        for subnet in IPv6Network(row.prefix).subnets(new_prefix=SUBNET_BITS):
            if str(subnet) not in taken:
                desk.guard(row)
                return str(subnet.network_address + 1), str(subnet)
    raise Exhausted(
        "no IPv6 subnet is free in this zone: an administrator adds a prefix with "
        "createGuestNetworkIpv6Prefix"
    )


def _asked(ask: CreateNetwork, offering: NetworkOffering) -> tuple[str, str]:
    if offering.guest_ip_type != "Shared":
        raise Invalid(
            "ip6gateway and ip6cidr are for shared networks: others get a subnet by themselves",
            field="ip6cidr",
        )
    return ip6_subnet(ask.ip6_gateway, ask.ip6_cidr)


def ip6_subnet(gateway: str, cidr: str) -> tuple[str, str]:
    """A gateway and the subnet that it is in, in their usual form."""
    if not (gateway and cidr):
        raise Invalid("ip6gateway and ip6cidr are given together, or neither is", field="ip6cidr")
    found = ip6_network(cidr, "ip6cidr")
    if found.prefixlen != SUBNET_BITS:
        raise Invalid(f"ip6cidr {found} must have {SUBNET_BITS} bits", field="ip6cidr")
    return str(ip6_in(found, gateway, "ip6gateway")), str(found)


def ip6_in(subnet: IPv6Network, text: str, field: str) -> IPv6Address:
    """An address of a subnet."""
    address = ip6(text, field)
    if address not in subnet:
        raise Invalid(f"{field} {address} is not in {subnet}", field=field)
    return address


def ip6(text: str, field: str) -> IPv6Address:
    """One address, or `Invalid` naming the field."""
    try:
        return IPv6Address(text.strip())
    except AddressValueError as wrong:
        raise Invalid(f"{field} {text!r} is no IPv6 address: {wrong}", field=field) from None


def ip6_network(text: str, field: str) -> IPv6Network:
    """An IPv6 subnet."""
    found = any_network(text, field)
    if not isinstance(found, IPv6Network):
        raise Invalid(f"{field} {text!r} is no IPv6 subnet: write it as fd17::/48", field=field)
    return found


def settle_ip6(fields: dict[str, Any]) -> None:
    """The IPv6 half of a range of addresses, in its usual form; all of it, or none."""
    names = ("ip6_gateway", "ip6_cidr", "start_ip6", "end_ip6")
    if not any(fields.get(name) for name in names):
        return
    gateway, cidr = ip6_subnet(fields.get("ip6_gateway") or "", fields.get("ip6_cidr") or "")
    subnet, start = IPv6Network(cidr), fields.get("start_ip6")
    if not start:
        raise Invalid("ip6cidr needs startipv6 and endipv6: give all", field="startipv6")
    first = ip6_in(subnet, start, "startipv6")
    last = ip6_in(subnet, fields.get("end_ip6") or start, "endipv6")
    if last < first:
        raise Invalid(f"endipv6 {last} comes before startipv6 {first}: swap them", field="endipv6")
    said = (gateway, cidr, str(first), str(last))
    fields.update(zip(names, said, strict=True))


@rule("ipv6_firewall_rule")
def rule_is_clear(one: Proposed, desk: Desk) -> None:
    network = desk.row(networks, one["network_id"])
    if not network.ip6_cidr or network.guest_ip_type != "Isolated" or network.vpc_id is not None:
        raise NotAllowed(
            f"network {network.name} is no isolated network with IPv6: it has no IPv6 firewall"
        )
    what = ("protocol", "start_port", "end_port", "icmp_type", "icmp_code")
    if one.changes(*what):
        said = {name: one[name] for name in what}
        settle_traffic(said)
        one.fields.update(said)
    for name in ("cidrs", "dest_cidrs"):
        if one.changes(name):
            given = [ip6_network(each, "cidrlist") for each in subnets(one[name] or ())]
            one.fields[name] = [str(each) for each in given] or ["::/0"]
