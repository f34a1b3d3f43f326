"""Rules of static NAT as they are read."""

from aggregates.ip_forwarding_rule import IpForwardingRule
from projections.table import table

ip_forwarding_rules = table(
    IpForwardingRule,
    indexed=(
        "account_id",
        "domain_id",
        "ip_address_id",
        "network_id",
        "vm_id",
    ),
)

__all__ = ["IpForwardingRule", "ip_forwarding_rules"]
