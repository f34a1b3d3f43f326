"""Routers and system virtual machines: records that come, are moved, and go."""

from __future__ import annotations

from tests.rules.world import addresses, guest_on, network_of
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import SMALL, ZONE, Place, named


async def test_a_network_has_a_router_from_its_first_guest_on(here: Place) -> None:
    admin, ann = here.admin, here.ann
    network = await network_of(ann)
    assert await admin("listRouters", listall="true") == {}
    vm = await guest_on(ann, network["id"])
    (outside,) = await addresses(ann, issourcenat="true")
    asked = {"networkid": network["id"], "listall": "true"}
    router = await admin.one("listRouters", "router", **asked)
    assert (router["state"], router["role"], router["account"]) == (
        "Running",
        "VIRTUAL_ROUTER",
        "ann",
    )
    assert (router["publicip"], router["guestipaddress"]) == (outside["ipaddress"], "10.1.1.1")
    assert router["guestnetworkid"] == network["id"]
    assert "version" not in router

    stopped = await admin.job("stopRouter", id=router["id"])
    assert stopped["router"]["state"] == "Stopped"
    error = await refusal(admin, "rebootRouter", id=router["id"])
    assert "is Stopped: it must be Running" in error["errortext"]
    error = await refusal(admin, "changeServiceForRouter", id=router["id"], serviceofferingid=SMALL)
    assert "is not for a domainrouter" in error["errortext"]
    assert (await admin.job("startRouter", id=router["id"]))["router"]["state"] == "Running"
    assert (await admin.job("rebootRouter", id=router["id"]))["router"]["id"] == router["id"]
    health = await admin("getRouterHealthCheckResults", routerid=router["id"])
    assert health["routerhealthchecks"]["routerid"] == router["id"]
    assert (await refusal(ann, "listRouters"))["errorcode"] == 432

    await admin.job("destroyRouter", id=router["id"])
    assert gone(await refusal(admin, "startRouter", id=router["id"]), "id", router["id"])
    seen = await ann.one("listNetworks", "network", id=network["id"])
    assert seen["restartrequired"] is True
    assert await ann.job("restartNetwork", id=network["id"]) == {"success": True}
    again = await admin.one("listRouters", "router", **asked)
    assert (again["id"] != router["id"], again["publicip"]) == (True, outside["ipaddress"])
    seen = await ann.one("listNetworks", "network", id=network["id"])
    assert seen["restartrequired"] is False
    await ann.job("restartNetwork", id=network["id"], cleanup="true")
    assert (await admin.one("listRouters", "router", **asked))["id"] != again["id"]

    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    await ann.job("deleteNetwork", id=network["id"])
    assert await admin("listRouters", listall="true") == {}


async def test_a_network_that_serves_nobody_is_not_restarted(here: Place) -> None:
    network = await network_of(here.ann)
    error = await refusal(here.ann, "restartNetwork", id=network["id"])
    assert "not in the right state to be restarted" in error["errortext"]


async def test_an_enabled_zone_has_its_system_vms(here: Place) -> None:
    admin = here.admin
    found = (await admin("listSystemVms", zoneid=str(ZONE)))["systemvm"]
    assert {(one["systemvmtype"], one["state"]) for one in found} == {
        ("secondarystoragevm", "Running"),
        ("consoleproxy", "Running"),
    }
    proxy = await admin.one("listSystemVms", "systemvm", systemvmtype="consoleproxy")
    assert (await admin.job("stopSystemVm", id=proxy["id"]))["systemvm"]["state"] == "Stopped"
    error = await refusal(
        admin, "migrateSystemVm", virtualmachineid=proxy["id"], hostid=str(named("host 1"))
    )
    assert "start it first" in error["errortext"]
    await admin.job("startSystemVm", id=proxy["id"])
    moved = await admin.job(
        "migrateSystemVm", virtualmachineid=proxy["id"], hostid=str(named("host 1"))
    )
    assert moved["systemvm"]["hostname"] == "tenant-h1"
    await admin.job("destroySystemVm", id=proxy["id"])
    again = await admin.one("listSystemVms", "systemvm", systemvmtype="consoleproxy")
    assert again["id"] != proxy["id"]
    assert (await refusal(here.ann, "listSystemVms"))["errorcode"] == 432


async def test_a_zone_gets_them_when_it_is_enabled(here: Place) -> None:
    admin = here.admin
    zone = (
        await admin(
            "createZone", name="z2", networktype="Advanced", dns1="192.0.2.1",
            internaldns1="192.0.2.1",
        )
    )["zone"]  # fmt: skip
    assert await admin("listSystemVms", zoneid=zone["id"]) == {}
    for _ in range(2):
        await admin("updateZone", id=zone["id"], allocationstate="Enabled")
    assert (await admin("listSystemVms", zoneid=zone["id"]))["count"] == 2
    assert await admin("deleteZone", id=zone["id"]) == {"success": True}
    assert (await admin("listSystemVms"))["count"] == 2


async def test_a_vpc_has_an_address_and_a_router(here: Place) -> None:
    admin, ann = here.admin, here.ann
    offering = (await ann("listVPCOfferings", name="Default VPC offering"))["vpcoffering"][0]
    asked = {"name": "v", "displaytext": "v", "cidr": "10.4.0.0/16", "zoneid": str(ZONE)}
    vpc = (await ann.job("createVPC", **asked, vpcofferingid=offering["id"]))["vpc"]
    (outside,) = await addresses(ann, vpcid=vpc["id"])
    assert (outside["issourcenat"], outside["vpcname"]) == (True, "v")
    router = await admin.one("listRouters", "router", vpcid=vpc["id"], listall="true")
    assert (router["publicip"], router["vpcname"]) == (outside["ipaddress"], "v")
    more = (await ann.job("associateIpAddress", vpcid=vpc["id"]))["ipaddress"]
    assert more["vpcid"] == vpc["id"] and "associatednetworkid" not in more
    await admin.job("destroyRouter", id=router["id"])
    assert (await ann.one("listVPCs", "vpc", id=vpc["id"]))["restartrequired"] is True
    await ann.job("restartVPC", id=vpc["id"])
    assert (await admin.one("listRouters", "router", forvpc="true", listall="true"))["id"]
    assert await ann.job("deleteVPC", id=vpc["id"]) == {"success": True}
    assert await addresses(ann) == []
    assert await admin("listRouters", listall="true") == {}
