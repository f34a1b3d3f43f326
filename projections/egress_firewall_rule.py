"""Egress rules as they are read."""

from aggregates.egress_firewall_rule import EgressFirewallRule
from projections.table import table

egress_firewall_rules = table(
    EgressFirewallRule,
    indexed=(
        "account_id",
        "domain_id",
        "network_id",
    ),
)

__all__ = ["EgressFirewallRule", "egress_firewall_rules"]
