"""System virtual machines as they are read."""

from aggregates.system_vm import SystemVm
from projections.table import table

system_vms = table(SystemVm, indexed=("zone_id",))

__all__ = ["SystemVm", "system_vms"]
