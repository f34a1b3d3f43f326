"""Builds a zone in the order of CloudStack's own deployment tool, each call as it makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.infra.server import Api

PROVIDERS = ("VirtualRouter", "VpcVirtualRouter", "InternalLbVm")


@dataclass
class Built:
    """What the sequence made, by id."""

    zone: str = ""
    network: str = ""
    pod: str = ""
    clusters: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    range: str = ""
    store: str = ""


async def zone(api: Api, name: str = "z1") -> str:
    made = await api(
        "createZone",
        name=name,
        dns1="8.8.8.8",
        internaldns1="8.8.4.4",
        networktype="Advanced",
        guestcidraddress="10.1.1.0/24",
    )
    return str(made["zone"]["id"])


async def physical_network(api: Api, zone_id: str) -> str:
    made = await api(
        "createPhysicalNetwork", name="net1", zoneid=zone_id, isolationmethods=["VLAN"]
    )
    network_id = str(made["physicalnetwork"]["id"])
    for kind in ("Guest", "Management", "Public", "Storage"):
        await api(
            "addTrafficType",
            physicalnetworkid=network_id,
            traffictype=kind,
            kvmnetworklabel="cloudbr0",
        )
    for name in PROVIDERS:
        await enable_provider(api, network_id, name)
    await api("updatePhysicalNetwork", id=network_id, state="Enabled", vlan="100-199")
    return network_id


async def enable_provider(api: Api, network_id: str, name: str) -> None:
    """Configure the provider's element, then enable the provider, as the tool does."""
    wanted: dict[str, Any] = {"name": name, "physicalnetworkid": network_id, "state": "Disabled"}
    found = (await api("listNetworkServiceProviders", **wanted))["networkserviceprovider"]
    kind = "InternalLoadBalancerElement" if name == "InternalLbVm" else "VirtualRouterElement"
    elements = await api(f"list{kind}s", nspid=found[0]["id"])
    element = elements[kind.lower()][0]
    configured = await api(f"configure{kind}", id=element["id"], enabled=True)
    assert configured[kind.lower()]["enabled"] is True
    await api("updateNetworkServiceProvider", id=found[0]["id"], state="Enabled")


async def pod(api: Api, zone_id: str, name: str = "p1", third: int = 16) -> str:
    made = await api(
        "createPod",
        zoneid=zone_id,
        name=name,
        gateway=f"172.16.{third}.1",
        netmask="255.255.255.0",
        startip=f"172.16.{third}.2",
        endip=f"172.16.{third}.20",
    )
    return str(made["pod"]["id"])


async def cluster(api: Api, zone_id: str, pod_id: str, name: str) -> str:
    made = await api(
        "addCluster",
        zoneid=zone_id,
        podid=pod_id,
        clustername=name,
        clustertype="CloudManaged",
        hypervisor="Simulator",
    )
    return str(made["cluster"][0]["id"])


async def host(api: Api, zone_id: str, pod_id: str, cluster_id: str, url: str, **more: Any) -> str:
    made = await api(
        "addHost",
        zoneid=zone_id,
        podid=pod_id,
        clusterid=cluster_id,
        url=url,
        hypervisor="Simulator",
        username="root",
        password="a-host-password",
        **more,
    )
    return str(made["host"][0]["id"])


async def data_center(api: Api, *, hosts_each: int = 2, size: str = "") -> Built:
    """The whole sequence: one zone, one pod, two clusters with hosts and storage.

    `size` is the query of each host's URL: what a simulated host is like.
    """
    await api("updateConfiguration", name="expunge.delay", value="60")
    built = Built(zone=await zone(api))
    built.network = await physical_network(api, built.zone)
    built.pod = await pod(api, built.zone)
    for number in range(2):
        made = await cluster(api, built.zone, built.pod, f"c{number}")
        built.clusters.append(made)
        for each in range(hosts_each):
            url = f"http://sim-{number}-{each}{size}"
            built.hosts.append(await host(api, built.zone, built.pod, made, url))
        pool = await api(
            "createStoragePool",
            zoneid=built.zone,
            podid=built.pod,
            clusterid=made,
            name=f"primary{number}",
            url=f"nfs://10.0.0.9/export/primary{number}",
        )
        built.pools.append(pool["storagepool"]["id"])
    addresses = await api(
        "createVlanIpRange",
        zoneid=built.zone,
        gateway="192.0.2.1",
        netmask="255.255.255.0",
        startip="192.0.2.10",
        endip="192.0.2.99",
        vlan="untagged",
        forvirtualnetwork=True,
    )
    built.range = addresses["vlan"]["id"]
    store = await api(
        "addImageStore", zoneid=built.zone, provider="NFS", url="nfs://10.0.0.9/export/secondary"
    )
    built.store = store["imagestore"]["id"]
    await api("updateZone", id=built.zone, allocationstate="Enabled")
    return built
