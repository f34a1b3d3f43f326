"""Access lists: their lines in order, and which tier uses which list."""

from __future__ import annotations

import hashlib

from aggregates.errors import Invalid, NotAllowed
from aggregates.network import NetworkAclReplaced
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import Proposed, claim, farewell, remove_parts, rule
from engine.decisions.traffic import settle_traffic, subnets
from engine.decisions.vpc import usable_in
from engine.intents.record import CreateRecord
from engine.intents.vpc import MoveAclItem, OwnNetworkAcl, ReplaceNetworkAcl
from projections.network import networks
from projections.network_acl import (
    NetworkAcl,
    NetworkAclItem,
    items_of,
    network_acl_items,
    network_acls,
)
from projections.vpc import vpcs

NUMBER_LAST = 65_535


@rule("network_acl")
def built_in_lists_stay(one: Proposed, desk: Desk) -> None:
    """A list has a name of its own within its VPC."""
    if one.row is not None:
        _changeable(one.row)
    if not one.changes("name"):
        return
    vpc = desk.row(vpcs, one["vpc_id"])
    claim("network_acl", {"vpc_id": vpc.id, "name": one["name"].casefold()}, one.id, desk)
    for other in desk.cloud[network_acls].by("vpc_id", vpc.id):
        if other.id != one.id and other.name.casefold() == one["name"].casefold():
            raise Invalid(
                f"VPC {vpc.name} has a network ACL list {other.name} already: choose another name",
                field="name",
            )


@farewell("network_acl")
def take_its_lines(row: NetworkAcl, desk: Desk) -> None:
    _changeable(row)
    remove_parts(desk, "network_acl_item", "network_acl_id", row.id)


@rule("network_acl_item")
def line_is_clear(one: Proposed, desk: Desk) -> None:
    """A line says one thing of one kind of traffic, at a place that no other line has."""
    acl = desk.row(network_acls, one["network_acl_id"])
    _changeable(acl)
    if one.changes("cidrs"):
        one.fields["cidrs"] = subnets(one["cidrs"] or ()) or ["0.0.0.0/0"]
    what = ("protocol", "start_port", "end_port", "icmp_type", "icmp_code")
    if one.changes(*what):
        said = {name: one[name] for name in what}
        settle_traffic(said)
        one.fields.update(said)
    lines = [row for row in items_of(desk.cloud, acl.id) if row.id != one.id]
    if one["number"] is None:
        one.fields["number"] = max((row.number for row in lines), default=0) + 1
    if one.changes("number"):
        claim("network_acl_item", {"network_acl_id": acl.id}, one.id, desk)
        _free(one["number"], lines, acl)


@farewell("network_acl_item")
def lines_of_built_in_lists_stay(row: NetworkAclItem, desk: Desk) -> None:
    _changeable(desk.row(network_acls, row.network_acl_id))


def _free(number: int, lines: list[NetworkAclItem], acl: NetworkAcl) -> None:
    if not 1 <= number <= NUMBER_LAST:
        raise Invalid(f"number {number} is none: lines go from 1 to {NUMBER_LAST}", field="number")
    if any(row.number == number for row in lines):
        raise Invalid(
            f"ACL item with number {number} already exists in list {acl.name}: choose another",
            field="number",
        )


def _changeable(acl: NetworkAcl) -> None:
    if acl.vpc_id is None:
        raise NotAllowed(f"access list {acl.name} is built in and stays: make one of your own")


@decision
def replace(ask: ReplaceNetworkAcl, desk: Desk) -> None:
    network, acl = desk.row(networks, ask.network_id), desk.row(network_acls, ask.network_acl_id)
    if network.vpc_id is None:
        raise NotAllowed(f"network {network.name} is no tier of a VPC: it has no access list")
    usable_in(acl, network.vpc_id)
    desk.guard(acl)
    if network.network_acl_id != acl.id:
        desk.change(network, NetworkAclReplaced(network_acl_id=acl.id))


@decision
def own(ask: OwnNetworkAcl, desk: Desk) -> None:
    network = desk.row(networks, ask.network_id)
    if network.vpc_id is None:
        raise NotAllowed(f"network {network.name} is no tier of a VPC: it has no access list")
    fields = {
        "name": ask.name,
        "description": f"made for network {network.name}",
        "vpc_id": network.vpc_id,
        "account_id": network.account_id,
        "domain_id": network.domain_id,
    }
    made = CreateRecord(kind="network_acl", id=ask.network_acl_id, fields=fields)
    record.create(made, desk)
    desk.change(network, NetworkAclReplaced(network_acl_id=ask.network_acl_id))


@decision
def move(ask: MoveAclItem, desk: Desk) -> None:
    """Give a line the number of its new place, and shift those behind it if none is free."""
    item = desk.row(network_acl_items, ask.id)
    acl = desk.row(network_acls, item.network_acl_id)
    _changeable(acl)
    lines = items_of(desk.cloud, acl.id)
    seen = hashlib.md5("".join(str(row.id) for row in lines).encode(), usedforsecurity=False)
    if ask.seen and ask.seen.lower() != seen.hexdigest():
        raise NotAllowed(
            f"access list {acl.name} has changed meanwhile: list it for its new aclconsistencyhash"
        )
    claim("network_acl_item", {"network_acl_id": acl.id}, item.id, desk)
    rest = [row for row in lines if row.id != item.id]
    place = _place(ask, rest)
    number = rest[place - 1].number + 1 if place else _first(rest)
    _renumber(item, number, desk)
    for row in rest[place:]:
        if row.number > number:
            break
        number += 1
        _renumber(row, number, desk)
    if number > NUMBER_LAST:
        raise Invalid(f"access list {acl.name} has no number left behind there", field="id")


def _first(rest: list[NetworkAclItem]) -> int:
    """The number of a line before all others: theirs, unless there is room before it."""
    return max(rest[0].number - 1, 1) if rest else 1


def _place(ask: MoveAclItem, rest: list[NetworkAclItem]) -> int:
    """How many lines come before the new place."""
    where = {row.id: index for index, row in enumerate(rest)}
    for name, one in (("previousaclruleid", ask.behind), ("nextaclruleid", ask.before)):
        if one is not None and one not in where:
            raise Invalid(f"{name} is not another line of the same list", field=name)
    if ask.behind is None and ask.before is None:
        raise Invalid("say where: previousaclruleid, nextaclruleid, or both", field="id")
    behind = where[ask.behind] + 1 if ask.behind is not None else None
    before = where[ask.before] if ask.before is not None else None
    if behind is not None and before is not None and behind != before:
        raise Invalid(
            "previousaclruleid and nextaclruleid are not next to each other: list them again",
            field="nextaclruleid",
        )
    return behind if behind is not None else before or 0


def _renumber(row: NetworkAclItem, number: int, desk: Desk) -> None:
    if row.number != number:
        desk.change(row, RECORDS["network_acl_item"].updated(changed={"number": number}))
