"""Network offerings as they are read."""

from aggregates.network_offering import NetworkOffering
from projections.table import table

network_offerings = table(NetworkOffering, indexed=("name",))

__all__ = ["NetworkOffering", "network_offerings"]
