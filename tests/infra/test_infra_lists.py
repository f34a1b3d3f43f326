"""What the infrastructure's lists say after a zone was built."""

from __future__ import annotations

from typing import Any

from engine.drivers import folders
from tests.infra.build import data_center
from tests.infra.server import Api

GIB = 1024**3

KINDS = [kind for one in folders() if not one.missing for kind in one.kinds]


async def test_capacity_says_what_there_is_and_what_is_given_away(api: Api) -> None:
    built = await data_center(api)

    rows = (await api("listCapacity", zoneid=built.zone))["capacity"]
    total = {row["name"]: row["capacitytotal"] for row in rows}
    assert total["MEMORY"] == 4 * 256 * GIB
    assert total["CPU"] == 4 * 32 * 2600
    assert total["CPU_CORE"] == 4 * 32
    assert total["STORAGE_ALLOCATED"] == 2 * 2 * 10 * 1024 * GIB
    assert total["VIRTUAL_NETWORK_PUBLIC_IP"] == 90
    assert total["PRIVATE_IP"] == 19
    assert total["VLAN"] == 100
    assert all(row["capacityused"] == 0 for row in rows)
    one = (await api("listCapacity", clusterid=built.clusters[0], type=0))["capacity"]
    assert [(row["clustername"], row["capacitytotal"]) for row in one] == [("c0", 512 * GIB)]


async def test_every_list_of_the_infrastructure_answers(api: Api) -> None:
    built = await data_center(api, hosts_each=1)

    counts = {
        "listPods": ("pod", 1),
        "listClusters": ("cluster", 2),
        "listHosts": ("host", 2),
        "listStoragePools": ("storagepool", 2),
        "listPhysicalNetworks": ("physicalnetwork", 1),
        "listNetworkServiceProviders": ("networkserviceprovider", 5),
        "listVirtualRouterElements": ("virtualrouterelement", 2),
        "listInternalLoadBalancerElements": ("internalloadbalancerelement", 1),
        "listVlanIpRanges": ("vlaniprange", 1),
        "listImageStores": ("imagestore", 1),
        "listHypervisors": ("hypervisor", len(KINDS)),
        "listHypervisorCapabilities": ("hypervisorCapabilities", 2),
        "listManagementServers": ("managementserver", 1),
        "listRegions": ("region", 1),
        "listSystemVms": ("systemvm", 2),
    }
    for command, (key, count) in counts.items():
        answer = await api(command)
        assert (answer["count"], len(answer[key])) == (count, count), command
    for command in ("listRouters", "listSecondaryStagingStores", "listAlerts"):
        assert await api(command) == {}, command
    types = (await api("listTrafficTypes", physicalnetworkid=built.network))["traffictype"]
    assert {row["traffictype"] for row in types} == {"Guest", "Management", "Public", "Storage"}
    found = (await api("listInfrastructure"))["infrastructure"]
    assert (found["zones"], found["hosts"], found["storagepools"]) == (1, 2, 2)


async def test_settings_are_known_typed_and_scoped(api: Api) -> None:
    built = await data_center(api, hosts_each=1)

    async def value(name: str, **scope: Any) -> str:
        rows = (await api("listConfigurations", name=name, **scope))["configuration"]
        return str(rows[0]["value"])

    assert await value("expunge.delay") == "60"
    await api("resetConfiguration", name="expunge.delay")
    assert await value("expunge.delay") == "86400"
    await api("updateConfiguration", name="expunge.delay", value="61")
    assert await value("expunge.delay") == "61"
    await api.refused("updateConfiguration", 431, "there is no setting", name="no.such", value="1")
    words = {"name": "expunge.delay", "value": "soon"}
    await api.refused("updateConfiguration", 431, "a whole number", **words)
    words = {"name": "expunge.delay", "value": "1", "zoneid": built.zone}
    await api.refused("updateConfiguration", 431, "cannot be set for a zone", **words)


async def test_a_clusters_overcommit_changes_what_its_hosts_offer(api: Api) -> None:
    built = await data_center(api, hosts_each=1)
    mine = built.clusters[0]
    named = {"name": "cpu.overprovisioning.factor", "clusterid": mine}

    await api("updateConfiguration", value="2.0", **named)

    cluster = (await api("listClusters", id=mine))["cluster"][0]
    assert cluster["cpuovercommitratio"] == "2.0"
    rows = (await api("listCapacity", clusterid=mine, type=1))["capacity"]
    assert rows[0]["capacitytotal"] == 2 * 32 * 2600
    await api("updateConfiguration", name=named["name"], value="1.5")
    await api("resetConfiguration", **named)
    rows = (await api("listCapacity", clusterid=mine, type=1))["capacity"]
    assert rows[0]["capacitytotal"] == 1.5 * 32 * 2600, "what the whole cloud has"
