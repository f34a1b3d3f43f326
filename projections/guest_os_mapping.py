"""What hypervisors call guest operating systems, as it is read."""

from aggregates.guest_os_mapping import GuestOsMapping
from projections.table import table

guest_os_mappings = table(GuestOsMapping, indexed=("os_type_id",))

__all__ = ["GuestOsMapping", "guest_os_mappings"]
