"""Access lists: which traffic passes between a tier of a VPC and everything else, in order."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

ALLOW_ALL, DENY_ALL = "default_allow", "default_deny"


@record(
    "network_acl",
    references={"account_id": "account", "domain_id": "domain", "vpc_id": "vpc"},
)
class NetworkAcl(Aggregate):
    """A list belongs to a VPC, and is its owner's. The two built-in ones are everybody's to use."""

    name: str
    description: str = ""
    vpc_id: UUID | None = None
    account_id: UUID | None = None
    domain_id: UUID | None = None
    is_displayed: bool = True


@record("network_acl_item", references={"network_acl_id": "network_acl"})
class NetworkAclItem(Aggregate):
    """One line of a list. Lines are tried by ascending `number`; the first that fits decides.

    An icmp type of -1 is every type. No ports are all ports.
    """

    network_acl_id: UUID
    number: int
    protocol: str
    cidrs: list[str]
    account_id: UUID | None = None
    domain_id: UUID | None = None
    action: str = "Allow"
    traffic_type: str = "Ingress"
    start_port: int | None = None
    end_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    reason: str = ""
    is_displayed: bool = True
