"""Public addresses as they are read."""

from aggregates.public_ip_address import PublicIpAddress
from projections.table import table

public_ip_addresses = table(
    PublicIpAddress,
    indexed=(
        "account_id",
        "domain_id",
        "zone_id",
        "network_id",
        "vpc_id",
        "vm_id",
        "range_id",
        "address",
    ),
)

__all__ = ["PublicIpAddress", "public_ip_addresses"]
