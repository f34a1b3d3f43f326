"""What a project owns is its members' to use, and nobody else's."""

from __future__ import annotations

from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Place
from tests.vpc.parts import make_line, make_list, make_tier, make_vpc
from tests.vpc.test_vpn import OTHER


async def test_a_project_has_a_vpc(here: Place) -> None:
    ann = here.ann
    made = await ann.job("createProject", name="p", displaytext="p")
    of = {"projectid": made["project"]["id"]}
    vpc = await make_vpc(ann, **of)
    assert (vpc["projectid"], "account" in vpc) == (of["projectid"], False)
    tier = await make_tier(ann, vpc)
    assert tier["projectid"] == of["projectid"]
    acl = await make_list(ann, vpc)
    await make_line(ann, acl)
    assert await ann("listVPCs") == {}
    assert (await ann.one("listVPCs", "vpc", **of))["id"] == vpc["id"]
    assert (await ann.one("listNetworkACLs", "networkacl", aclid=acl["id"], **of))["number"] == 1
    group = (await ann("createSecurityGroup", name="web", **of))["securitygroup"]
    asked = {"securitygroupname": "web", "cidrlist": "10.0.0.0/8"}
    await ann.job("authorizeSecurityGroupIngress", **asked, **of)
    assert (await ann.one("listSecurityGroups", "securitygroup", **of))["id"] == group["id"]
    await ann.job("createVpnCustomerGateway", **OTHER, **of)
    await ann.job("addVpnUser", username="somebody", password="Secret.1", **of)
    assert (await ann.one("listVpnUsers", "vpnuser", **of))["username"] == "somebody"
    error = await refusal(here.bob, "createVPC", name="x", zoneid=vpc["zoneid"],
        vpcofferingid=vpc["vpcofferingid"], cidr="10.9.0.0/16", **of)  # fmt: skip
    assert gone(error, "projectid", of["projectid"])
    error = await refusal(here.bob, "deleteVPC", id=vpc["id"])
    assert gone(error, "id", vpc["id"])
