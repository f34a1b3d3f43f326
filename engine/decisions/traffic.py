"""Which packets a rule is about, checked and in their usual form: protocol, ports, ICMP. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from aggregates.errors import Invalid

PORT_LAST = 65_535
WITH_PORTS = ("tcp", "udp")
# Protocols that people know by name (IANA's assigned internet protocol numbers).
NUMBERS = {1: "icmp", 6: "tcp", 17: "udp"}


def protocol_name(text: str) -> str:
    """`tcp`, `udp`, `icmp`, `all`, or another protocol by its number."""
    name = text.strip().lower()
    if name.isascii() and name.isdigit() and len(name) <= 3 and int(name) <= 255:
        return NUMBERS.get(int(name), str(int(name)))
    if name in ("all", *NUMBERS.values()):
        return name
    raise Invalid(
        f"protocol {text!r} is none: say tcp, udp, icmp, all, or a number from 0 to 255",
        field="protocol",
    )


def settle_traffic(fields: dict[str, Any], *, ports_needed: bool = False) -> None:
    """Put protocol, ports and ICMP type of a rule into one form, or refuse what says nothing.

    A port alone is a range of one. No port is every port, unless `ports_needed`; no ICMP type is
    every type, which is written -1.
    """
    protocol = fields["protocol"] = protocol_name(fields["protocol"])
    start, end = fields.get("start_port"), fields.get("end_port")
    kind, code = fields.get("icmp_type"), fields.get("icmp_code")
    if protocol not in WITH_PORTS and (start is not None or end is not None):
        raise Invalid(
            f"startport and endport are for tcp and udp, not {protocol}: leave them out",
            field="startport",
        )
    if protocol != "icmp" and (kind is not None or code is not None):
        raise Invalid(
            f"icmptype and icmpcode are for icmp, not {protocol}: leave them out", field="icmptype"
        )
    if protocol in WITH_PORTS:
        fields["start_port"], fields["end_port"] = _ports(start, end, needed=ports_needed)
    if protocol == "icmp":
        fields["icmp_type"], fields["icmp_code"] = _icmp(kind, code)


def _ports(start: int | None, end: int | None, *, needed: bool) -> tuple[int | None, int | None]:
    if start is None:
        if end is not None or needed:
            raise Invalid("the ports are unsaid: give startport, and endport", field="startport")
        return None, None
    last = start if end is None else end
    for name, port in (("startport", start), ("endport", last)):
        if not 1 <= port <= PORT_LAST:
            raise Invalid(f"{name} {port} is no port: they go from 1 to {PORT_LAST}", field=name)
    if last < start:
        raise Invalid(f"endport {last} comes before startport {start}: swap them", field="endport")
    return start, last


def _icmp(kind: int | None, code: int | None) -> tuple[int, int]:
    kind, code = -1 if kind is None else kind, -1 if code is None else code
    for name, number in (("icmptype", kind), ("icmpcode", code)):
        if not -1 <= number <= 255:
            raise Invalid(f"{name} {number} is none: -1 is any, else 0 to 255", field=name)
    if kind == -1 and code != -1:
        raise Invalid("icmpcode needs its icmptype: give both, or neither", field="icmptype")
    return kind, code


def subnet(text: str, field: str = "cidrlist") -> str:
    """A subnet in its usual form, IPv4 or IPv6; one with host bits is refused."""
    return str(any_network(text, field))


def any_network(text: str, field: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip(), strict=True)
    except ValueError as wrong:
        raise Invalid(
            f"{field} {text!r} is no subnet such as 192.0.2.0/24: {wrong}", field=field
        ) from None


def ip4_network(text: str, field: str) -> IPv4Network:
    """An IPv4 subnet."""
    found = any_network(text, field)
    if not isinstance(found, IPv4Network):
        raise Invalid(f"{field} {text!r} is no IPv4 subnet: write it as 10.0.0.0/16", field=field)
    return found


def subnets(texts: Iterable[str], field: str = "cidrlist") -> list[str]:
    """Several subnets, each once."""
    return list(dict.fromkeys(subnet(one, field) for one in texts if one.strip()))
