"""Tunnels between VPCs and other sites: both ends, and the tunnel itself."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.declare import Caller, Job, Length, Names, OneOf, Page, Roles, Success, Wire, command, part
from api.lists import Displayed, Filter, list_command
from api.revealed import with_secrets
from api.scope import owner_for
from api.views.vpn import VpnConnectionView, VpnCustomerGatewayView, VpnGatewayView
from engine.intents.vpn import ChangeCustomerGateway, RemoveCustomerGateway
from projections.vpc import vpcs
from projections.vpn import vpn_connections, vpn_customer_gateways, vpn_gateways

OURS, OTHER, TUNNEL = "vpn_gateway", "vpn_customer_gateway", "vpn_connection"
LONG = Wire(type="long")
ForDisplay = Annotated[bool | None, "whether its owner sees it", Roles("Admin")]


@command(
    "createVpnGateway",
    returns=VpnGatewayView,
    key="vpngateway",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VPN.S2S.VPN.GATEWAY.CREATE",
)
class CreateVpnGateway:
    """Let tunnels end at a public address of a VPC; at its source NAT address if none is said."""

    vpc_id: Annotated[UUID, "the VPC", Names("vpc", right="operate")]
    ip_address_id: Annotated[
        UUID | None, "another address of the VPC", Names("public_ip_address", right="operate")
    ] = None
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        vpc = caller.cloud[vpcs][self.vpc_id]
        fields = {
            "vpc_id": vpc.id,
            "account_id": vpc.account_id,
            "domain_id": vpc.domain_id,
            "public_ip_address_id": self.ip_address_id,
            "is_displayed": self.for_display is not False,
        }
        return await records.create(caller, OURS, fields)


@command(
    "updateVpnGateway",
    returns=VpnGatewayView,
    key="vpngateway",
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.VPN.GATEWAY.UPDATE",
)
class UpdateVpnGateway(KeepsId):
    """Show a VPN gateway to its owner, or hide it."""

    id: Annotated[UUID, "the gateway", Names(OURS, right="operate")]
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, OURS, self.id, fields)


@command(
    "deleteVpnGateway",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.VPN.GATEWAY.DELETE",
)
class DeleteVpnGateway:
    """Delete a VPN gateway that no tunnel ends at."""

    id: Annotated[UUID, "the gateway", Names(OURS, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, OURS, self.id)


@list_command(
    "listVpnGateways", view=VpnGatewayView, table=vpn_gateways, key="vpngateway", keyword=()
)
class ListVpnGateways(Displayed):
    """List VPN gateways."""

    vpc_id: Annotated[UUID | None, "the one of this VPC", Names("vpc", right="see")] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None


@part
class Agreement:
    """What both ends of a tunnel must agree on."""

    gateway: Annotated[str, "the other end's address or host name"]
    cidr_list: Annotated[str, "the subnets behind it, with commas", Length(4096)]
    ipsec_psk: Annotated[str, "the key that both share"]
    ike_policy: Annotated[str, "phase one, such as aes128-sha1;modp1536"]
    esp_policy: Annotated[str, "phase two, such as aes128-sha1;modp1536"]
    name: Annotated[str | None, "its name; from its address if omitted"] = None
    ike_lifetime: Annotated[int | None, "seconds until phase one is renewed; 86400", LONG] = None
    esp_lifetime: Annotated[int | None, "seconds until phase two is renewed; 3600", LONG] = None
    ike_version: Annotated[
        str | None, "ike (either), ikev1 or ikev2", OneOf("ike", "ikev1", "ikev2")
    ] = None
    dpd: Annotated[bool | None, "notice a dead other end"] = None
    force_encap: Annotated[bool | None, "always send packets in UDP"] = None
    split_connections: Annotated[bool | None, "a tunnel of its own for each subnet"] = None

    async def agreed(self, caller: Caller) -> dict[str, Any]:
        """The fields of the other end. The key is sealed before anybody else sees it."""
        names = ("gateway", "ike_policy", "esp_policy", "dpd", "force_encap", "split_connections")
        lifetimes = {"ike_lifetime_s": "ike_lifetime", "esp_lifetime_s": "esp_lifetime"}
        return records.given(self, *names, **lifetimes) | {
            "name": self.name or f"VPN-{self.gateway}",
            "ike_version": self.ike_version or "ike",
            "cidrs": [one.strip() for one in self.cidr_list.split(",") if one.strip()],
            "psk_ref": await caller.seal(self.ipsec_psk),
        }


@command(
    "createVpnCustomerGateway",
    returns=VpnCustomerGatewayView,
    key="vpncustomergateway",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VPN.S2S.CUSTOMER.GATEWAY.CREATE",
)
class CreateVpnCustomerGateway(Agreement):
    """Describe the other end of tunnels."""

    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> Job:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        fields = {"account_id": account_id, "domain_id": domain_id}
        return await records.create(caller, OTHER, fields | await self.agreed(caller))


@command(
    "updateVpnCustomerGateway",
    returns=VpnCustomerGatewayView,
    key="vpncustomergateway",
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.CUSTOMER.GATEWAY.UPDATE",
)
class UpdateVpnCustomerGateway(Agreement):
    """Describe the other end of tunnels anew; a key that is replaced is forgotten for good."""

    id: Annotated[UUID, "the other end", Names(OTHER, right="operate")]
    account: Annotated[str | None, "ignored: its owner stays"] = None
    domain_id: Annotated[UUID | None, "ignored", Names("domain", "see")] = None

    async def run(self, caller: Caller) -> Job:
        row = caller.cloud[vpn_customer_gateways][self.id]
        fields = await self.agreed(caller)
        if not self.name:
            fields["name"] = row.name
        return await caller.submit(ChangeCustomerGateway(id=self.id, fields=fields))


@command(
    "deleteVpnCustomerGateway",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.CUSTOMER.GATEWAY.DELETE",
)
class DeleteVpnCustomerGateway:
    """Forget the other end of tunnels, once no tunnel leads there."""

    id: Annotated[UUID, "the other end", Names(OTHER, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(RemoveCustomerGateway(id=self.id))


@list_command(
    "listVpnCustomerGateways",
    view=VpnCustomerGatewayView,
    table=vpn_customer_gateways,
    key="vpncustomergateway",
    keyword=("name", "gateway"),
)
class ListVpnCustomerGateways:
    """List the other ends of tunnels with their shared keys."""

    async def run(self, caller: Caller) -> Page:
        return await with_secrets(self, caller, "ipsec_psk", "psk_ref")


@command(
    "createVpnConnection",
    returns=VpnConnectionView,
    key="vpnconnection",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VPN.S2S.CONNECTION.CREATE",
)
class CreateVpnConnection:
    """Make a tunnel between a VPC and another site."""

    s2s_vpn_gateway_id: Annotated[UUID, "our end", Names(OURS, right="operate")]
    s2s_customer_gateway_id: Annotated[UUID, "the other end", Names(OTHER, right="operate")]
    passive: Annotated[bool | None, "let the other end begin"] = None
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        ours = caller.cloud[vpn_gateways][self.s2s_vpn_gateway_id]
        fields = {
            "vpn_gateway_id": ours.id,
            "vpn_customer_gateway_id": self.s2s_customer_gateway_id,
            "vpc_id": ours.vpc_id,
            "account_id": ours.account_id,
            "domain_id": ours.domain_id,
            "passive": bool(self.passive),
            "is_displayed": self.for_display is not False,
        }
        return await records.create(caller, TUNNEL, fields)


@command(
    "resetVpnConnection",
    returns=VpnConnectionView,
    key="vpnconnection",
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.CONNECTION.RESET",
)
class ResetVpnConnection:
    """Take a tunnel down, so that both ends begin anew."""

    id: Annotated[UUID, "the tunnel", Names(TUNNEL, right="operate")]
    account: Annotated[str | None, "ignored: its owner stays"] = None
    domain_id: Annotated[UUID | None, "ignored", Names("domain", "see")] = None

    async def run(self, caller: Caller) -> Job:
        return await records.update(caller, TUNNEL, self.id, {"state": "Disconnected"})


@command(
    "updateVpnConnection",
    returns=VpnConnectionView,
    key="vpnconnection",
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.CONNECTION.UPDATE",
)
class UpdateVpnConnection(KeepsId):
    """Show a tunnel to its owner, or hide it."""

    id: Annotated[UUID, "the tunnel", Names(TUNNEL, right="operate")]
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, TUNNEL, self.id, fields)


@command(
    "deleteVpnConnection",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="VPN.S2S.CONNECTION.DELETE",
)
class DeleteVpnConnection:
    """Delete a tunnel."""

    id: Annotated[UUID, "the tunnel", Names(TUNNEL, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, TUNNEL, self.id)


@list_command(
    "listVpnConnections",
    view=VpnConnectionView,
    table=vpn_connections,
    key="vpnconnection",
    keyword=("state",),
)
class ListVpnConnections(Displayed):
    """List tunnels."""

    vpc_id: Annotated[UUID | None, "those of this VPC", Names("vpc", right="see")] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
