"""A pod: a part of a zone with one management subnet, often a rack."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("pod", unique=(("zone_id", "name"),), references={"zone_id": "zone"})
class Pod(Aggregate):
    """Addresses from `start_ip` to `end_ip` serve system VMs; hosts have their own."""

    zone_id: UUID
    name: str
    gateway: str
    netmask: str
    start_ip: str
    end_ip: str = ""
    allocation_state: str = "Enabled"
