"""Private gateways and static routes over the wire."""

from __future__ import annotations

from typing import Any

from tests.tenant.test_networks import make as make_network
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import Client, Place
from tests.vpc.parts import ALLOW, make_list, make_tier, make_vpc

OUTSIDE = {"gateway": "172.20.0.1", "netmask": "255.255.255.0", "ipaddress": "172.20.0.9"}


async def make_gateway(client: Client, vpc: Any, **more: Any) -> Any:
    asked = OUTSIDE | {"vpcid": vpc["id"]} | more
    return (await client.job("createPrivateGateway", **asked))["privategateway"]


async def test_a_gateway_and_its_routes(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    gateway = await make_gateway(here.admin, vpc, vlan="500", sourcenatsupported="true")
    assert (gateway["account"], gateway["vlan"], gateway["aclname"]) == (
        "ann",
        "500",
        "default_deny",
    )
    assert (gateway["state"], gateway["sourcenatsupported"]) == ("Ready", True)
    acl = await make_list(here.ann, vpc)
    await here.ann.job("replaceNetworkACLList", aclid=acl["id"], gatewayid=gateway["id"])
    seen = await here.ann.one("listPrivateGateways", "privategateway", vpcid=vpc["id"])
    assert seen["aclname"] == "rules"
    error = await refusal(here.ann, "deleteNetworkACLList", id=acl["id"])
    assert error["errorcode"] == 536

    made = await here.ann.job("createStaticRoute", cidr="192.168.7.0/24", gatewayid=gateway["id"])
    route = made["staticroute"]
    assert (route["nexthop"], route["vpcgatewayip"]) == ("172.20.0.1", "172.20.0.9")
    found = await here.ann.one("listStaticRoutes", "staticroute", gatewayid=gateway["id"])
    assert found["id"] == route["id"]
    error = await refusal(here.ann, "deletePrivateGateway", id=gateway["id"])
    assert (error["errorcode"], "static route 192.168.7.0/24" in error["errortext"]) == (536, True)
    error = await refusal(here.bob, "deleteStaticRoute", id=route["id"])
    assert gone(error, "id", route["id"])
    await here.ann.job("deleteStaticRoute", id=route["id"])
    await here.ann.job("deletePrivateGateway", id=gateway["id"])


async def test_a_vpc_takes_its_gateways_along(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    gateway = await make_gateway(here.admin, vpc, vlan="500", aclid=ALLOW)
    await here.ann.job("createStaticRoute", cidr="192.168.7.0/24", gatewayid=gateway["id"])
    await here.ann.job("deleteVPC", id=vpc["id"])
    assert await here.ann("listPrivateGateways") == {}
    assert await here.ann("listStaticRoutes") == {}


async def test_a_gateway_is_checked(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    tier = await make_tier(here.admin, vpc)
    vlan = (await here.admin.one("listNetworks", "network", id=tier["id"], listall="true"))["vlan"]
    await make_gateway(here.admin, vpc, vlan="500")
    for more, told in (
        ({"vlan": "500"}, "that of another private gateway"),
        ({"vlan": "501", "ipaddress": "172.20.0.1"}, "the gateway's own"),
        ({"vlan": "501", "ipaddress": "172.21.0.1"}, "no address of"),
        ({"vlan": "501", "netmask": "0.0.0.255"}, "netmask"),
        ({"vlan": "5010"}, "not a number from 1 to 4094"),
        ({"vlan": vlan, "ipaddress": "172.20.0.10"}, "is that of network tier1"),
        ({"vlan": "501", "gateway": "10.4.1.9", "ipaddress": "10.4.1.8"}, "overlaps 10.4.1.0/24"),
        ({}, "say which network"),
    ):
        asked = OUTSIDE | {"vpcid": vpc["id"]} | more
        error = await refusal(here.admin, "createPrivateGateway", **asked)
        assert told in error["errortext"], error
    # A tenant names no VLAN: it leads into a network that it has.
    error = await refusal(here.ann, "createPrivateGateway", vpcid=vpc["id"], vlan="9", **OUTSIDE)
    assert "say which network" in error["errortext"]
    other = await make_network(here.ann, name="n", gateway="172.20.0.1", netmask="255.255.255.0")
    led = await make_gateway(here.ann, vpc, associatednetworkid=other["id"])
    assert led["associatednetwork"] == "n"
    # Its address is nobody else's on that network: no other gateway's, and no guest's.
    more = {"vpcid": (await make_vpc(here.ann, name="w", cidr="10.5.0.0/16"))["id"]}
    error = await refusal(
        here.ann, "createPrivateGateway", associatednetworkid=other["id"], **OUTSIDE, **more
    )
    assert "172.20.0.9 of network n is taken" in error["errortext"]
    wide = OUTSIDE | more | {"netmask": "255.255.0.0"}
    error = await refusal(here.ann, "createPrivateGateway", associatednetworkid=other["id"], **wide)
    assert "is not the subnet of network n" in error["errortext"]
    taken = {"iptonetworklist": [{"networkid": other["id"], "ip": "172.20.0.9"}]}
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY, **taken)
    assert "172.20.0.9" in error["errortext"]
    error = await refusal(here.ann, "deleteNetwork", id=other["id"])
    assert error["errorcode"] == 536
    await here.ann.job("deletePrivateGateway", id=led["id"])
    await deploy(here.ann, startvm="false", **taken)


async def test_a_route_is_checked(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    await make_tier(here.ann, vpc)
    hop = {"vpcid": vpc["id"], "nexthop": "10.4.1.7"}
    await here.ann.job("createStaticRoute", cidr="192.168.0.0/16", **hop)
    await here.admin("updateConfiguration", name="blacklisted.routes", value="172.31.0.0/16")
    for asked, told in (
        (hop | {"cidr": "10.4.9.0/24"}, "the range of VPC"),
        (hop | {"cidr": "192.168.9.0/24"}, "another static route"),
        (hop | {"cidr": "169.254.1.0/24"}, "link-local"),
        (hop | {"cidr": "172.31.8.0/24"}, "the operator forbids"),
        (hop | {"cidr": "172.16.0.1/12"}, "no subnet"),
        (hop | {"cidr": "172.16.0.0/24", "nexthop": "10.4.2.7"}, "is in no tier"),
        ({"cidr": "172.16.0.0/24", "nexthop": "10.4.1.7"}, "needs the vpcid"),
        ({"cidr": "172.16.0.0/24"}, "say where they go"),
    ):
        error = await refusal(here.ann, "createStaticRoute", **asked)
        assert (error["errorcode"], told in error["errortext"]) == (431, True), error
