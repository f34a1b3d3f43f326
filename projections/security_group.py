"""Security groups and their rules as they are read."""

from aggregates.security_group import DEFAULT_GROUP, SecurityGroup, SecurityGroupRule
from projections.table import table

security_groups = table(SecurityGroup, indexed=("account_id", "domain_id", "name"))
security_group_rules = table(
    SecurityGroupRule, indexed=("security_group_id", "peer_group_id", "account_id", "domain_id")
)

__all__ = [
    "DEFAULT_GROUP",
    "SecurityGroup",
    "SecurityGroupRule",
    "security_group_rules",
    "security_groups",
]
