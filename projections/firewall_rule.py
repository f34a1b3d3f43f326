"""Firewall rules as they are read."""

from aggregates.firewall_rule import FirewallRule
from projections.table import table

firewall_rules = table(
    FirewallRule,
    indexed=(
        "account_id",
        "domain_id",
        "ip_address_id",
        "network_id",
        "opened_for",
    ),
)

__all__ = ["FirewallRule", "firewall_rules"]
