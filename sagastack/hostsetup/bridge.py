"""A Linux bridge for the guests of this machine, with an address of the machine's own on it.

The kernel is the only memory: what it has is asked each time, so doing it twice is doing it once,
and after a reboot of the machine it is made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from sagastack.hostsetup.report import CommandFailed, Report, run

NAME = "sagabr0"
CANDIDATES = tuple(IPv4Network(f"10.{second}.0.0/24") for second in range(77, 100))
"""Networks that the bridge may take; the first that nothing on this machine uses is taken."""


async def ensure(name: str = NAME) -> Report:
    """The bridge, up and with an address; `facts` give `bridge`, `cidr` and `gateway`."""
    try:
        address = await _address_of(name)
        if address is not None and await _is_up(name):
            return Report(ok=True, facts=_facts(name, address))
        if os.geteuid() != 0:
            return Report(
                ok=False,
                missing=(f"there is no bridge {name}, and only root can make one",),
                remedy="run the set-up once as root, or name a bridge of your own for the hosts",
            )
        return await _make(name, address)
    except CommandFailed as err:
        return Report(
            ok=False,
            missing=(f"no bridge {name}: {err}",),
            remedy="install iproute2, and check that the kernel can make bridges",
        )


async def _make(name: str, address: IPv4Interface | None) -> Report:
    did = []
    if await _link(name) is None:
        await run("ip", "link", "add", name, "type", "bridge")
        did.append(f"made the bridge {name}")
    if address is None:
        network = free(await _used())
        if network is None:
            return Report(
                ok=False,
                missing=(f"{CANDIDATES[0]} to {CANDIDATES[-1]} are all in use on this machine",),
                remedy=f"give {name} an address yourself: ip address add ADDRESS/24 dev {name}",
            )
        address = IPv4Interface(f"{network[1]}/{network.prefixlen}")
        await run("ip", "address", "add", str(address), "dev", name)
        did.append(f"gave it {address}")
    await run("ip", "link", "set", name, "up")
    return Report(ok=True, did=tuple(did) or (f"set {name} up",), facts=_facts(name, address))


def free(used: Iterable[IPv4Network]) -> IPv4Network | None:
    """The first candidate that overlaps no network in use."""
    taken = tuple(used)
    for network in CANDIDATES:
        if not any(network.overlaps(other) for other in taken):
            return network
    return None


def _facts(name: str, address: IPv4Interface) -> dict[str, str]:
    return {"bridge": name, "cidr": str(address.network), "gateway": str(address.ip)}


async def _used() -> list[IPv4Network]:
    """Every network that an interface or a route of this machine names; not the default route."""
    used = []
    for link in json.loads(await run("ip", "-j", "-4", "address", "show")):
        used += [_interface(info).network for info in link.get("addr_info", [])]
    for route in json.loads(await run("ip", "-j", "-4", "route", "show")):
        if route["dst"] != "default":
            used.append(IPv4Network(route["dst"], strict=False))
    return used


async def _link(name: str) -> dict[str, Any] | None:
    """What the kernel says of the bridge; another kind of device of its name is an error."""
    links: list[dict[str, Any]] = json.loads(await run("ip", "-j", "-d", "link", "show"))
    for link in links:
        if link.get("ifname") == name:
            if link.get("linkinfo", {}).get("info_kind") != "bridge":
                raise CommandFailed(f"{name} exists on this machine and is not a bridge")
            return link
    return None


async def _is_up(name: str) -> bool:
    link = await _link(name)
    return link is not None and "UP" in link["flags"]


async def _address_of(name: str) -> IPv4Interface | None:
    if await _link(name) is None:
        return None
    for link in json.loads(await run("ip", "-j", "-4", "address", "show", "dev", name)):
        for info in link.get("addr_info", []):
            return _interface(info)
    return None


def _interface(info: dict[str, Any]) -> IPv4Interface:
    return IPv4Interface(f"{info['local']}/{info['prefixlen']}")
