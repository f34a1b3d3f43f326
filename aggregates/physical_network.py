"""A physical network: the wires of a zone that traffic of some types runs on."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


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
