"""Router elements as they are read."""

from aggregates.router_element import RouterElement
from projections.table import table

router_elements = table(RouterElement, indexed=("provider_id", "kind"))

__all__ = ["RouterElement", "router_elements"]
