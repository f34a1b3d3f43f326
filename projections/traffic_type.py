"""Traffic types as they are read."""

from aggregates.traffic_type import TrafficType
from projections.table import table

traffic_types = table(TrafficType, indexed=("physical_network_id",))

__all__ = ["TrafficType", "traffic_types"]
