"""What resolvers and the DNS domain of networks may be, wherever they are said. Empty says none."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from api.declare import Matches
from engine.network_domain import dns_domain

_PATTERN, _WORDS = dns_domain()
DNS_DOMAIN = Matches(f"|{_PATTERN}", _WORDS)


def ip4(value: str) -> None:
    try:
        if value:
            IPv4Address(value)
    except ValueError:
        raise ValueError("must be an IPv4 address such as 192.0.2.1") from None


def ip6(value: str) -> None:
    try:
        if value:
            IPv6Address(value)
    except ValueError:
        raise ValueError("must be an IPv6 address such as 2001:db8::1") from None
