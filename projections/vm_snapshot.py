"""Snapshots of guests as they are read."""

from aggregates.vm_snapshot import VmSnapshot
from projections.table import table

vm_snapshots = table(VmSnapshot, indexed=("account_id", "domain_id", "vm_id"))

__all__ = ["VmSnapshot", "vm_snapshots"]
