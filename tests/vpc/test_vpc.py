"""VPCs and their tiers over the wire: ranges, offerings, what keeps a VPC and what goes with it."""

from __future__ import annotations

import asyncio

from engine.genesis import stable_id
from projections.router import routers
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import ISOLATED, ZONE, Place
from tests.vpc.parts import (
    ALLOW,
    DENY,
    TIER,
    VPC_OFFERING,
    make_line,
    make_list,
    make_tier,
    make_vpc,
)


async def test_from_creation_to_deletion(here: Place) -> None:
    ann = here.ann
    vpc = await make_vpc(ann, name="prod", networkdomain="prod.internal")
    assert (vpc["state"], vpc["cidr"], vpc["account"]) == ("Enabled", "10.4.0.0/16", "ann")
    assert vpc["vpcofferingname"] == "Default VPC offering" and vpc["network"] == []
    tier = await make_tier(ann, vpc)
    assert (tier["vpcid"], tier["vpcname"], tier["aclname"]) == (vpc["id"], "prod", "default_deny")
    assert (tier["cidr"], tier["networkdomain"]) == ("10.4.1.0/24", "prod.internal")
    seen = await ann.one("listVPCs", "vpc", id=vpc["id"])
    assert [one["id"] for one in seen["network"]] == [tier["id"]]
    assert (await ann.one("listNetworks", "network", vpcid=vpc["id"]))["id"] == tier["id"]
    assert await ann("listNetworks", forvpc="false") == {}
    vm = await deploy(ann, networkids=tier["id"])
    assert vm["nic"][0]["ipaddress"].startswith("10.4.1.")

    renamed = await ann.job("updateVPC", id=vpc["id"], name="live", displaytext="x")
    assert (renamed["vpc"]["name"], renamed["vpc"]["displaytext"]) == ("live", "x")
    assert await ann.job("restartVPC", id=vpc["id"], cleanup="true") == {"success": True}
    acl = await make_list(ann, vpc)
    await make_line(ann, acl)
    error = await refusal(ann, "deleteVPC", id=vpc["id"])
    assert (error["errorcode"], "network tier1" in error["errortext"]) == (536, True)
    await ann.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    await ann.job("deleteNetwork", id=tier["id"])
    await ann.job("deleteVPC", id=vpc["id"])
    assert await ann("listVPCs") == {}
    lists = await ann("listNetworkACLLists")
    assert {one["name"] for one in lists["networkacllist"]} == {"default_allow", "default_deny"}


async def test_a_vpc_goes_out_by_one_address_and_gives_it_back(here: Place) -> None:
    reach = {"gateway": "203.0.113.1", "netmask": "255.255.255.0", "forvirtualnetwork": "true"}
    ends = {"startip": "203.0.113.10", "endip": "203.0.113.12", "zoneid": str(ZONE)}
    await here.admin("createVlanIpRange", vlan="untagged", **reach, **ends)
    vpc = await make_vpc(here.ann, sourcenatipaddress="203.0.113.11")
    address = await here.ann.one("listPublicIpAddresses", "publicipaddress", vpcid=vpc["id"])
    assert (address["ipaddress"], address["issourcenat"]) == ("203.0.113.11", True)
    rows = here.controller.cloud[routers]
    (first,) = [one.id for one in rows]
    await here.ann.job("restartVPC", id=vpc["id"], cleanup="true", makeredundant="true")
    assert len(rows) == 2 and first not in rows
    error = await refusal(here.ann, "restartVPC", id=vpc["id"], makeredundant="true")
    assert "two routers already" in error["errortext"]
    later = await make_vpc(here.ann, name="later", start="false")
    assert later["state"] == "Inactive"
    assert await here.ann("listPublicIpAddresses", vpcid=later["id"]) == {}
    await here.ann.job("restartVPC", id=later["id"])
    started = await here.ann.one("listVPCs", "vpc", id=later["id"])
    assert started["state"] == "Enabled"
    for one in (vpc, later):
        await here.ann.job("deleteVPC", id=one["id"])
    assert await here.ann("listPublicIpAddresses") == {}
    assert len(rows) == 0
    assert (await make_vpc(here.bob, sourcenatipaddress="203.0.113.11"))["account"] == "bob"


async def test_ranges_are_checked(here: Place) -> None:
    for cidr, told in (
        ("10.4.0.1/16", "no subnet"),
        ("8.8.0.0/16", "no private range"),
        ("10.0.0.0/30", "from 8 to 29 bits"),
        ("fd00::/48", "no IPv4 subnet"),
        ("", "missing parameter cidr"),
    ):
        asked = {"name": "v", "zoneid": str(ZONE), "vpcofferingid": VPC_OFFERING}
        error = await refusal(here.ann, "createVPC", cidr=cidr, **asked)
        assert (error["errorcode"], told in error["errortext"]) == (431, True), error
    vpc = await make_vpc(here.ann)
    await make_tier(here.ann, vpc)
    wrong = {"zoneid": str(ZONE), "networkofferingid": TIER, "vpcid": vpc["id"], "name": "x"}
    for more, told in (
        ({"gateway": "10.4.1.129", "netmask": "255.255.255.128"}, "overlaps 10.4.1.0/24 of tier"),
        ({"gateway": "10.5.1.1", "netmask": "255.255.255.0"}, "not within the range"),
        ({"gateway": "10.4.0.1", "netmask": "255.254.0.0"}, "not within the range"),
        ({}, "not within the range"),
        ({"gateway": "10.4.2.1"}, "given together"),
    ):
        error = await refusal(here.ann, "createNetwork", **(wrong | more))
        assert told in error["errortext"], error


async def test_tiers_made_at_once_do_not_overlap(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    made = await asyncio.gather(
        *(make_tier(here.ann, vpc) for _ in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(one, Exception) for one in made) == 1


async def test_offerings_say_what_a_tier_can_be(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    where = {"name": "x", "zoneid": str(ZONE), "gateway": "10.4.9.1", "netmask": "255.255.255.0"}
    error = await refusal(
        here.ann, "createNetwork", vpcid=vpc["id"], networkofferingid=ISOLATED, **where
    )
    assert "is not for VPC tiers" in error["errortext"]
    error = await refusal(here.ann, "createNetwork", networkofferingid=TIER, **where)
    assert "give vpcid" in error["errortext"]
    small = await here.admin.job(
        "createVPCOffering", name="small", supportedservices="Dhcp,Dns,SourceNat", enable="true"
    )
    offering = small["vpcoffering"]
    assert {one["name"] for one in offering["service"]} == {"Dhcp", "Dns", "SourceNat", "Gateway"}
    plain = await make_vpc(here.ann, name="plain", vpcofferingid=offering["id"], cidr="10.4.0.0/16")
    error = await refusal(
        here.ann, "createNetwork", vpcid=plain["id"], networkofferingid=TIER, **where
    )
    assert "which network offering" in error["errortext"]
    await here.admin.job("deleteVPCOffering", id=offering["id"])
    kept = await here.admin.one("listVPCOfferings", "vpcoffering", id=offering["id"])
    assert kept["state"] == "Disabled"
    assert await here.ann("listVPCOfferings", name="small") == {}
    error = await refusal(here.admin, "deleteVPCOffering", id=VPC_OFFERING)
    assert "came with the cloud" in error["errortext"]


async def test_what_clients_look_up_by_name(here: Place) -> None:
    for name in ("Default VPC offering", "Redundant VPC offering"):
        offering = await here.ann.one("listVPCOfferings", "vpcoffering", name=name)
        assert (offering["state"], offering["isdefault"]) == ("Enabled", True)
    redundant = str(stable_id("vpc_offering", "Redundant VPC offering"))
    vpc = await make_vpc(here.ann, vpcofferingid=redundant)
    assert vpc["redundantvpcrouter"] is True
    deny = await here.ann.one("listNetworkACLLists", "networkacllist", name="default_deny")
    lines = await here.ann("listNetworkACLs", aclid=deny["id"])
    assert [(one["traffictype"], one["action"]) for one in lines["networkacl"]] == [
        ("Ingress", "Deny"),
        ("Egress", "Deny"),
    ]


async def test_vpcs_of_others_do_not_exist(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    acl = await make_list(here.ann, vpc)
    line = await make_line(here.ann, acl)
    assert await here.bob("listVPCs", listall="true") == {}
    for command, param, row in (
        ("deleteVPC", "id", vpc),
        ("updateVPC", "id", vpc),
        ("createNetworkACLList", "vpcid", vpc),
        ("createNetworkACL", "aclid", acl),
        ("deleteNetworkACLList", "id", acl),
        ("deleteNetworkACL", "id", line),
    ):
        more = {"name": "x", "protocol": "tcp"}
        error = await refusal(here.bob, command, **(more | {param: row["id"]}))
        assert gone(error, param, row["id"]), command
    names = {one["name"] for one in (await here.bob("listNetworkACLLists"))["networkacllist"]}
    assert names == {"default_allow", "default_deny"}


async def test_built_in_lists_are_used_and_never_changed(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    tier = await make_tier(here.ann, vpc, aclid=ALLOW)
    assert tier["aclid"] == ALLOW
    error = await refusal(here.ann, "createNetworkACL", aclid=ALLOW, protocol="tcp")
    assert error["errorcode"] == 531
    for command, more in (
        ("createNetworkACL", {"aclid": DENY, "protocol": "tcp"}),
        ("deleteNetworkACLList", {"id": DENY}),
        ("updateNetworkACLList", {"id": DENY, "name": "mine"}),
    ):
        error = await refusal(here.admin, command, **more)
        assert "is built in and stays" in error["errortext"], command
    # A line for a tier that uses a built-in list makes a list of the tier's own.
    line = await here.ann.job("createNetworkACL", networkid=tier["id"], protocol="icmp")
    assert line["networkacl"]["aclid"] != ALLOW
    now = await here.ann.one("listNetworks", "network", id=tier["id"])
    assert now["aclid"] == line["networkacl"]["aclid"]
    error = await refusal(here.ann, "deleteNetworkACLList", id=now["aclid"])
    assert error["errorcode"] == 536
    await here.ann.job("replaceNetworkACLList", aclid=DENY, networkid=tier["id"])
    await here.ann.job("deleteNetworkACLList", id=now["aclid"])
