"""Datacentres of vCenters as they are read."""

from aggregates.vmware_dc import VmwareDc
from projections.table import table

vmware_dcs = table(VmwareDc, indexed=("zone_id",))

__all__ = ["VmwareDc", "vmware_dcs"]
