"""VLAN and address ranges as they are read."""

from aggregates.vlan_ip_range import VlanIpRange, space_of
from projections.table import table

vlan_ip_ranges = table(VlanIpRange, indexed=("zone_id", "network_id"))

__all__ = ["VlanIpRange", "space_of", "vlan_ip_ranges"]
