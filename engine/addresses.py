"""Network cards and their addresses: MAC and IPv4 numbers, taken and freed by the card's id."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any, Protocol
from uuid import UUID

from aggregates.address import ip4_text, mac_text
from aggregates.errors import AlreadyExists, Exhausted, Invalid, NotAllowed
from aggregates.ids import uuid5
from aggregates.name import NameClaimed, name_ledger
from aggregates.network import Network
from aggregates.vm import Nic
from engine.draft import Decision, Draft
from engine.intents.vm import NicAsk
from engine.world import World
from projections.addresses import Addresses, address_spaces
from projections.cloud import Cloud
from projections.host import hosts
from projections.macs import Macs, bears
from projections.names import Names
from projections.vlan_ip_range import vlan_ip_ranges


class Deciding(Protocol):
    """A run or a desk: whatever puts a decision into a commit."""

    @property
    def world(self) -> World: ...
    @property
    def draft(self) -> Draft | None: ...
    def add(self, decision: Decision, hold: UUID, /) -> Any: ...


def take_nic(
    at: Deciding, ask: NicAsk, network: Network, *, is_default: bool, pod_id: UUID | None = None
) -> Nic:
    """A card with a MAC of its zone and, where the network has addresses, one of them.

    In a pod, or in one that its address chooses, where a network's addresses belong to pods.
    """
    mac = take_mac(at, ask.nic_id, network, ask.mac)
    if not network.has_addresses:
        return Nic(
            id=ask.nic_id,
            network_id=network.id,
            mac=mac,
            is_default=is_default,
            dhcp_options=ask.dhcp_options,
        )
    ip4 = take_ip(at, ask.nic_id, ask.nic_id, network, ask.ip4, pod_id=pod_id)
    gateway, netmask = way_out(at.world.cloud, network, ip4)
    return Nic(
        id=ask.nic_id,
        network_id=network.id,
        mac=mac,
        ip4=ip4,
        gateway=gateway,
        netmask=netmask,
        is_default=is_default,
        dhcp_options=ask.dhcp_options,
    )


def _guest_spaces(world: World, network: Network, pod_id: UUID | None) -> list[UUID]:
    """Where addresses of a network are from: those of any pod, or of this one.

    Without a pod those come first whose hosts are up and which have given fewest.
    """
    cloud = world.cloud
    rows = [cloud[address_spaces][one] for one in spaces(world, "guest_ip4", network_id=network.id)]
    if len(rows) < 2:
        return [row.id for row in rows]
    if pod_id is not None:
        return [row.id for row in rows if row.pod_id in (None, pod_id)]
    ranges = cloud.view(Addresses).ranges
    if any(row.pod_id is not None for row in rows):
        rows.sort(key=lambda row: (_is_down(cloud, row.pod_id), ranges[row.id].taken_count))
    return [row.id for row in rows]


def _is_down(cloud: Cloud, pod_id: UUID | None) -> bool:
    """Is there no host of this pod that a guest could be put on?"""
    return not any(host.is_usable for host in cloud[hosts].by("pod_id", pod_id))


def way_out(cloud: Cloud, network: Network, ip4: str) -> tuple[str, str]:
    """Gateway and mask for an address: those of its range, else of the network's own subnet."""
    for one in cloud[vlan_ip_ranges].by("network_id", network.id):
        if one.holds(ip4):
            return one.gateway, one.netmask
    return network.gateway, network.netmask


def pod_of(cloud: Cloud, nics: Iterable[Nic]) -> UUID | None:
    """The pod that a guest's addresses tie it to; None where they serve the whole zone."""
    for nic in nics:
        for one in cloud[vlan_ip_ranges].by("network_id", nic.network_id):
            if one.pod_id is not None and nic.ip4 and one.holds(nic.ip4):
                return one.pod_id
    return None


def take_mac(at: Deciding, nic_id: UUID, network: Network, mac: str) -> str:
    """The lowest free MAC of the zone, or the one wanted, which may be of anybody's making."""
    wanted = int(mac.replace(":", ""), 16) if mac else None
    macs, table = spaces(at.world, "mac", zone_id=network.zone_id), at.world.cloud[address_spaces]
    if wanted is not None and not any(
        table[one].first <= wanted <= table[one].last for one in macs
    ):
        return _claim_mac(at, nic_id, network, mac)
    hold = uuid5(nic_id, "mac")
    try:
        taken = at.world.allocator.take_address(
            macs, hold, holder=nic_id, purpose="nic", wanted=wanted
        )
    except AlreadyExists:
        raise _mac_in_use(mac) from None
    at.add(taken, hold)
    return mac_text(taken.number)


def _mac_in_use(mac: str) -> AlreadyExists:
    return AlreadyExists(f"{mac} is in use in this zone: choose another MAC address")


def _claim_mac(at: Deciding, nic_id: UUID, network: Network, mac: str) -> str:
    """A MAC outside of the zone's range has no ledger of its own: it is taken as a name is."""
    cloud = at.world.cloud
    ledger = name_ledger("mac", *_named(network, mac))
    if any(bears(cloud, one, mac) for one in cloud.view(Macs).claimed_by(ledger)):
        raise _mac_in_use(mac)
    claim_mac(at, nic_id, network, mac)
    return mac


def claim_mac(at: Deciding, nic_id: UUID, network: Network, mac: str) -> None:
    """Bear this MAC address by its name, whoever else does."""
    assert at.draft is not None, "an address is taken by a decision"
    fields, values = _named(network, mac)
    ledger = name_ledger("mac", fields, values)
    claimed = NameClaimed(kind="mac", fields=fields, values=values, owner=nic_id)
    at.draft.append(ledger, at.world.cloud.view(Names).version(ledger), claimed)


def _named(network: Network, mac: str) -> tuple[list[str], list[str]]:
    return ["zone_id", "mac"], [str(network.zone_id), mac]


def free_nics(at: Deciding, nics: Iterable[UUID]) -> None:
    """Give back what these cards hold; those that hold nothing are fine."""
    for nic_id in nics:
        for part in ("ip4", "mac"):
            _free(at, nic_id, part)


def free_cards(at: Deciding, nics: Iterable[Nic]) -> None:
    """Give back all that these cards hold, further addresses included."""
    for nic in nics:
        _free(at, nic.id, "mac")
        free_addresses(at, nic)


def free_addresses(at: Deciding, nic: Nic) -> None:
    """Give back all that a card holds but its MAC, which somebody goes on using."""
    _free(at, nic.id, "ip4")
    if nic.ip_hold is not None:
        free_ip(at, nic.ip_hold)
    for more in nic.more_ips:
        free_ip(at, more.id)


def _free(at: Deciding, holder: UUID, part: str) -> None:
    hold = uuid5(holder, part)
    at.add(at.world.allocator.release_address(hold), hold)


def take_ip(
    at: Deciding,
    ip_id: UUID,
    nic_id: UUID,
    network: Network,
    wanted: str,
    *,
    pod_id: UUID | None = None,
) -> str:
    """An address of the network for a card, under an id of its own; in a pod, of that pod's."""
    if not network.has_addresses:
        raise NotAllowed(f"network {network.name} gives no addresses: take a card on one that does")
    hold = uuid5(ip_id, "ip4")
    try:
        taken = at.world.allocator.take_address(
            _guest_spaces(at.world, network, pod_id),
            hold,
            holder=nic_id,
            purpose="nic",
            wanted=int(IPv4Address(wanted)) if wanted else None,
        )
    except AlreadyExists:
        raise AlreadyExists(
            f"address {wanted} of network {network.name} is taken: choose another one"
        ) from None
    except Exhausted:
        raise Exhausted(
            f"network {network.name} has no free address: release one, or take another network"
        ) from None
    except Invalid:
        raise Invalid(
            f"address {wanted} of network {network.name} is in no range that guests get: choose "
            "another one"
        ) from None
    at.add(taken, hold)
    return ip4_text(taken.number)


def free_ip(at: Deciding, ip_id: UUID) -> None:
    """Give back an address that was taken under this id, be it a card's own or a further one."""
    _free(at, ip_id, "ip4")


def spaces(world: World, purpose: str, **where: UUID | None) -> list[UUID]:
    """The address spaces of a purpose in a zone, pod or network; `Exhausted` if there is none."""
    (attribute, value) = next(iter(where.items()))
    rows = world.cloud[address_spaces].by(attribute, value)
    found = [row.id for row in rows if row.purpose == purpose]
    if not found:
        kind = attribute.removesuffix("_id").replace("_", " ")
        raise Exhausted(f"{kind} {value} has no {purpose} range to take a number from")
    return found
