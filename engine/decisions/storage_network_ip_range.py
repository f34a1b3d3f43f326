"""Ranges of storage networks: within one subnet, on wires for storage, overlapping no other."""

from __future__ import annotations

from aggregates.errors import Invalid
from engine.decide import Desk
from engine.decisions.ip4 import ip4_range
from engine.decisions.record import Proposed, claim, rule
from projections.storage_network_ip_range import storage_network_ip_ranges
from projections.traffic_type import traffic_types

RANGE = ("gateway", "netmask", "start_ip", "end_ip")


@rule("storage_network_ip_range")
def it_is_a_range_of_its_own(one: Proposed, desk: Desk) -> None:
    wires = desk.cloud[traffic_types].by("physical_network_id", one["physical_network_id"])
    if not any(each.traffic_type == "Storage" for each in wires):
        raise Invalid("the zone has no wires that carry Storage traffic: addTrafficType first")
    if not one.changes(*RANGE):
        return
    wanted = ip4_range(**{name: one[name] for name in RANGE})
    wanted.leave_gateway_out()
    one.fields["end_ip"] = str(wanted.last)
    for other in desk.cloud[storage_network_ip_ranges].by("zone_id", one["zone_id"]):
        theirs = ip4_range(**{name: getattr(other, name) for name in RANGE})
        if other.id != one.id and theirs.overlaps(wanted):
            raise Invalid(f"the range {wanted} overlaps {theirs}: choose another", field="startip")
    claim("storage_ranges", {"zone": one["zone_id"]}, one.id, desk)
