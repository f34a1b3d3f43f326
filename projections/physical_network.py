"""Physical networks as they are read."""

from aggregates.physical_network import PhysicalNetwork
from projections.table import table

physical_networks = table(PhysicalNetwork, indexed=("zone_id",))

__all__ = ["PhysicalNetwork", "physical_networks"]
