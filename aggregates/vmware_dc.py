"""A datacentre of a vCenter that a zone's ESXi hosts come from. Its password is sealed."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("vmware_dc", unique=("zone_id", ("vcenter", "name")), references={"zone_id": "zone"})
class VmwareDc(Aggregate):
    """`vcenter` is its name or address, with a port if it is not the usual one; `pin` is the
    fingerprint of a certificate that nobody vouches for."""

    zone_id: UUID
    name: str
    vcenter: str
    pin: str = ""
    username: str = ""
    password_ref: str = ""
