"""Load balancers inside a VPC tier, and what balances there."""

from __future__ import annotations

from typing import Any

from tests.rules.world import guest_on, network_of
from tests.tenant.test_refusals import refusal
from tests.tenant.world import ZONE as ZONE_ID
from tests.tenant.world import Client, Place

ZONE = str(ZONE_ID)


async def tier(client: Client) -> Any:
    """A tier whose load is balanced inside."""
    offering = (await client("listVPCOfferings", name="Default VPC offering"))["vpcoffering"][0]
    asked = {"name": "v", "displaytext": "v", "cidr": "10.4.0.0/16", "zoneid": ZONE}
    vpc = (await client.job("createVPC", **asked, vpcofferingid=offering["id"]))["vpc"]
    inner = "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB"
    kind = (await client("listNetworkOfferings", name=inner))["networkoffering"][0]
    made = await client(
        "createNetwork", name="t1", zoneid=ZONE, networkofferingid=kind["id"], vpcid=vpc["id"],
        gateway="10.4.1.1", netmask="255.255.255.0",
    )  # fmt: skip
    return made["network"]


def asked(network: Any, port: int, **more: Any) -> dict[str, Any]:
    found = {"name": "db", "scheme": "Internal", "algorithm": "source", "instanceport": 5432}
    found |= {"networkid": network["id"], "sourceipaddressnetworkid": network["id"]}
    return found | {"sourceport": port} | more


async def test_a_tier_balances_inside(here: Place) -> None:
    admin, ann = here.admin, here.ann
    network = await tier(ann)
    vm = await guest_on(ann, network["id"], ipaddress="10.4.1.50")
    made = (await ann.job("createLoadBalancer", **asked(network, 5432)))["loadbalancer"]
    address = made["sourceipaddress"]
    assert address.startswith("10.4.1.") and address not in ("10.4.1.1", "10.4.1.50")
    assert made["loadbalancerrule"] == [
        {"sourceport": 5432, "instanceport": 5432, "state": "Active"}
    ]
    inside = await admin.one(
        "listInternalLoadBalancerVMs", "internalloadbalancervm", listall="true"
    )
    assert (inside["role"], inside["guestipaddress"]) == ("INTERNAL_LB_VM", address)
    error = await refusal(admin, "stopRouter", id=inside["id"])
    assert "is a INTERNAL_LB_VM" in error["errortext"]
    stopped = await admin.job("stopInternalLoadBalancerVM", id=inside["id"])
    assert stopped["internalloadbalancervm"]["state"] == "Stopped"
    await admin.job("startInternalLoadBalancerVM", id=inside["id"])

    await ann.job("assignToLoadBalancerRule", id=made["id"], virtualmachineids=vm["id"])
    seen = await ann.one("listLoadBalancers", "loadbalancer", scheme="internal")
    (guest,) = seen["loadbalancerinstance"]
    assert (guest["id"], guest["ipaddress"]) == (vm["id"], "10.4.1.50")
    error = await refusal(
        ann, "createLoadBalancer", **asked(network, 5432, sourceipaddress=address)
    )
    assert (error["errorcode"], "conflicts with rule" in error["errortext"]) == (537, True)
    more = (await ann.job("createLoadBalancer", **asked(network, 5433, sourceipaddress=address)))[
        "loadbalancer"
    ]
    error = await refusal(
        ann, "createLoadBalancer", **asked(network, 80, sourceipaddress="10.4.1.50")
    )
    assert "is taken" in error["errortext"]
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    seen = await ann.one("listLoadBalancers", "loadbalancer", id=made["id"])
    assert seen["loadbalancerinstance"] == []
    assert await ann.job("deleteLoadBalancer", id=made["id"]) == {"success": True}
    assert (await admin("listInternalLoadBalancerVMs", listall="true"))["count"] == 1
    assert await ann.job("deleteLoadBalancer", id=more["id"]) == {"success": True}
    assert await admin("listInternalLoadBalancerVMs", listall="true") == {}
    again = (await ann.job("createLoadBalancer", **asked(network, 80, sourceipaddress=address)))[
        "loadbalancer"
    ]
    assert again["sourceipaddress"] == address
    assert await ann.job("deleteNetwork", id=network["id"]) == {"success": True}
    assert await ann("listLoadBalancers") == {}


async def test_it_outlives_the_router_of_its_vpc(here: Place) -> None:
    network = await tier(here.ann)
    made = (await here.ann.job("createLoadBalancer", **asked(network, 80)))["loadbalancer"]
    for cleanup in ("true", "false"):
        router = await here.admin.one("listRouters", "router", listall="true")
        await here.ann.job("restartVPC", id=network["vpcid"], cleanup=cleanup)
        new = await here.admin.one("listRouters", "router", listall="true")
        assert (new["id"] == router["id"]) is (cleanup == "false")
    await here.admin.job("destroyRouter", id=new["id"])
    await here.ann.job("restartVPC", id=network["vpcid"])
    assert (await here.admin("listRouters", listall="true"))["count"] == 1
    assert (await here.admin("listInternalLoadBalancerVMs", listall="true"))["count"] == 1
    assert await here.ann.job("deleteLoadBalancer", id=made["id"]) == {"success": True}


async def test_only_where_the_offering_says_so(here: Place) -> None:
    network = await network_of(here.ann)
    error = await refusal(here.ann, "createLoadBalancer", **asked(network, 80))
    assert "has no load balancing by InternalLbVm" in error["errortext"]
    error = await refusal(here.ann, "createLoadBalancer", **asked(network, 80, scheme="Public"))
    assert error["errorcode"] == 431
