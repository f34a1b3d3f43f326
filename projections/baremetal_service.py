"""What serves bare-metal machines, as it is read."""

from aggregates.baremetal_service import DHCP, PXE, BaremetalService
from projections.table import table

baremetal_services = table(BaremetalService, indexed=("physical_network_id",))

__all__ = ["DHCP", "PXE", "BaremetalService", "baremetal_services"]
