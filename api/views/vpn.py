"""VPNs as the wire shows them. Shared keys are filled in by the lists alone."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Date, Roles, date, view
from api.views.owner import OwnedView, owner
from projections.public_ip_address import public_ip_addresses
from projections.vpc import vpcs
from projections.vpn import (
    RemoteAccessVpn,
    VpnConnection,
    VpnCustomerGateway,
    VpnGateway,
    VpnUser,
    vpn_customer_gateways,
    vpn_gateways,
)

for _kind in (
    "remote_access_vpn",
    "vpn_user",
    "vpn_gateway",
    "vpn_customer_gateway",
    "vpn_connection",
):
    noun(_kind, "owned")

ForDisplay = Annotated[bool | None, "whether its owner sees it", Roles("Admin")]


@view
class RemoteAccessVpnView(OwnedView, kw_only=True):
    """Where an account's VPN users dial in."""

    id: Annotated[UUID, "its id"]
    public_ip_id: Annotated[UUID, "the public address"]
    public_ip: Annotated[str | None, "that address in digits"] = None
    ip_range: Annotated[str, "addresses for those who dial in"]
    preshared_key: Annotated[str | None, "the key that all share; only lists tell it"] = None
    state: Annotated[str, "always Running"]
    for_display: ForDisplay = None

    @classmethod
    def of(cls, row: RemoteAccessVpn, cloud: Cloud) -> RemoteAccessVpnView:
        return cls(
            id=row.id,
            public_ip_id=row.public_ip_address_id,
            public_ip=_address(cloud, row.public_ip_address_id),
            ip_range=row.ip_range,
            state=row.state,
            for_display=row.is_displayed,
            **owner(row, cloud),
        )


@view
class VpnUserView(OwnedView, kw_only=True):
    """Somebody who may dial in."""

    id: Annotated[UUID, "its id"]
    username: Annotated[str, "the name to dial in with"]
    state: Annotated[str, "always Active"]

    @classmethod
    def of(cls, row: VpnUser, cloud: Cloud) -> VpnUserView:
        return cls(id=row.id, username=row.username, state=row.state, **owner(row, cloud))


@view
class VpnGatewayView(OwnedView, kw_only=True):
    """Our end of the tunnels of a VPC."""

    id: Annotated[UUID, "its id"]
    public_ip: Annotated[str | None, "its public address"] = None
    vpc_id: Annotated[UUID, "the VPC"]
    vpc_name: Annotated[str | None, "the name of the VPC"] = None
    for_display: ForDisplay = None

    @classmethod
    def of(cls, row: VpnGateway, cloud: Cloud) -> VpnGatewayView:
        vpc = cloud[vpcs].get(row.vpc_id)
        return cls(
            id=row.id,
            public_ip=_address(cloud, row.public_ip_address_id),
            vpc_id=row.vpc_id,
            vpc_name=None if vpc is None else vpc.name,
            for_display=row.is_displayed,
            **owner(row, cloud),
        )


class AgreementView(OwnedView, kw_only=True):
    """How both ends of a tunnel agree."""

    gateway: Annotated[str | None, "the other end's address or name"] = None
    cidr_list: Annotated[str | None, "the subnets behind it, with commas"] = None
    ipsec_psk: Annotated[str | None, "the key that both share; only lists tell it"] = None
    ike_policy: Annotated[str | None, "ciphers, hashes and groups of phase one"] = None
    esp_policy: Annotated[str | None, "those of phase two"] = None
    ike_lifetime: Annotated[int | None, "seconds until phase one is renewed"] = None
    esp_lifetime: Annotated[int | None, "seconds until phase two is renewed"] = None
    ike_version: Annotated[str | None, "ike, ikev1 or ikev2"] = None
    dpd: Annotated[bool | None, "whether a dead other end is noticed"] = None
    force_encap: Annotated[bool | None, "whether packets always go in UDP"] = None
    split_connections: Annotated[bool | None, "whether each subnet has a tunnel of its own"] = None


def _agreement(row: VpnCustomerGateway | None) -> dict[str, Any]:
    """Those fields for the other end."""
    if row is None:
        return {}
    names = ("gateway", "ike_policy", "esp_policy", "ike_version", "dpd", "force_encap")
    return {name: getattr(row, name) for name in (*names, "split_connections")} | {
        "cidr_list": ",".join(row.cidrs),
        "ike_lifetime": row.ike_lifetime_s,
        "esp_lifetime": row.esp_lifetime_s,
    }


@view
class VpnCustomerGatewayView(AgreementView, kw_only=True):
    """The other end of tunnels."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: VpnCustomerGateway, cloud: Cloud) -> VpnCustomerGatewayView:
        return cls(
            id=row.id,
            name=row.name,
            has_annotations=False,
            **_agreement(row),
            **owner(row, cloud),
        )


@view
class VpnConnectionView(AgreementView, kw_only=True):
    """A tunnel between a VPC and another site."""

    id: Annotated[UUID, "its id"]
    s2s_vpn_gateway_id: Annotated[UUID, "our end"]
    public_ip: Annotated[str | None, "our end's address"] = None
    s2s_customer_gateway_id: Annotated[UUID, "the other end"]
    passive: Annotated[bool, "whether the other end begins"]
    state: Annotated[str, "Connected or Disconnected"]
    created: Annotated[Date, "when it was made"]
    for_display: ForDisplay = None

    @classmethod
    def of(cls, row: VpnConnection, cloud: Cloud) -> VpnConnectionView:
        ours = cloud[vpn_gateways].get(row.vpn_gateway_id)
        return cls(
            id=row.id,
            s2s_vpn_gateway_id=row.vpn_gateway_id,
            public_ip=None if ours is None else _address(cloud, ours.public_ip_address_id),
            s2s_customer_gateway_id=row.vpn_customer_gateway_id,
            passive=row.passive,
            state=row.state,
            created=date(row.created_at_ms),
            for_display=row.is_displayed,
            **_agreement(cloud[vpn_customer_gateways].get(row.vpn_customer_gateway_id)),
            **owner(row, cloud),
        )


def _address(cloud: Cloud, address_id: UUID) -> str | None:
    row = cloud[public_ip_addresses].get(address_id)
    return None if row is None else row.address
