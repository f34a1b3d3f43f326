"""A VPC with a tier, an access list with a line, a private gateway and a static route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.world import ZONE
from tests.vpc.parts import TIER, VPC_OFFERING

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    where = {"zoneid": str(ZONE)}
    asked = where | {"vpcofferingid": VPC_OFFERING, "cidr": "10.4.0.0/16"}
    vpc = (await here.make("ann", "createVPC", name="v", **asked))["id"]
    asked = where | {"networkofferingid": TIER, "gateway": "10.4.1.1", "netmask": "255.255.255.0"}
    await here.make("ann", "createNetwork", name="tier", vpcid=vpc, **asked)
    acl = (await here.make("ann", "createNetworkACLList", name="rules", vpcid=vpc))["id"]
    await here.make("ann", "createNetworkACL", aclid=acl, protocol="tcp")
    asked = {"gateway": "172.20.0.1", "netmask": "255.255.255.0", "ipaddress": "172.20.0.9"}
    gateway = await here.make("root", "createPrivateGateway", vpcid=vpc, vlan="500", **asked)
    await here.make("ann", "createStaticRoute", cidr="192.168.7.0/24", gatewayid=gateway["id"])
