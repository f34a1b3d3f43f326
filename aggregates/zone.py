"""A zone: one data centre, the largest unit of the cloud."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("zone", unique=("name",), references={"domain_id": "domain"})
class Zone(Aggregate):
    """A new zone is Disabled: tenants deploy into it once an admin has enabled it."""

    name: str
    network_type: str
    dns1: str
    internal_dns1: str
    dns2: str = ""
    internal_dns2: str = ""
    ip6_dns1: str = ""
    ip6_dns2: str = ""
    guest_cidr: str = ""
    domain: str = ""
    domain_id: UUID | None = None
    security_groups_enabled: bool = False
    local_storage_enabled: bool = False
    is_edge: bool = False
    allocation_state: str = "Disabled"
    token: str = ""
