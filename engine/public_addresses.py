"""Public addresses: taken from the ranges that an account may use, and given back whole.

Decisions and sagas share this: a network takes an address for source NAT in the step that begins
its first guest, and a guest that is expunged takes its rules along.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

from aggregates.errors import AlreadyExists, Exhausted, Invalid
from aggregates.public_ip_address import PublicIpAddress
from aggregates.record import RECORDS
from aggregates.vlan_ip_range import VlanIpRange, space_of
from engine.decide import Desk
from engine.saga import Run
from projections.cloud import Cloud
from projections.domain import domains
from projections.setting import is_on, wider
from projections.vlan_ip_range import vlan_ip_ranges

At = Desk | Run[Any]

RESERVED, ALLOCATED = "Reserved", "Allocated"


EVERYBODYS = 2


def public_ranges(cloud: Cloud, zone_id: UUID) -> Iterator[VlanIpRange]:
    """The ranges of public addresses of a zone. There are few, however many addresses."""
    for one in cloud[vlan_ip_ranges].by("zone_id", zone_id):
        if one.for_virtual_network and one.network_id is None:
            yield one


def ranges_for(cloud: Cloud, zone_id: UUID, account_id: UUID, domain_id: UUID) -> list[VlanIpRange]:
    """Those an account may take from: its own first, its domains' next, everybody's last.

    A setting can keep who has ranges of its own from those of everybody.
    """
    path = cloud[domains][domain_id].path
    found: list[tuple[int, VlanIpRange]] = []
    for one in public_ranges(cloud, zone_id):
        if one.account_id is not None:
            order = 0 if one.account_id == account_id else None
        elif one.domain_id is not None:
            order = 1 if is_above(cloud, one.domain_id, path) else None
        else:
            order = EVERYBODYS
        if order is not None:
            found.append((order, one))
    if any(order < EVERYBODYS for order, _ in found):
        scopes = wider(cloud, "account", account_id)
        if not is_on(cloud, "use.system.public.ips", *scopes):
            found = [pair for pair in found if pair[0] < EVERYBODYS]
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def is_above(cloud: Cloud, domain_id: UUID, path: str) -> bool:
    """Is the domain the one at this path, or one that it is below?"""
    top = cloud[domains].get(domain_id)
    return top is not None and (path == top.path or path.startswith(top.path.rstrip("/") + "/"))


def take_public(
    at: At,
    row_id: UUID,
    *,
    account_id: UUID,
    domain_id: UUID,
    zone_id: UUID,
    wanted: str = "",
    **fields: Any,
) -> str:
    """Allocate one address: its number on the ledger and its row are one commit."""
    ranges = ranges_for(at.cloud, zone_id, account_id, domain_id)
    number = _number(wanted)
    if number is not None:
        _in_reach(ranges, wanted, number)
    spaces = {space_of(one.id): one for one in ranges}
    try:
        taken = at.world.allocator.take_address(
            list(spaces),
            row_id,
            holder=row_id,
            purpose="public_ip_address",
            wanted=number,
        )
    except AlreadyExists as held:
        raise AlreadyExists(f"address {wanted} is taken: choose another, or none") from held
    except Exhausted as full:
        raise Exhausted(
            "Insufficient address capacity: no public address is free in the zone; "
            "release one, or ask an administrator for another range"
        ) from full
    at.add(taken, row_id)
    of = spaces[taken.space_id]
    address = str(IPv4Address(taken.number))
    made = {
        "address": address,
        "account_id": account_id,
        "domain_id": domain_id,
        "zone_id": zone_id,
        "range_id": of.id,
    }
    at.create(row_id, RECORDS["public_ip_address"].create(made | fields))
    at.guard(of)
    return address


def free_public(at: At, row: PublicIpAddress) -> None:
    """Nobody has the address any more. Its rules are the caller's to remove first."""
    at.add(at.world.allocator.release_address(row.id), row.id)
    at.change(row, RECORDS["public_ip_address"].removed())


def _number(wanted: str) -> int | None:
    try:
        return int(IPv4Address(wanted)) if wanted else None
    except ValueError:
        raise Invalid(f"ipaddress {wanted!r} is no IPv4 address", field="ipaddress") from None


def _in_reach(ranges: list[VlanIpRange], wanted: str, number: int) -> None:
    """An address that is kept for others is refused as one that does not exist."""
    if not any(_holds(one, number) for one in ranges):
        raise Invalid(
            f"ipaddress {wanted} is in no range that this account may take from: "
            "listPublicIpAddresses with allocatedonly=false shows those that are free",
            field="ipaddress",
        )


def _holds(one: VlanIpRange, number: int) -> bool:
    return int(IPv4Address(one.start_ip)) <= number <= int(IPv4Address(one.end_ip))
