"""A physical network: the wires of a zone that traffic of some types runs on."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.errors import Invalid
from aggregates.record import record

VNI_LAST = 16_777_214


@record("physical_network", unique=(("zone_id", "name"),), references={"zone_id": "zone"})
class PhysicalNetwork(Aggregate):
    """`vlans` are ranges such as `100-199` that isolated networks take their VLAN from."""

    zone_id: UUID
    name: str
    state: str = "Disabled"
    vlans: str = ""
    isolation_methods: str = ""
    broadcast_domain_range: str = "ZONE"
    network_speed: str = ""
    tags: str = ""
    domain_id: UUID | None = None


def vlan_ranges(text: str) -> list[tuple[int, int]]:
    """`100-199,300` as ranges of numbers; a single number is a range of one."""
    found = []
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if not part:
            continue
        if not first.isdecimal() or not (last or first).isdecimal():
            raise Invalid(f"vlan {part!r} is no range such as 100-199", field="vlan")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= VNI_LAST:
            raise Invalid(f"vlan {part!r} is not an ascending range from 1 on", field="vlan")
        found.append((low, high))
    if sum(high - low + 1 for low, high in found) > 100_000:
        raise Invalid(f"vlan {text!r} names more than 100,000 networks", field="vlan")
    return found
