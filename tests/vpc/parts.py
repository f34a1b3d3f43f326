"""What the tests of VPCs build again and again."""

from __future__ import annotations

from typing import Any

from engine.genesis import stable_id
from tests.tenant.world import ZONE, Client

VPC_OFFERING = str(stable_id("vpc_offering", "Default VPC offering"))
TIER = str(stable_id("network_offering", "DefaultIsolatedNetworkOfferingForVpcNetworks"))
ALLOW = str(stable_id("network_acl", "default_allow"))
DENY = str(stable_id("network_acl", "default_deny"))


async def make_vpc(client: Client, **more: Any) -> Any:
    asked = {"name": "v", "zoneid": str(ZONE), "vpcofferingid": VPC_OFFERING, "cidr": "10.4.0.0/16"}
    return (await client.job("createVPC", **(asked | more)))["vpc"]


async def make_tier(client: Client, vpc: Any, number: int = 1, **more: Any) -> Any:
    asked = {
        "name": f"tier{number}",
        "zoneid": str(ZONE),
        "networkofferingid": TIER,
        "vpcid": vpc["id"],
        "gateway": f"10.4.{number}.1",
        "netmask": "255.255.255.0",
    }
    return (await client("createNetwork", **(asked | more)))["network"]


async def make_list(client: Client, vpc: Any, name: str = "rules") -> Any:
    made = await client.job("createNetworkACLList", name=name, vpcid=vpc["id"])
    return made["networkacllist"]


async def make_line(client: Client, acl: Any, **more: Any) -> Any:
    asked = {"aclid": acl["id"], "protocol": "tcp"} | more
    return (await client.job("createNetworkACL", **asked))["networkacl"]
