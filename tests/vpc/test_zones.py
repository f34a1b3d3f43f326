"""Zones of each kind, built as CloudStack's deployment tool builds them, with a guest in each."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from engine.genesis import stable_id
from tests.infra.build import cluster, enable_provider, host
from tests.infra.server import Api
from tests.tenant.world import ISOLATED, SHARED, SMALL, TEMPLATE
from tests.vpc.parts import VPC_OFFERING

GROUPED = str(stable_id("network_offering", "DefaultSharedNetworkOfferingWithSGService"))
DNS = {"dns1": "192.0.2.1", "internaldns1": "192.0.2.2"}


async def zone(api: Api, kind: str, *, groups: bool) -> str:
    made = await api("createZone", name="z1", networktype=kind, securitygroupenabled=groups, **DNS)
    assert made["zone"]["securitygroupsenabled"] is groups
    zone_id = str(made["zone"]["id"])
    wires = (await api("createPhysicalNetwork", name="wires", zoneid=zone_id))["physicalnetwork"]
    for traffic in ("Guest", "Management"):
        await api("addTrafficType", physicalnetworkid=wires["id"], traffictype=traffic)
    await enable_provider(api, wires["id"], "VirtualRouter")
    if groups:
        found = await api("listNetworkServiceProviders", name="SecurityGroupProvider")
        provider = found["networkserviceprovider"][0]["id"]
        await api("updateNetworkServiceProvider", id=provider, state="Enabled")
    await api("updatePhysicalNetwork", id=wires["id"], state="Enabled")
    return zone_id


async def pod(api: Api, zone_id: str, number: int) -> str:
    """A pod with one host and a pool."""
    made = await api(
        "createPod", zoneid=zone_id, name=f"p{number}", gateway=f"172.16.{number}.1",
        netmask="255.255.255.0", startip=f"172.16.{number}.2", endip=f"172.16.{number}.9",
    )  # fmt: skip
    pod_id = str(made["pod"]["id"])
    cluster_id = await cluster(api, zone_id, pod_id, f"c{number}")
    await host(api, zone_id, pod_id, cluster_id, f"http://sim-{number}")
    await api(
        "createStoragePool", zoneid=zone_id, podid=pod_id, clusterid=cluster_id,
        name=f"primary{number}", url=f"nfs://10.0.0.9/export/primary{number}",
    )  # fmt: skip
    return pod_id


async def guest_range(api: Api, zone_id: str, pod_id: str, number: int) -> None:
    await api(
        "createVlanIpRange", zoneid=zone_id, podid=pod_id, gateway=f"10.{number}.0.1",
        netmask="255.255.255.0", startip=f"10.{number}.0.10", endip=f"10.{number}.0.29",
        vlan="untagged", forvirtualnetwork="false",
    )  # fmt: skip


async def basic_zone(api: Api, *, groups: bool) -> tuple[str, str, list[str]]:
    """The zone, its network and its two pods."""
    zone_id = await zone(api, "Basic", groups=groups)
    offering = GROUPED if groups else SHARED
    made = await api(
        "createNetwork", name="guests", displaytext="guests", zoneid=zone_id,
        networkofferingid=offering,
    )  # fmt: skip
    pods = [await pod(api, zone_id, number) for number in (1, 2)]
    for number, pod_id in enumerate(pods, 1):
        await guest_range(api, zone_id, pod_id, number)
    await api("updateZone", id=zone_id, allocationstate="Enabled")
    return zone_id, str(made["network"]["id"]), pods


async def deploy(api: Api, zone_id: str, **more: Any) -> Any:
    asked = {"zoneid": zone_id, "serviceofferingid": SMALL, "templateid": TEMPLATE} | more
    return (await api("deployVirtualMachine", **asked))["virtualmachine"]


async def pod_of(api: Api, vm: Any) -> str:
    found = await api("listHosts", id=vm["hostid"])
    return str(found["host"][0]["podid"])


async def test_a_basic_zone_with_security_groups(api: Api) -> None:
    zone_id, network_id, pods = await basic_zone(api, groups=True)
    for _ in range(3):
        vm = await deploy(api, zone_id)
        (nic,) = vm["nic"]
        number = pods.index(await pod_of(api, vm)) + 1
        assert (nic["networkid"], nic["type"]) == (network_id, "Shared")
        assert (nic["gateway"], nic["netmask"]) == (f"10.{number}.0.1", "255.255.255.0")
        assert IPv4Address(nic["ipaddress"]) in IPv4Network(f"10.{number}.0.0/24")
        assert [one["name"] for one in vm["securitygroup"]] == ["default"]
    for number, pod_id in enumerate(pods, 1):
        vm = await deploy(api, zone_id, podid=pod_id)
        assert await pod_of(api, vm) == pod_id
        assert vm["nic"][0]["gateway"] == f"10.{number}.0.1"
        await api("stopVirtualMachine", id=vm["id"])
        started = (await api("startVirtualMachine", id=vm["id"]))["virtualmachine"]
        assert await pod_of(api, started) == pod_id
    asked = await deploy(api, zone_id, ipaddress="10.2.0.20")
    assert (asked["nic"][0]["ipaddress"], await pod_of(api, asked)) == ("10.2.0.20", pods[1])
    await api("createSecurityGroup", name="web")
    chosen = await deploy(api, zone_id, securitygroupnames="web")
    assert [one["name"] for one in chosen["securitygroup"]] == ["web"]
    await api.refused("deleteSecurityGroup", 536, "in use by virtual machine", name="web")


async def test_a_basic_zone_without_security_groups(api: Api) -> None:
    zone_id, network_id, _ = await basic_zone(api, groups=False)
    vm = await deploy(api, zone_id)
    assert vm["nic"][0]["networkid"] == network_id
    assert vm["securitygroup"] == []
    await api("createSecurityGroup", name="web")
    asked = {"zoneid": zone_id, "serviceofferingid": SMALL, "templateid": TEMPLATE}
    await api.refused(
        "deployVirtualMachine", 431, "has security groups", securitygroupnames="web", **asked
    )


async def test_what_a_basic_zone_has_not(api: Api) -> None:
    wrong = {"name": "z0", "networktype": "Basic", "guestcidraddress": "10.1.1.0/24"} | DNS
    await api.refused("createZone", 431, "for isolated networks", **wrong)
    zone_id, _, pods = await basic_zone(api, groups=True)
    named = {"name": "n", "displaytext": "n", "zoneid": zone_id}
    for offering, told in (
        (ISOLATED, "only shared networks"),
        (GROUPED, "its one network, guests"),
    ):
        await api.refused("createNetwork", 431, told, networkofferingid=offering, **named)
    await api.refused(
        "createVPC", 431, "has no VPCs", vpcofferingid=VPC_OFFERING, cidr="10.9.0.0/16", **named
    )
    reach = {"gateway": "10.3.0.1", "netmask": "255.255.255.0", "zoneid": zone_id}
    ends = reach | {"startip": "10.3.0.10", "endip": "10.3.0.19", "forvirtualnetwork": "false"}
    await api.refused("createVlanIpRange", 431, "give podid", **ends)
    tagged = ends | {"podid": pods[0], "vlan": "12"}
    await api.refused("createVlanIpRange", 431, "no VLAN", **tagged)


async def test_an_advanced_zone_with_security_groups(api: Api) -> None:
    zone_id = await zone(api, "Advanced", groups=True)
    await pod(api, zone_id, 1)
    await api("updateZone", id=zone_id, allocationstate="Enabled")
    named = {"name": "n", "displaytext": "n", "zoneid": zone_id}
    await api.refused(
        "createNetwork", 431, "only shared networks", networkofferingid=ISOLATED, **named
    )
    asked = {"zoneid": zone_id, "serviceofferingid": SMALL, "templateid": TEMPLATE}
    await api.refused("deployVirtualMachine", 431, "no shared network to be on", **asked)
    reach = {"gateway": "10.8.0.1", "netmask": "255.255.255.0", "vlan": "44"}
    ends = reach | {"startip": "10.8.0.10", "endip": "10.8.0.99"}
    made = await api("createNetwork", networkofferingid=GROUPED, **named, **ends)
    vm = await deploy(api, zone_id)
    assert vm["nic"][0]["networkid"] == made["network"]["id"]
    assert [one["name"] for one in vm["securitygroup"]] == ["default"]
    more = {"gateway": "10.8.1.1", "netmask": "255.255.255.0", "forvirtualnetwork": "false"}
    added = await api(
        "createVlanIpRange", zoneid=zone_id, startip="10.8.1.10", endip="10.8.1.19", **more
    )
    assert added["vlan"]["networkid"] == made["network"]["id"]
    far = await deploy(api, zone_id, ipaddress="10.8.1.12")
    assert far["nic"][0]["gateway"] == "10.8.1.1"


async def test_an_advanced_zone_without_security_groups(api: Api) -> None:
    zone_id = await zone(api, "Advanced", groups=False)
    await pod(api, zone_id, 1)
    await api("updateZone", id=zone_id, allocationstate="Enabled")
    shared = {"gateway": "10.8.0.1", "netmask": "255.255.255.0", "vlan": "44"}
    ends = shared | {"startip": "10.8.0.10", "endip": "10.8.0.99"}
    named = {"name": "n", "displaytext": "n", "zoneid": zone_id}
    await api.refused(
        "createNetwork", 431, "has security groups", networkofferingid=GROUPED, **named, **ends
    )
    vm = await deploy(api, zone_id)
    assert (vm["nic"][0]["type"], vm["securitygroup"]) == ("Isolated", [])
