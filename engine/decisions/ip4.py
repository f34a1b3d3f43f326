"""IPv4 subnets and ranges, checked: what an operator types, before anything is made of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from aggregates.errors import Invalid


@dataclass(frozen=True, slots=True)
class Ip4Range:
    """Addresses from `first` to `last` of one subnet, both included."""

    subnet: IPv4Network
    gateway: IPv4Address
    first: IPv4Address
    last: IPv4Address

    def leave_gateway_out(self) -> None:
        """Refuse to make such a range; old ones may have their gateway in it, which is kept."""
        leave_out(self.gateway, self.first, self.last)

    def overlaps(self, other: Ip4Range) -> bool:
        return self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def ip4(text: str, field: str) -> IPv4Address:
    """One address, or `Invalid` naming the field."""
    try:
        return IPv4Address(text.strip())
    except AddressValueError as error:
        raise Invalid(f"{field} {text!r} is no IPv4 address: {error}", field=field) from None


def subnet_of(gateway: str, netmask: str) -> IPv4Network:
    """The subnet that a gateway is in."""
    address, mask = ip4(gateway, "gateway"), ip4(netmask, "netmask")
    try:
        # A host mask such as 0.0.0.255 parses too, and would mean the opposite.
        subnet = IPv4Network(f"{address}/{mask}", strict=False)
    except NetmaskValueError:
        subnet = None
    if subnet is None or subnet.netmask != mask or not 8 <= subnet.prefixlen <= 30:
        raise Invalid(
            f"netmask {netmask} is none: write one such as 255.255.255.0, of 8 to 30 bits",
            field="netmask",
        )
    usable(address, subnet, "gateway")
    return subnet


def ip4_range(*, gateway: str, netmask: str, start_ip: str, end_ip: str) -> Ip4Range:
    """A range within the gateway's subnet; an empty end means a range of one address."""
    subnet = subnet_of(gateway, netmask)
    first = ip4(start_ip, "startip")
    last = ip4(end_ip, "endip") if end_ip else first
    usable(first, subnet, "startip")
    usable(last, subnet, "endip")
    if last < first:
        raise Invalid(f"endip {last} comes before startip {first}: swap them", field="endip")
    return Ip4Range(subnet, ip4(gateway, "gateway"), first, last)


def leave_out(gateway: IPv4Address, first: IPv4Address, last: IPv4Address) -> None:
    """Refuse a range with its gateway in it: that address is taken, whoever it would be given."""
    if first <= gateway <= last:
        raise Invalid(
            f"gateway {gateway} is in the range {first}-{last}: choose startip and endip that "
            "leave it out",
            field="startip",
        )


def usable(address: IPv4Address, subnet: IPv4Network, field: str) -> None:
    """May a machine of the subnet have this address?"""
    if address.is_loopback or address.is_multicast:
        raise Invalid(f"{field} {address} is no address of a machine: choose another", field=field)
    if address not in subnet:
        raise Invalid(f"{field} {address} is not in the subnet {subnet}", field=field)
    if address in (subnet.network_address, subnet.broadcast_address):
        raise Invalid(
            f"{field} {address} is the network or broadcast address of {subnet}", field=field
        )
