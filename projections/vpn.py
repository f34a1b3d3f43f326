"""Virtual private networks as they are read."""

from aggregates.vpn import (
    RemoteAccessVpn,
    VpnConnection,
    VpnCustomerGateway,
    VpnGateway,
    VpnUser,
)
from projections.table import table

_OWNER = ("account_id", "domain_id")

remote_access_vpns = table(
    RemoteAccessVpn, indexed=("public_ip_address_id", "network_id", "vpc_id", *_OWNER)
)
vpn_users = table(VpnUser, indexed=_OWNER)
vpn_gateways = table(VpnGateway, indexed=("vpc_id", "public_ip_address_id", *_OWNER))
vpn_customer_gateways = table(VpnCustomerGateway, indexed=("name", *_OWNER))
vpn_connections = table(
    VpnConnection, indexed=("vpn_gateway_id", "vpn_customer_gateway_id", "vpc_id", *_OWNER)
)

__all__ = [
    "RemoteAccessVpn",
    "VpnConnection",
    "VpnCustomerGateway",
    "VpnGateway",
    "VpnUser",
    "remote_access_vpns",
    "vpn_connections",
    "vpn_customer_gateways",
    "vpn_gateways",
    "vpn_users",
]
