"""Virtual private networks: people who dial in, and other sites that a VPC is joined with.

Shared keys and passwords lie in the vault; rows hold the ids of their entries.
"""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

_OWNER = {"account_id": "account", "domain_id": "domain"}


@record(
    "remote_access_vpn",
    unique=("public_ip_address_id",),
    references=_OWNER
    | {"public_ip_address_id": "public_ip_address", "network_id": "network", "vpc_id": "vpc"},
)
class RemoteAccessVpn(Aggregate):
    """Where the owner's VPN users dial in. Each is given an address of `ip_range`."""

    account_id: UUID
    domain_id: UUID
    public_ip_address_id: UUID
    ip_range: str
    psk_ref: str
    network_id: UUID | None = None
    vpc_id: UUID | None = None
    is_displayed: bool = True
    state: str = "Running"


@record("vpn_user", unique=(("account_id", "username"),), references=_OWNER)
class VpnUser(Aggregate):
    """Somebody who may dial in to each remote access VPN of the account."""

    account_id: UUID
    domain_id: UUID
    username: str
    password_ref: str
    state: str = "Active"


@record(
    "vpn_gateway",
    unique=("vpc_id",),
    references=_OWNER | {"vpc_id": "vpc", "public_ip_address_id": "public_ip_address"},
)
class VpnGateway(Aggregate):
    """Our end of the tunnels of a VPC: one of its public addresses."""

    account_id: UUID
    domain_id: UUID
    vpc_id: UUID
    public_ip_address_id: UUID
    is_displayed: bool = True


@record("vpn_customer_gateway", unique=(("account_id", "name"),), references=_OWNER)
class VpnCustomerGateway(Aggregate):
    """The other end of tunnels: where it is, what lies behind it, and how both ends agree.

    Policies are as people write them: `aes128-sha1;modp1536`, several with commas.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    gateway: str
    cidrs: list[str]
    psk_ref: str
    ike_policy: str
    esp_policy: str
    ike_lifetime_s: int = 86_400
    esp_lifetime_s: int = 3_600
    dpd: bool = False
    force_encap: bool = False
    split_connections: bool = False
    ike_version: str = "ike"


@record(
    "vpn_connection",
    unique=(("vpn_gateway_id", "vpn_customer_gateway_id"),),
    references=_OWNER
    | {
        "vpc_id": "vpc",
        "vpn_gateway_id": "vpn_gateway",
        "vpn_customer_gateway_id": "vpn_customer_gateway",
    },
)
class VpnConnection(Aggregate):
    """A tunnel between a VPC and another site. A passive one waits for the other end to begin."""

    account_id: UUID
    domain_id: UUID
    vpc_id: UUID
    vpn_gateway_id: UUID
    vpn_customer_gateway_id: UUID
    passive: bool = False
    is_displayed: bool = True
    state: str = "Disconnected"
