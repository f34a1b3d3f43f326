"""Whom the controller speaks to on a tenant's word: the world outside, and what was opened.

A tenant's URL must not make the controller talk to itself or to its neighbours. Every name is
resolved here, and the address that is connected to is looked at, so neither a name that leads
inside, nor one that changes its address, nor an address in disguise reaches a service inside, but
for the networks that an administrator opened.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from aggregates.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# What a NAT64 gateway makes of IPv4 addresses (RFC 6052).
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Inside(OSError):
    """An address of the controller's own machine, or of the networks that it works in."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached: `sites` are networks inside that everybody may name, opened by the
    setting of this name. `trusted` is whoever may name this machine itself."""

    setting: str
    sites: tuple[str, ...] = ()
    trusted: bool = False

    def allows(self, address: Address) -> bool:
        """May the controller speak to this address?"""
        plain = _plain(address)
        if plain.is_multicast or plain.is_unspecified:
            return False
        return (
            self.trusted
            or plain.is_global
            or any(plain in network for network in networks(self.sites, self.setting))
        )

    def check(self, host: str, address: Address) -> None:
        if not self.allows(address):
            raise Inside(
                f"{host} is {address}, an address that only an administrator may name: "
                f"{self.setting} opens networks to everybody"
            )

    def check_url(self, url: str) -> None:
        """Say at once of an address in digits that it is inside; all else is looked at later."""
        try:
            host = urlsplit(url).hostname or ""
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        self.check(host, address)

    def connector(self, *, ssl: bool = True) -> aiohttp.TCPConnector:
        """What connects to nothing else, however an address is written or a name resolved.

        What the client takes for an address it does not resolve; so the last look is at the
        address that it is about to connect to.
        """

        def opened(info: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, (host, *_) = info
            try:
                address = ipaddress.ip_address(host)
            except ValueError as wrong:
                raise Inside(f"{host!r} is no address as it is usually written") from wrong
            self.check(str(host), address)
            return socket.socket(family, kind, protocol)

        return aiohttp.TCPConnector(resolver=Outside(self), socket_factory=opened, ssl=ssl)


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one, where there is one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def networks(sites: Iterable[str], setting: str) -> list[Network]:
    """Networks as an administrator wrote them: `10.1.0.0/16`, or one address."""
    found: list[Network] = []
    for site in sites:
        try:
            found.append(ipaddress.ip_network(site.strip(), strict=False))
        except ValueError as wrong:
            raise Invalid(f"{setting}: {site!r} is no network: {wrong}") from wrong
    return found


class Outside(AbstractResolver):
    """Resolves names, and refuses those that lead back to this machine or its networks."""

    def __init__(self, reach: Reach) -> None:
        self._names, self._reach = aiohttp.ThreadedResolver(), reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        for one in found:
            self._reach.check(host, ipaddress.ip_address(one["host"]))
        return found

    async def close(self) -> None:
        await self._names.close()
