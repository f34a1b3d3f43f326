"""What rules say of traffic, checked: protocols, ports, ICMP and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any, Protocol

from api.errors import InvalidValue

PORT_MAX = 65_535
ICMP_MAX = 255
ANYWHERE = "0.0.0.0/0"


class TrafficAsked(Protocol):
    """The parameters of a firewall rule that say which traffic is meant."""

    @property
    def protocol(self) -> str: ...
    @property
    def start_port(self) -> int | None: ...
    @property
    def end_port(self) -> int | None: ...
    @property
    def icmp_type(self) -> int | None: ...
    @property
    def icmp_code(self) -> int | None: ...


def protocol_of(text: str, *allowed: str) -> str:
    """A protocol by its name, in any case."""
    found = text.strip().lower()
    if found not in allowed:
        raise InvalidValue(f"protocol {text} cannot be used here: it is {', '.join(allowed)}")
    return found


def port_range(first: int, last: int | None, name: str, end_name: str = "") -> tuple[int, int]:
    """A range of ports, by the parameters that say them; one without an end is a single port."""
    end = first if last is None else last
    for said, port in ((name, first), (end_name, end)):
        if not 1 <= port <= PORT_MAX:
            raise InvalidValue(f"Invalid port number {port}: {said} is from 1 to {PORT_MAX}")
    if first > end:
        both = f"{name} and {end_name} are {first}-{end}"
        raise InvalidValue(f"Start port can't be bigger than end port: {both}")
    return first, end


def traffic(ask: TrafficAsked, *protocols: str) -> dict[str, Any]:
    """Protocol with ports, or with an ICMP type and code, as a record keeps them."""
    protocol = protocol_of(ask.protocol, *protocols)
    ported, icmp = (ask.start_port, ask.end_port), (ask.icmp_type, ask.icmp_code)
    if protocol == "icmp":
        if any(one is not None for one in ported):
            raise InvalidValue("icmp has no ports: leave startport and endport out")
        kinds = [-1 if one is None else one for one in icmp]
        if not all(-1 <= one <= ICMP_MAX for one in kinds):
            raise InvalidValue(f"icmptype and icmpcode are from -1 (any) to {ICMP_MAX}")
        return {"protocol": protocol, "icmp_type": kinds[0], "icmp_code": kinds[1]}
    if any(one is not None for one in icmp):
        raise InvalidValue("icmptype and icmpcode can be given for the ICMP protocol only")
    if protocol == "all" and any(one is not None for one in ported):
        raise InvalidValue("all protocols have no common ports: leave startport and endport out")
    if ask.start_port is None:
        if ask.end_port is not None:
            raise InvalidValue("endport needs startport: give both, or neither")
        return {"protocol": protocol}
    first, last = port_range(ask.start_port, ask.end_port, "startport", "endport")
    return {"protocol": protocol, "start_port": first, "end_port": last}


def cidrs(given: Iterable[str] | None, name: str, *, default: str = "") -> list[str]:
    """IPv4 subnets in their usual form, without repeats; a single address is one of its own."""
    found = []
    for text in given or ():
        try:
            found.append(str(IPv4Network(text.strip(), strict=False)))
        except ValueError:
            raise InvalidValue(
                f"{name}: {text} is no subnet of IPv4 such as 192.0.2.0/24"
            ) from None
    return list(dict.fromkeys(found)) or ([default] if default else [])
