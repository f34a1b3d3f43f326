"""A VPC with both ends of a tunnel, somebody who dials in, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.world import ZONE
from tests.vpc.parts import VPC_OFFERING

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    asked = {"zoneid": str(ZONE), "vpcofferingid": VPC_OFFERING, "cidr": "10.6.0.0/16"}
    vpc = (await here.make("ann", "createVPC", name="joined", **asked))["id"]
    ours = (await here.make("ann", "createVpnGateway", vpcid=vpc))["id"]
    agreed = {"ikepolicy": "aes128-sha1;modp1536", "esppolicy": "aes128-sha1", "ipsecpsk": "x"}
    asked = {"gateway": "198.51.100.7", "cidrlist": "192.168.7.0/24", "name": "branch"}
    other = await here.make("ann", "createVpnCustomerGateway", **agreed, **asked)
    ends = {"s2svpngatewayid": ours, "s2scustomergatewayid": other["id"]}
    await here.make("ann", "createVpnConnection", **ends)
    await here.make("ann", "addVpnUser", username="somebody", password="Secret1")
    found = await here.make("ann", "listPublicIpAddresses", vpcid=vpc)
    await here.make("ann", "createRemoteAccessVpn", publicipid=found["publicipaddress"][0]["id"])
