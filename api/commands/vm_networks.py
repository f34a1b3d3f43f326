"""Which networks a new guest is on: those named, or the ones that its account has by default."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec

from api.authz import domain_path, is_below
from api.commands.vm_dhcp import dhcp_options
from api.declare import Caller, Cloud, Names, entry
from api.errors import InvalidValue
from engine.intents.network import CreateNetwork
from engine.intents.vm import NicAsk
from projections.account import accounts
from projections.network import Network, networks
from projections.network_offering import network_offerings
from projections.physical_network import PhysicalNetwork, physical_networks
from projections.traffic_type import traffic_types
from projections.vlan_ip_range import vlan_ip_ranges
from projections.zone import zones

# Who looks for a default network lets those before it finish making one. Unused locks vanish.
_TURNS: WeakValueDictionary[tuple[UUID, UUID], asyncio.Lock] = WeakValueDictionary()

MAC = re.compile(r"[0-9a-f]{12}")
DEFAULT_OFFERING = "DefaultIsolatedNetworkOfferingWithSourceNatService"


@entry
class IpToNetwork:
    """One network, and the addresses wanted on it."""

    network_id: Annotated[UUID, "the network", Names("network")]
    ip: Annotated[str | None, "the IPv4 address; the lowest free one if omitted"] = None
    ipv6: Annotated[str | None, "not offered: networks give no IPv6 here"] = None
    mac: Annotated[str | None, "the MAC; the lowest free one if omitted"] = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A network to be on, with the addresses wanted there; empty is any."""

    network_id: UUID
    ip: str = ""
    mac: str = ""


class NetworksAsked(Protocol):
    """The parameters of a deploy that speak of networks."""

    @property
    def zone_id(self) -> UUID: ...
    @property
    def network_ids(self) -> tuple[UUID, ...] | None: ...
    @property
    def ip_to_network_list(self) -> tuple[IpToNetwork, ...] | None: ...
    @property
    def ip_address(self) -> str | None: ...
    @property
    def mac_address(self) -> str | None: ...
    @property
    def dhcp_options_network_list(self) -> tuple[dict[str, str], ...] | None: ...


def needs_network(ask: NetworksAsked, cloud: Cloud, account_id: UUID, domain_id: UUID) -> bool:
    """Is a network to be made first, because none is named and none is there to be on?"""
    named = ask.network_ids or ask.ip_to_network_list
    return not named and not any(_fitting(ask.zone_id, cloud, account_id, domain_id))


async def settle_nics(
    ask: NetworksAsked, caller: Caller, account_id: UUID, domain_id: UUID
) -> list[NicAsk]:
    """A card for each network, the default one first."""
    wanted = _named(ask)
    if not wanted:
        found = await _default_network(ask.zone_id, caller, account_id, domain_id)
        wanted = [] if found is None else [_default(ask, found)]
    if ask.ip_address and not wanted and not caller.dry_run:
        raise InvalidValue("ipaddress needs a network: this zone has none to be on")
    ids = [one.network_id for one in wanted]
    if len(set(ids)) != len(ids):
        raise InvalidValue("a network is named twice: a guest has one card on each")
    macs = [one.mac for one in wanted if one.mac]
    if len(set(macs)) != len(macs):
        raise InvalidValue("one MAC address is wanted on two networks: give each its own")
    options = dhcp_options(ask.dhcp_options_network_list, ids, "dhcpoptionsnetworklist")
    nics = []
    for one in wanted:
        network = caller.cloud[networks][one.network_id]
        check_network(network, one.ip, ask.zone_id, caller.cloud, account_id, domain_id)
        nics.append(
            NicAsk(
                nic_id=caller.new_id(),
                network_id=one.network_id,
                ip4=one.ip,
                mac=one.mac,
                dhcp_options=options.get(one.network_id),
            )
        )
    return nics


def mac_of(text: str | None) -> str:
    """A MAC address that a card may have, in one spelling; empty for none."""
    if not text:
        return ""
    digits = text.replace(":", "").replace("-", "").lower()
    if MAC.fullmatch(digits) is None:
        raise InvalidValue(f"{text} is no MAC address: write it as 02:00:4c:4f:4f:50")
    made = bytes.fromhex(digits)
    if made[0] & 1:
        raise InvalidValue(f"{text} is an address of many: a card's own has an even first byte")
    if not any(made):
        raise InvalidValue(f"{text} is nobody's MAC address: choose another")
    return made.hex(":")


def _default(ask: NetworksAsked, network_id: UUID) -> Wanted:
    return Wanted(network_id, ask.ip_address or "", mac_of(ask.mac_address))


def _named(ask: NetworksAsked) -> list[Wanted]:
    """The networks that were named, each with the addresses wanted or nothing."""
    if ask.ip_to_network_list:
        if ask.network_ids or ask.ip_address or ask.mac_address:
            raise InvalidValue("iptonetworklist excludes networkids and ipaddress: leave those out")
        if any(one.ipv6 for one in ask.ip_to_network_list):
            raise InvalidValue("iptonetworklist.ipv6 is not offered: networks give no IPv6 here")
        return [Wanted(o.network_id, o.ip or "", mac_of(o.mac)) for o in ask.ip_to_network_list]
    named = ask.network_ids or ()
    return [_default(ask, one) if at == 0 else Wanted(one) for at, one in enumerate(named)]


def serves(network: Network, cloud: Cloud, account_id: UUID, domain_id: UUID) -> bool:
    """May guests of this account be on the network? Its own, or one shared with its domain."""
    if network.account_id == account_id or account_id in network.permitted:
        return True
    if network.acl_type != "Domain":
        return False
    if not network.subdomain_access:
        return network.domain_id == domain_id
    top = domain_path(cloud, network.domain_id)
    return top is not None and is_below(domain_path(cloud, domain_id), top)


def check_network(
    network: Network, ip: str, zone_id: UUID, cloud: Cloud, account_id: UUID, domain_id: UUID
) -> None:
    """Refuse a network, or an address on it, that a guest of this account cannot have."""
    if network.zone_id != zone_id:
        raise InvalidValue(f"network {network.name} is in another zone: choose one of this zone")
    if not serves(network, cloud, account_id, domain_id):
        raise InvalidValue(
            f"network {network.name} is not open to the account that deploys: choose another"
        )
    if not ip:
        return
    if not network.has_addresses:
        raise InvalidValue(f"network {network.name} gives no addresses: leave {ip} out")
    try:
        address = IPv4Address(ip)
    except ValueError:
        raise InvalidValue(f"{ip} is no IPv4 address: write it as 192.0.2.1") from None
    within = [network.cidr] if network.cidr else []
    within += [
        str(IPv4Network(f"{one.gateway}/{one.netmask}", strict=False))
        for one in cloud[vlan_ip_ranges].by("network_id", network.id)
    ]
    if not any(address in IPv4Network(cidr) for cidr in within):
        raise InvalidValue(
            f"{ip} is not in {', '.join(within) or 'any subnet'} of network {network.name}: "
            "choose one that is"
        )


async def _default_network(
    zone_id: UUID, caller: Caller, account_id: UUID, domain_id: UUID
) -> UUID | None:
    """The only isolated network of the account, else the only shared one, else a new one.

    The first guests of an account may be deployed at once; all of them get the one new network.
    """
    turn = _TURNS.setdefault((account_id, zone_id), asyncio.Lock())
    async with turn:
        for fitting in _fitting(zone_id, caller.cloud, account_id, domain_id):
            if len(fitting) == 1:
                return fitting[0].id
            if fitting:
                names = ", ".join(network.name for network in fitting)
                raise InvalidValue(f"more than one network fits ({names}): say networkids")
        zone = caller.cloud[zones][zone_id]
        if zone.network_type == "Basic" or zone.security_groups_enabled:
            raise InvalidValue(
                f"zone {zone.name} has no shared network to be on: an administrator creates one"
            )
        if not any(_carries_guests(caller.cloud, row.id) for row in _wires(caller.cloud, zone_id)):
            return None
        if caller.dry_run:
            return None  # it would be made; the rest of the deploy is looked at without it
        return await _make_default(zone_id, caller, account_id, domain_id)


def _fitting(
    zone_id: UUID, cloud: Cloud, account_id: UUID, domain_id: UUID
) -> Iterator[list[Network]]:
    """The isolated networks of the account in the zone; then the shared ones that serve it.

    Where there are security groups those that have them come first. A tier of a VPC is never
    anybody's default.
    """
    mine = (n for n in cloud[networks].by("account_id", account_id) if n.vpc_id is None)
    yield [n for n in mine if n.zone_id == zone_id and n.guest_ip_type == "Isolated"]
    here = cloud[networks].by("zone_id", zone_id)
    shared = [n for n in here if n.guest_ip_type == "Shared"]
    shared = [n for n in shared if serves(n, cloud, account_id, domain_id)]
    if cloud[zones][zone_id].security_groups_enabled:
        yield [n for n in shared if "SecurityGroup" in n.services]
    yield shared


def _wires(cloud: Cloud, zone_id: UUID) -> list[PhysicalNetwork]:
    rows = cloud[physical_networks].by("zone_id", zone_id)
    return [row for row in rows if row.state == "Enabled"]


def _carries_guests(cloud: Cloud, physical_id: UUID) -> bool:
    carried = cloud[traffic_types].by("physical_network_id", physical_id)
    return any(one.traffic_type == "Guest" for one in carried)


async def _make_default(
    zone_id: UUID, caller: Caller, account_id: UUID, domain_id: UUID
) -> UUID | None:
    """An isolated network behind source NAT, as an account's first guest gets it."""
    cloud = caller.cloud
    offering = cloud[network_offerings].one("name", DEFAULT_OFFERING)
    if offering is None or offering.state != "Enabled":
        raise InvalidValue(
            f"zone {cloud[zones][zone_id].name} has no network to be on, and no network offering "
            f"{DEFAULT_OFFERING} to make one from: create a network and say networkids"
        )
    name = f"{cloud[accounts][account_id].name}-network"
    # The event list shall show a network being made, not a second guest.
    as_network = replace(caller, by=msgspec.structs.replace(caller.by, action="NETWORK.CREATE"))
    made: UUID = await as_network.decide(
        CreateNetwork(
            network_id=caller.new_id(),
            is_first=True,
            account_id=account_id,
            domain_id=domain_id,
            zone_id=zone_id,
            offering_id=offering.id,
            name=name,
            display_text=name,
        )
    )
    return made
