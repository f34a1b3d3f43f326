"""Ranges of public and of shared-network addresses: within one subnet, overlapping no other."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

from aggregates.errors import Invalid
from aggregates.vlan_ip_range import VlanIpRange, space_of
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.address_space import close_space, open_space, resize_space, spaces_of
from engine.decisions.ip4 import Ip4Range, ip4_range
from engine.decisions.ipv6 import settle_ip6
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.vlan_ip_range import CreateVlanIpRange, RemoveVlanIpRange, UpdateVlanIpRange
from projections.addresses import address_spaces
from projections.network import networks
from projections.physical_network import physical_networks
from projections.pod import pods
from projections.vlan_ip_range import vlan_ip_ranges
from projections.zone import zones

RANGE = ("gateway", "netmask", "start_ip", "end_ip")


@decision
def create(ask: CreateVlanIpRange, desk: Desk) -> None:
    fields = dict(ask.fields)
    wanted = _range(fields)
    wanted.leave_gateway_out()
    settle_ip6(fields)
    _fits_zone(desk, fields)
    _fits_network(desk, fields)
    record.create(CreateRecord(kind="vlan_ip_range", id=ask.id, fields=fields), desk)
    _no_overlap(desk, ask.id, fields, wanted)
    _no_guest_vlan(desk, fields)
    public = fields.get("network_id") is None and fields.get("for_virtual_network", True)
    open_space(
        desk,
        space_of(ask.id),
        purpose="public_ip4" if public else "guest_ip4",
        zone_id=fields["zone_id"],
        pod_id=fields.get("pod_id"),
        network_id=fields.get("network_id"),
        physical_network_id=fields.get("physical_network_id"),
        first=int(wanted.first),
        last=int(wanted.last),
    )


@decision
def update(ask: UpdateVlanIpRange, desk: Desk) -> None:
    row = desk.row(vlan_ip_ranges, ask.id)
    record.update(UpdateRecord(kind="vlan_ip_range", id=row.id, fields=ask.fields), desk)
    after = fields_of(row) | ask.fields
    if any(after[name] != getattr(row, name) for name in RANGE):
        wanted = _range(after)
        wanted.leave_gateway_out()
        _no_overlap(desk, row.id, after, wanted)
        space = desk.row(address_spaces, space_of(row.id))
        resize_space(desk, space, int(wanted.first), int(wanted.last), ())


@decision
def remove(ask: RemoveVlanIpRange, desk: Desk) -> None:
    row = desk.row(vlan_ip_ranges, ask.id)
    space = desk.row(address_spaces, space_of(row.id))
    close_space(desk, space, f"addresses {row.start_ip}-{row.end_ip}")
    record.remove(RemoveRecord(kind="vlan_ip_range", id=row.id), desk)


def _fits_zone(desk: Desk, fields: dict[str, Any]) -> None:
    """In a Basic zone each pod has a range of its own: guests are on its hosts."""
    zone, pod_id = desk.row(zones, fields["zone_id"]), fields.get("pod_id")
    public = fields.get("network_id") is None and fields.get("for_virtual_network", True)
    if pod_id is not None and desk.row(pods, pod_id).zone_id != zone.id:
        raise Invalid(f"podid names a pod of another zone than {zone.name}", field="podid")
    if zone.network_type != "Basic":
        if pod_id is not None:
            raise Invalid(f"zone {zone.name} is Advanced: leave podid out", field="podid")
        return
    if public and not zone.security_groups_enabled:
        raise Invalid(
            f"zone {zone.name} is Basic: its guests have addresses of its network; say "
            "forvirtualnetwork=false",
            field="forvirtualnetwork",
        )
    if not public and pod_id is None:
        raise Invalid(f"zone {zone.name} is Basic: a range is for a pod; give podid", field="podid")
    if str(fields.get("vlan") or "untagged").removeprefix("vlan://") != "untagged":
        raise Invalid(f"zone {zone.name} is Basic: its networks have no VLAN", field="vlan")


def _fits_network(desk: Desk, fields: dict[str, Any]) -> None:
    """Guests of an isolated network have all of its subnet already."""
    network = desk.cloud[networks].get(fields.get("network_id"))
    if network is None:
        return
    if network.guest_ip_type != "Shared":
        raise Invalid(
            f"network {network.name} is {network.guest_ip_type}, and ranges are added to shared "
            "ones: name one of those",
            field="networkid",
        )
    if network.zone_id != fields["zone_id"]:
        said = f"network {network.name} is in another zone: leave zoneid out"
        raise Invalid(said, field="zoneid")
    own = str(network.vlan or "untagged")
    if str(fields.get("vlan") or own) != own:
        raise Invalid(f"network {network.name} is on VLAN {own}: leave vlan out", field="vlan")


def fields_of(row: VlanIpRange) -> dict[str, Any]:
    """What decides whether two ranges may live together."""
    names = ("zone_id", "vlan", "network_id", "pod_id", "for_virtual_network", *RANGE)
    return {name: getattr(row, name) for name in names}


def _range(fields: dict[str, Any]) -> Ip4Range:
    return ip4_range(**{name: str(fields.get(name) or "") for name in RANGE})


def _no_overlap(desk: Desk, range_id: UUID, fields: dict[str, Any], wanted: Ip4Range) -> None:
    """No address belongs to two ranges of a zone's public addresses, or of one network.

    Two ranges at one moment both claim what they are of, so that the later one sees the other.
    """
    whose = {"zone_id": fields["zone_id"], "network_id": fields.get("network_id")}
    record.claim("vlan_ip_range", whose, range_id, desk)
    for other in desk.cloud[vlan_ip_ranges].by("zone_id", fields["zone_id"]):
        same = other.network_id == fields.get("network_id")
        if other.id == range_id or not same:
            continue
        theirs = _range(fields_of(other))
        if theirs.overlaps(wanted):
            raise Invalid(
                f"the range {wanted} overlaps {theirs} on VLAN {other.vlan}: choose another",
                field="startip",
            )
    network = desk.cloud[networks].get(fields.get("network_id"))
    if network is None or not network.start_ip:
        return
    first, last = IPv4Address(network.start_ip), IPv4Address(network.end_ip)
    if first <= wanted.last and wanted.first <= last:
        raise Invalid(
            f"the range {wanted} overlaps {first}-{last} of network {network.name}: choose another",
            field="startip",
        )


def _no_guest_vlan(desk: Desk, fields: dict[str, Any]) -> None:
    """A VLAN that isolated networks may be given cannot carry public addresses as well."""
    tag = str(fields.get("vlan", "")).removeprefix("vlan://")
    if not tag.isdecimal() or fields.get("network_id") is not None:
        return
    for network in desk.cloud[physical_networks].by("zone_id", fields["zone_id"]):
        for space in spaces_of(desk, "physical_network_id", network.id, "vlan"):
            if space.first <= int(tag) <= space.last:
                raise Invalid(
                    f"VLAN {tag} is kept for isolated networks on physical network "
                    f"{network.name}: choose one outside {network.vlans}",
                    field="vlan",
                )
