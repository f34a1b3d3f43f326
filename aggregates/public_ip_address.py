"""A public address while somebody has it: whose it is, and which network or guest it serves."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "public_ip_address",
    references={
        "account_id": "account",
        "domain_id": "domain",
        "zone_id": "zone",
        "range_id": "vlan_ip_range",
        "network_id": "network",
        "vpc_id": "vpc",
        "vm_id": "vm",
    },
)
class PublicIpAddress(Aggregate):
    """Its number is held on the ledger of its range under the row's own id.

    With static NAT `vm_id` and `vm_ip` say which guest's address it stands for. A reserved one is
    kept for its owner and serves nothing yet.
    """

    address: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    range_id: UUID
    network_id: UUID | None = None
    vpc_id: UUID | None = None
    is_source_nat: bool = False
    vm_id: UUID | None = None
    vm_network_id: UUID | None = None
    vm_ip: str = ""
    is_displayed: bool = True
    state: str = "Allocated"

    @property
    def is_static_nat(self) -> bool:
        return self.vm_id is not None
