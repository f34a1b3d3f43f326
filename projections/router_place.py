"""Where routers run, and where something of one may still be."""

from aggregates.router_place import RouterPlace
from projections.table import table

router_places = table(RouterPlace, indexed=("router_id", "host_id"))

__all__ = ["RouterPlace", "router_places"]
