"""Zones: a zone is born with MAC addresses of its own, so that no two guests anywhere share one."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Any

from aggregates.address import MAC_FIRST, MAC_LAST
from aggregates.errors import Exhausted, Invalid
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.address_space import close_space, open_space, spaces_of
from engine.decisions.ip4 import ip4
from engine.intents.record import CreateRecord, RemoveRecord
from engine.intents.zone import CreateZone, RemoveZone
from projections.addresses import address_spaces

MACS_PER_ZONE = 1 << 22


@decision
def create(ask: CreateZone, desk: Desk) -> None:
    check_fields(ask.fields)
    _no_guest_cidr(ask.fields)
    record.create(CreateRecord(kind="zone", id=ask.id, fields=ask.fields), desk)
    first = _free_macs(desk)
    last = first + MACS_PER_ZONE - 1
    open_space(desk, ask.mac_space_id, purpose="mac", zone_id=ask.id, first=first, last=last)


@decision
def remove(ask: RemoveZone, desk: Desk) -> None:
    for space in spaces_of(desk, "zone_id", ask.id, "mac"):
        close_space(desk, space, "MAC addresses of the zone")
    record.remove(RemoveRecord(kind="zone", id=ask.id), desk)


def check_fields(fields: dict[str, Any]) -> None:
    """Resolvers are addresses, and the guest CIDR is a subnet."""
    for name, wire in (
        ("dns1", "dns1"),
        ("dns2", "dns2"),
        ("internal_dns1", "internaldns1"),
        ("internal_dns2", "internaldns2"),
    ):
        if fields.get(name):
            ip4(fields[name], wire)
    cidr = fields.get("guest_cidr")
    try:
        if cidr:
            IPv4Network(cidr, strict=True)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        text = f"guestcidraddress {cidr!r} is no subnet such as 10.1.1.0/24: {error}"
        raise Invalid(text, field="guestcidraddress") from None


def _no_guest_cidr(fields: dict[str, Any]) -> None:
    """Only isolated networks take the zone's subnet, and not every zone can have any."""
    basic, grouped = fields["network_type"] == "Basic", fields.get("security_groups_enabled")
    if fields.get("guest_cidr") and (basic or grouped):
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
