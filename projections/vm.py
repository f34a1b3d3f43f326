"""Virtual machines as they are read."""

from aggregates.vm import Vm, VmState
from projections.table import table

vms = table(
    Vm, indexed=("account_id", "domain_id", "zone_id", "host_id", "state", "name", "iso_id")
)

__all__ = ["Vm", "VmState", "vms"]
