"""A tier whose load is balanced inside, and what balances it; and where images are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.genesis import stable_id
from tests.tenant.world import ZONE
from tests.vpc.parts import VPC_OFFERING

if TYPE_CHECKING:
    from tests.api.everybody import House

INNER = "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB"


async def furnish(here: House) -> None:
    where = {"zoneid": str(ZONE)}
    asked = where | {"vpcofferingid": VPC_OFFERING, "cidr": "10.9.0.0/16"}
    vpc = (await here.make("ann", "createVPC", name="inner", **asked))["id"]
    asked = where | {"gateway": "10.9.1.1", "netmask": "255.255.255.0", "vpcid": vpc}
    asked["networkofferingid"] = str(stable_id("network_offering", INNER))
    tier = (await here.make("ann", "createNetwork", name="t", **asked))["network"]["id"]
    asked = {"sourceipaddressnetworkid": tier, "networkid": tier, "scheme": "Internal"}
    asked |= {"sourceport": "5432", "instanceport": "5432", "algorithm": "source"}
    await here.make("ann", "createLoadBalancer", name="db", **asked)
    store = {"provider": "NFS", "url": "nfs://192.0.2.9/images", "name": "images"}
    await here.make("root", "addImageStore", **store, **where)
