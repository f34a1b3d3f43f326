"""IPv6 prefixes and rules as they are read."""

from aggregates.ipv6 import SUBNET_BITS, GuestIpv6Prefix, Ipv6FirewallRule
from projections.table import table

guest_ipv6_prefixes = table(GuestIpv6Prefix, indexed=("zone_id",))
ipv6_firewall_rules = table(Ipv6FirewallRule, indexed=("network_id", "account_id", "domain_id"))

__all__ = [
    "SUBNET_BITS",
    "GuestIpv6Prefix",
    "Ipv6FirewallRule",
    "guest_ipv6_prefixes",
    "ipv6_firewall_rules",
]
