"""Offerings and operating systems: made, changed, kept for those who use them, and hidden."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cs import CloudStackApiException, CloudStackException
from libcloud.compute.drivers.cloudstack import CloudStackNodeDriver

from engine.genesis import stable_id
from tests.catalogue.server import Api

SIZE: dict[str, Any] = {"cpunumber": 2, "cpuspeed": 1000, "memory": 2048}


async def test_libcloud_reads_the_catalogue(api: Api) -> None:
    """libcloud asks for sizes, templates and key pairs and reads every answer."""

    def read() -> tuple[list[Any], list[Any], list[Any], Any]:
        host, port = api.endpoint.split("/")[2].split(":")
        driver = CloudStackNodeDriver(
            api.cs.key, api.cs.secret, secure=False, host=host, port=int(port), path="/client/api"
        )
        pair = driver.create_key_pair("mine")
        return driver.list_sizes(), driver.list_images(), driver.list_key_pairs(), pair

    sizes, images, pairs, pair = await asyncio.to_thread(read)
    assert [(one.name, one.ram) for one in sizes] == [
        ("Small Instance", 512),
        ("Medium Instance", 1024),
    ]
    assert [one.extra["hypervisor"] for one in images] in ([], ["Simulator"])
    assert [one.name for one in pairs] == ["mine"]
    assert pair.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


async def test_a_service_offering_from_its_making_to_its_end(api: Api) -> None:
    made = (await api("createServiceOffering", name="big", tags="ssd, fast", **SIZE))[
        "serviceoffering"
    ]
    assert made["storagetags"] == "ssd,fast" and made["iscustomized"] is False
    changed = await api("updateServiceOffering", id=made["id"], displaytext="new")
    assert changed["serviceoffering"] == made | {"displaytext": "new"}
    await api("deleteServiceOffering", id=made["id"])
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await api("listServiceOfferings", id=made["id"])


async def test_a_customized_offering_keeps_its_bounds(api: Api) -> None:
    made = await api("createServiceOffering", name="any", mincpunumber=1, maxcpunumber=4)
    offering = made["serviceoffering"]
    assert offering["iscustomized"] is True and "cpunumber" not in offering
    bounds = {"mincpunumber": "1", "maxcpunumber": "4"}
    assert offering["serviceofferingdetails"] == bounds
    with pytest.raises(CloudStackException, match="needs cpunumber"):
        await api("createServiceOffering", name="x", customized=False)


BOUNDS = {"mincpunumber": 1, "maxcpunumber": 4, "minmemory": 256, "maxmemory": 2048}
HALF: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"mincpunumber": 5, "maxcpunumber": 4}, ("mincpunumber 5", "maxcpunumber 4")),
    ({"minmemory": 512, "maxmemory": 256, "customized": True}, ("minmemory 512", "maxmemory 256")),
    ({"cpunumber": 1, "cpuspeed": 500}, ("give memory too",)),
    ({"cpuspeed": 500, "memory": 512}, ("give cpunumber too",)),
    ({"cpunumber": 1, "memory": 512}, ("give cpuspeed too",)),
    ({"memory": 512}, ("give cpunumber and cpuspeed too",)),
    ({"cpuspeed": 500}, ("give cpunumber and memory too",)),
    ({"cpunumber": 1} | BOUNDS, ("give cpuspeed and memory too",)),
    ({"customized": True} | SIZE, ("leave cpunumber and memory out",)),
    ({"customized": True, "cpunumber": 2}, ("leave cpunumber and memory out",)),
    ({"minmemory": 256} | SIZE, ("minmemory and maxmemory are for customized offerings",)),
    ({"deploymentplanner": "x"} | SIZE, ("parameter deploymentplanner", "FirstFitPlanner")),
    ({"cachemode": "x"} | SIZE, ("parameter cachemode", "writeback")),
    ({"systemvmtype": "x"} | SIZE, ("parameter systemvmtype", "consoleproxy")),
]


@pytest.mark.parametrize(("half", "words"), HALF, ids=lambda one: " ".join(map(str, one)))
async def test_a_size_is_said_whole_or_left_to_who_deploys(
    api: Api, half: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(CloudStackApiException) as refused:
        await api("createServiceOffering", name="x", **half)
    assert refused.value.error["errorcode"] == 431
    for word in words:
        assert word in refused.value.error["errortext"]


async def test_what_a_customized_offering_may_say(api: Api) -> None:
    for said in (
        {},
        {"customized": True},
        {"customized": True, "cpuspeed": 500},
        {"customized": True, "cpuspeed": 500} | BOUNDS,
        {"cpuspeed": 500} | BOUNDS,
        {"mincpunumber": 4, "maxcpunumber": 4},
    ):
        made = (await api("createServiceOffering", name="x", **said))["serviceoffering"]
        assert made["iscustomized"] is True and made.get("cpuspeed") == said.get("cpuspeed"), said
    for fixed in (SIZE, {"customized": False} | SIZE):
        made = (await api("createServiceOffering", name="x", **fixed))["serviceoffering"]
        assert made["iscustomized"] is False


async def test_a_disk_offering_is_sized_or_customized(api: Api) -> None:
    made = (await api("createDiskOffering", name="d", disksize=7))["diskoffering"]
    assert made["disksize"] == 7
    for wrong in ({}, {"disksize": 1, "customized": True}):
        with pytest.raises(CloudStackException, match="give disksize"):
            await api("createDiskOffering", name="x", **wrong)
    names = [one["name"] for one in (await api("listDiskOfferings"))["diskoffering"]]
    assert names == ["Small", "Medium", "Large", "Custom", "d"]


async def test_a_domain_admin_offers_to_its_own_domain(api: Api) -> None:
    domain = (await api("createDomain", name="d"))["domain"]
    asked = {"email": "e@example.org", "firstname": "f", "lastname": "l", "password": "p"}
    chief = await api("createAccount", username="c", accounttype=2, domainid=domain["id"], **asked)
    keys = (await api("registerUserKeys", id=chief["account"]["user"][0]["id"]))["userkeys"]
    mine = Api(api.endpoint, keys["apikey"], keys["secretkey"])
    made = (await mine("createServiceOffering", name="ours", **SIZE))["serviceoffering"]
    assert made["domainid"] == domain["id"]
    with pytest.raises(CloudStackException, match="may not operate"):
        await mine("deleteServiceOffering", id=str(stable_id("service_offering", "Small Instance")))
    with pytest.raises(CloudStackException, match="its own domains only"):
        await mine("updateServiceOffering", id=made["id"], domainid="public")


async def test_a_network_offering(api: Api) -> None:
    made = await api(
        "createNetworkOffering",
        name="n",
        displaytext="n",
        guestiptype="isolated",
        traffictype="GUEST",
        supportedservices="Dhcp,Dns,SourceNat",
        serviceproviderlist=[{"service": "Dhcp", "provider": "configdrive"}],
        servicecapabilitylist=[
            {"service": "SourceNat", "capabilitytype": "RedundantRouter", "capabilityvalue": "true"}
        ],
    )
    offering = made["networkoffering"]
    assert offering["state"] == "Disabled" and offering["guestiptype"] == "Isolated"
    providers = {one["name"]: one["provider"][0]["name"] for one in offering["service"]}
    assert providers == {
        "Dhcp": "ConfigDrive",
        "Dns": "VirtualRouter",
        "SourceNat": "VirtualRouter",
    }
    for provider in ("Other", "SecurityGroupProvider"):
        with pytest.raises(CloudStackException, match=r"no provider Other|cannot do Dhcp"):
            await api(
                "createNetworkOffering",
                name="m",
                guestiptype="isolated",
                traffictype="GUEST",
                supportedservices="Dhcp",
                serviceproviderlist=[{"service": "Dhcp", "provider": provider}],
            )
    await api("updateNetworkOffering", id=offering["id"], state="Enabled")
    found = await api("listNetworkOfferings", state="enabled", name="n")
    assert [one["id"] for one in found["networkoffering"]] == [offering["id"]]
    await api("deleteNetworkOffering", id=offering["id"])
    default = stable_id("network_offering", "DefaultSharedNetworkOffering")
    with pytest.raises(CloudStackException, match="came with the cloud"):
        await api("deleteNetworkOffering", id=str(default))


async def test_a_network_offering_contradicts_itself(api: Api) -> None:
    shared = {"guestiptype": "Shared", "specifyvlan": True, "specifyipranges": True}
    isolated = {"guestiptype": "Isolated"}
    for more, told in (
        ({"guestiptype": "Shared"}, "specifyvlan=true"),
        ({"guestiptype": "Shared", "specifyvlan": True}, "names its addresses"),
        (shared | {"supportedservices": "SourceNat"}, "has no SourceNat"),
        (shared | {"ispersistent": True}, "never persistent"),
        (shared | {"availability": "Required"}, "can be Required"),
        (isolated | {"supportedservices": "SourceNat", "specifyipranges": True}, "say false"),
        (isolated | {"supportedservices": "NetworkACL", "forvpc": False}, "tiers of a VPC"),
        (isolated | {"supportedservices": "Firewall", "forvpc": True}, "cannot do|instead of"),
        ({"guestiptype": "L2", "forvpc": True}, "are Isolated, not L2"),
        ({"guestiptype": "L2", "supportedservices": "Lb"}, "has no Lb"),
    ):
        with pytest.raises(CloudStackException, match=told):
            await api("createNetworkOffering", name="n", traffictype="Guest", **more)
    made = await api(
        "createNetworkOffering",
        name="n",
        traffictype="Guest",
        supportedservices="Dhcp,Lb",
        servicecapabilitylist=[
            {"service": "Lb", "capabilitytype": "SupportedLbIsolation", "capabilityvalue": "shared"}
        ],
        keepaliveenabled=True,
        **isolated,
    )
    services = {one["name"]: one["capability"] for one in made["networkoffering"]["service"]}
    assert services["Lb"] == [{"name": "SupportedLbIsolation", "value": "shared"}]


async def test_the_default_network_offerings(api: Api) -> None:
    found = await api("listNetworkOfferings", sourcenatsupported=True, forvpc=False)
    names = [one["name"] for one in found["networkoffering"]]
    assert names == ["DefaultIsolatedNetworkOfferingWithSourceNatService"]
    found = await api("listNetworkOfferings", guestiptype="L2", supportedservices="UserData")
    assert found["count"] == 2


async def test_operating_systems(api: Api) -> None:
    families = (await api("listOsCategories", name="Debian"))["oscategory"]
    made = await api.job("addGuestOs", oscategoryid=families[0]["id"], osdisplayname="Debian 99")
    assert made["ostype"]["oscategoryname"] == "Debian"
    found = await api("listOsTypes", oscategoryid=families[0]["id"], keyword="99")
    assert [one["id"] for one in found["ostype"]] == [made["ostype"]["id"]]
    await api.job("removeGuestOs", id=made["ostype"]["id"])
    other = str(stable_id("os_type", "Other (64-bit)"))
    with pytest.raises(CloudStackException, match="came with the cloud"):
        await api("removeGuestOs", id=other)
