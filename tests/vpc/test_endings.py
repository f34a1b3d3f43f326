"""An account takes everything of this folder along when it ends."""

from __future__ import annotations

from tests.tenant.world import Place
from tests.vpc.parts import make_line, make_list, make_tier, make_vpc
from tests.vpc.test_private_gateways import make_gateway
from tests.vpc.test_vpn import OTHER, public_range

KINDS = (
    *("security_group", "security_group_rule", "vpc", "network", "network_acl_item"),
    *("private_gateway", "static_route", "vpn_gateway", "vpn_customer_gateway", "vpn_connection"),
    *("vpn_user", "remote_access_vpn", "public_ip_address", "router"),
)


async def test_nothing_is_left_of_an_account(here: Place) -> None:
    ann, cloud = here.ann, here.controller.cloud
    before = {kind: len(cloud.table(kind)) for kind in KINDS}
    await public_range(here)
    vpc = await make_vpc(ann)
    acl = await make_list(ann, vpc)
    await make_line(ann, acl)
    await make_tier(ann, vpc, aclid=acl["id"])
    gateway = await make_gateway(here.admin, vpc, vlan="500", aclid=acl["id"])
    await ann.job("createStaticRoute", cidr="172.31.7.0/24", gatewayid=gateway["id"])
    ours = (await ann.job("createVpnGateway", vpcid=vpc["id"]))["vpngateway"]
    other = (await ann.job("createVpnCustomerGateway", **OTHER))["vpncustomergateway"]
    ends = {"s2svpngatewayid": ours["id"], "s2scustomergatewayid": other["id"]}
    await ann.job("createVpnConnection", **ends)
    address = await ann.one("listPublicIpAddresses", "publicipaddress", vpcid=vpc["id"])
    await ann.job("createRemoteAccessVpn", publicipid=address["id"])
    await ann.job("addVpnUser", username="somebody", password="Secret.1")
    asked = {"cidrlist": "10.0.0.0/8", "securitygroupname": "default"}
    await ann.job("authorizeSecurityGroupIngress", **asked)
    assert all(len(cloud.table(kind)) > before[kind] for kind in KINDS)
    await here.admin.job("deleteAccount", id=here.account("ann"))
    assert {kind: len(cloud.table(kind)) for kind in KINDS} == before
