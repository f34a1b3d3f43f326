"""Service offerings as they are read."""

from aggregates.service_offering import ServiceOffering
from projections.table import table

service_offerings = table(ServiceOffering, indexed=("name",))

__all__ = ["ServiceOffering", "service_offerings"]
