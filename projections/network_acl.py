"""Access lists and their items as they are read."""

from collections.abc import Iterable
from uuid import UUID

from aggregates.network_acl import ALLOW_ALL, DENY_ALL, NetworkAcl, NetworkAclItem
from projections.cloud import Cloud
from projections.table import table

network_acls = table(NetworkAcl, indexed=("vpc_id", "account_id", "domain_id", "name"))
network_acl_items = table(NetworkAclItem, indexed=("network_acl_id", "account_id", "domain_id"))


def items_of(cloud: Cloud, acl_id: UUID) -> list[NetworkAclItem]:
    """The lines of a list in the order in which they are tried."""
    found: Iterable[NetworkAclItem] = cloud[network_acl_items].by("network_acl_id", acl_id)
    return sorted(found, key=lambda one: one.number)


__all__ = [
    "ALLOW_ALL",
    "DENY_ALL",
    "NetworkAcl",
    "NetworkAclItem",
    "items_of",
    "network_acl_items",
    "network_acls",
]
