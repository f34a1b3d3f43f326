"""Port forwarding rules as they are read."""

from aggregates.port_forwarding_rule import PortForwardingRule
from projections.table import table

port_forwarding_rules = table(
    PortForwardingRule,
    indexed=(
        "account_id",
        "domain_id",
        "ip_address_id",
        "network_id",
        "vm_id",
    ),
)

__all__ = ["PortForwardingRule", "port_forwarding_rules"]
