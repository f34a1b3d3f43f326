"""Private gateways and static routes as they are read."""

from aggregates.private_gateway import PrivateGateway, StaticRoute
from projections.table import table

private_gateways = table(PrivateGateway, indexed=("vpc_id", "zone_id", "account_id", "domain_id"))
static_routes = table(
    StaticRoute, indexed=("vpc_id", "private_gateway_id", "account_id", "domain_id")
)

__all__ = ["PrivateGateway", "StaticRoute", "private_gateways", "static_routes"]
