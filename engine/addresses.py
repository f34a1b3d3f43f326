"""Network cards and their addresses: MAC and IPv4 numbers, taken and freed by the card's id."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any, Protocol
from uuid import UUID, uuid5

from aggregates.address import mac_text
from aggregates.errors import Exhausted
from aggregates.network import Network
from aggregates.vm import Nic
from engine.draft import Decision
from engine.intents.vm import NicAsk
from engine.world import World
from projections.addresses import address_spaces


class Deciding(Protocol):
    """A run or a desk: whatever puts a decision into a commit."""

    @property
    def world(self) -> World: ...
    def add(self, decision: Decision, hold: UUID, /) -> Any: ...


def take_nic(at: Deciding, ask: NicAsk, network: Network, *, is_default: bool) -> Nic:
    """A card with a MAC of its zone and, where the network has addresses, one of them."""
    allocator = at.world.allocator
    mac_hold, ip_hold = uuid5(ask.nic_id, "mac"), uuid5(ask.nic_id, "ip4")
    macs = spaces(at.world, "mac", zone_id=network.zone_id)
    mac = allocator.take_address(macs, mac_hold, holder=ask.nic_id, purpose="nic")
    at.add(mac, mac_hold)
    if not network.has_addresses:
        return Nic(
            id=ask.nic_id,
            network_id=network.id,
            mac=mac_text(mac.number),
            is_default=is_default,
        )
    wanted = int(IPv4Address(ask.ip4)) if ask.ip4 else None
    ip = allocator.take_address(
        spaces(at.world, "guest_ip4", network_id=network.id),
        ip_hold,
        holder=ask.nic_id,
        purpose="nic",
        wanted=wanted,
    )
    at.add(ip, ip_hold)
    return Nic(
        id=ask.nic_id,
        network_id=network.id,
        mac=mac_text(mac.number),
        ip4=str(IPv4Address(ip.number)),
        gateway=network.gateway,
        netmask=network.netmask,
        is_default=is_default,
    )


def free_nics(at: Deciding, nics: Iterable[UUID]) -> None:
    """Give back what these cards hold; those that hold nothing are fine."""
    for nic_id in nics:
        for part in ("ip4", "mac"):
            hold = uuid5(nic_id, part)
            at.add(at.world.allocator.release_address(hold), hold)


def spaces(world: World, purpose: str, **where: UUID | None) -> list[UUID]:
    """The address spaces of a purpose in a zone, pod or network; `Exhausted` if there is none."""
    (attribute, value) = next(iter(where.items()))
    rows = world.cloud[address_spaces].by(attribute, value)
    found = [row.id for row in rows if row.purpose == purpose]
    if not found:
        kind = attribute.removesuffix("_id").replace("_", " ")
        raise Exhausted(f"{kind} {value} has no {purpose} range to take a number from")
    return found
