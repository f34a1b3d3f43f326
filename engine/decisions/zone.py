"""Zones: a zone is born with MAC addresses of its own, so that no two guests anywhere share one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from aggregates.address import MAC_FIRST, MAC_LAST
from aggregates.errors import Exhausted, InUse, Invalid
from aggregates.image import WORDS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.address_space import close_space, open_space, spaces_of
from engine.decisions.ip4 import ip4
from engine.decisions.ipv6 import ip6
from engine.decisions.record import Proposed, rule
from engine.decisions.router import an_enabled_zone_has_its_system_vms
from engine.decisions.traffic import ip4_network
from engine.intents.record import CreateRecord, RemoveRecord
from engine.intents.zone import CreateZone, RemoveZone
from projections.addresses import address_spaces
from projections.table import TABLES
from projections.zone import zones

MACS_PER_ZONE = 1 << 22
RESOLVERS: dict[str, Callable[[str, str], Any]] = {
    "dns1": ip4,
    "dns2": ip4,
    "internal_dns1": ip4,
    "internal_dns2": ip4,
    "ip6_dns1": ip6,
    "ip6_dns2": ip6,
}


@decision
def create(ask: CreateZone, desk: Desk) -> None:
    record.create(CreateRecord(kind="zone", id=ask.id, fields=ask.fields), desk)
    first = _free_macs(desk)
    # Zones that are made at one moment find the same slice free: the later one looks again.
    record.claim("zone_macs", {"first": first}, ask.id, desk)
    last = first + MACS_PER_ZONE - 1
    open_space(desk, ask.mac_space_id, purpose="mac", zone_id=ask.id, first=first, last=last)


@decision
def remove(ask: RemoveZone, desk: Desk) -> None:
    _holds_no_image(ask.id, desk)
    for space in spaces_of(desk, "zone_id", ask.id, "mac"):
        close_space(desk, space, "MAC addresses of the zone")
    record.remove(RemoveRecord(kind="zone", id=ask.id), desk)


def _holds_no_image(zone_id: UUID, desk: Desk) -> None:
    for noun in WORDS:
        for image in desk.cloud[TABLES[noun]]:
            if image.copy_of(zone_id) is not None:
                raise InUse(
                    f"zone {desk.row(zones, zone_id).name} holds {noun} {image.name}: delete it "
                    "there first, with the zone's zoneid"
                )


@rule("zone")
def its_settings_are_usable(one: Proposed, desk: Desk) -> None:
    """Resolvers are addresses, and the guest CIDR is a subnet, when made and when changed."""
    for name, check in RESOLVERS.items():
        if one[name] and one.changes(name):
            check(one[name], name.replace("_", ""))
            one.fields[name] = one[name].strip()
    if one["guest_cidr"] and one.changes("guest_cidr"):
        subnet = ip4_network(one["guest_cidr"], "guestcidraddress")
        if subnet.prefixlen > 30:
            raise Invalid(
                f"guestcidraddress {subnet} has no room for guests: take at most 30 bits, as in "
                "10.1.1.0/24",
                field="guestcidraddress",
            )
        one.fields["guest_cidr"] = str(subnet)
        _has_isolated_networks(one)
    an_enabled_zone_has_its_system_vms(one, desk)


def _has_isolated_networks(one: Proposed) -> None:
    """Only isolated networks take the zone's subnet, and not every zone can have any."""
    basic = one["network_type"] == "Basic"
    if basic or one["security_groups_enabled"]:
        what = "a Basic zone" if basic else "a zone with security groups"
        raise Invalid(
            f"guestcidraddress is for isolated networks, which {what} has not: leave it out",
            field="guestcidraddress",
        )


def _free_macs(desk: Desk) -> int:
    """The lowest slice of MAC addresses that no zone has."""
    used = {one.first for one in desk.cloud[address_spaces].by("purpose", "mac")}
    for first in range(MAC_FIRST, MAC_LAST, MACS_PER_ZONE):
        if first not in used:
            return first
    raise Exhausted("every slice of MAC addresses belongs to a zone: remove a zone first")
