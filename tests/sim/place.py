"""What the tenants find beside the benchmark's zone: another pool, addresses, a disc, and zones.

The second zone is smaller: a cluster of two hosts, with a pool for the whole of it. Its VLANs and
guests' subnets are called as those of the first are. The third is Basic: a pod of two hosts, and
one of a single host, with addresses of their own, and pools of zone, cluster and host in reach.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.cloud import BY, CLUSTER, POD, ZONE, named
from engine.engine import Engine
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN, stable_id
from engine.intents.cluster import AddCluster
from engine.intents.host import AddHost
from engine.intents.iso import RegisterIso
from engine.intents.network import CreateNetwork
from engine.intents.physical_network import CreatePhysicalNetwork
from engine.intents.pod import CreatePod
from engine.intents.record import CreateRecord
from engine.intents.setting import ChangeSetting
from engine.intents.storage_pool import AddStoragePool
from engine.intents.template import UpdateTemplate
from engine.intents.vlan_ip_range import CreateVlanIpRange
from engine.intents.zone import CreateZone
from projections.cloud import Cloud
from projections.host import hosts
from tests.sim.images import STORES, provide

MEDIUM = stable_id("service_offering", "Medium Instance")
SHARED, GROUPED = (
    stable_id("network_offering", f"DefaultSharedNetworkOffering{end}")
    for end in ("", "WithSGService")
)
TENANTS = 3
HOSTS = 5
ZONE_2, POD_2, CLUSTER_2, WIRE_2 = (named(f"{n} 2") for n in ("zone", "pod", "cluster", "wire"))
ZONE_3, POD_3, POD_4 = named("zone 3"), named("pod 3"), named("pod 4")
CLUSTER_3, CLUSTER_4, CLUSTER_5 = (named(f"cluster {number}") for number in (3, 4, 5))
BASIC = named("basic network")
ZONES = (ZONE, ZONE_2, ZONE_3)
IN_1, IN_2, IN_3, IN_4, BESIDE = (
    (ZONE, POD, CLUSTER), (ZONE_2, POD_2, CLUSTER_2), (ZONE_3, POD_3, CLUSTER_3),
    (ZONE_3, POD_4, CLUSTER_4), (ZONE, POD, CLUSTER_5),
)  # fmt: skip
# Where each host of the data centre stands.
STANDS = {
    f"sim://host{number}": place
    for number, place in enumerate([*[IN_1] * HOSTS, IN_2, IN_2, IN_3, IN_3, IN_4, BESIDE])
}
HOST_URLS = tuple(STANDS)
# Whom each pool serves: all of a zone, a cluster, or the host that is named.
SERVES: dict[str, UUID | tuple[UUID, UUID, UUID] | str] = {
    "pool": IN_1, "pool2": IN_1, "pool3": ZONE_2, "pool4": ZONE_3, "pool5": IN_3, "pool6": BESIDE,
    "pool7": ZONE, "own0": "sim://host0", "own1": "sim://host1", "own7": "sim://host7",
    "own9": "sim://host9",
}  # fmt: skip
POOLS = tuple(SERVES)
# Those that are there from the start; an operator may add the others.
AT_FIRST = ("pool4", "pool5", "pool6", "own7", "own9")
SETTINGS = {"enable.dynamic.scale.vm": "true", "expunge.delay": "20"}


def account(name: str) -> dict[str, Any]:
    """The fields of a tenant's account."""
    role = {"role_id": stable_id("role", "User"), "role_type": "User"}
    return {"name": name, "domain_id": ROOT_DOMAIN, **role}


async def complete(engine: Engine, home: Path) -> None:
    """Add to the zone what issue with tenants is about."""
    pool = AddStoragePool(
        id=named("pool2"), name="pool2", url="sim://pool2", scope="CLUSTER", zone_id=ZONE,
        pod_id=POD, cluster_id=CLUSTER,
    )  # fmt: skip
    await engine.perform(pool, BY)
    await _furnish_other_zone(engine)
    for zone_id, front in ((ZONE, "198.51.100"), (ZONE_2, "203.0.113")):
        await engine.decide(_public(zone_id, front), BY)
    provide(home)
    for name, zone_id in STORES.items():
        fields = {
            "name": name, "url": f"file://{home}/{name}", "provider": "NFS",
            "protocol": "file", "zone_id": ZONES[zone_id],
        }  # fmt: skip
        await engine.decide(CreateRecord(kind="image_store", id=named(name), fields=fields), BY)
    disc = RegisterIso(
        template_id=named("disc"), account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, name="disc",
        display_text="disc", url="sim://disc", hypervisor="Simulator", image_format="ISO",
        trusted=True,
    )  # fmt: skip
    await engine.perform(disc, BY)
    grows = UpdateTemplate(template_id=BUILTIN_TEMPLATE, fields={"is_dynamically_scalable": True})
    await engine.decide(grows, BY)
    for name, value in SETTINGS.items():
        await engine.decide(ChangeSetting(id=named(name), name=name, value=value), BY)
    for number in range(TENANTS):
        tenant = CreateRecord(
            kind="account", id=named(f"tenant {number}"), fields=account(f"tenant{number}")
        )
        await engine.decide(tenant, BY)


async def _furnish_other_zone(engine: Engine) -> None:
    zone = {"name": "z2", "network_type": "Advanced", "dns1": "192.0.2.1"}
    zone |= {"internal_dns1": "192.0.2.1", "allocation_state": "Enabled"}
    pod = {"zone_id": ZONE_2, "name": "p", "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    pod |= {"start_ip": "192.0.2.10", "end_ip": "192.0.2.20"}
    wire = {"zone_id": ZONE_2, "name": "w", "vlans": "100-999", "state": "Enabled"}
    cluster = {"zone_id": ZONE_2, "pod_id": POD_2, "name": "c", "hypervisor": "Simulator"}
    for ask in (
        CreateZone(id=ZONE_2, mac_space_id=named("macs 2"), fields=zone),
        CreatePod(id=POD_2, space_id=named("pod addresses 2"), fields=pod),
        CreatePhysicalNetwork(id=WIRE_2, seed=named("wire parts 2"), fields=wire),
        AddCluster(id=CLUSTER_2, fields=cluster),
    ):
        await engine.decide(ask, BY)
    await _add_hosts(engine, IN_2)
    pool = AddStoragePool(
        id=named("pool3"), name="pool3", url="sim://pool3", scope="ZONE", zone_id=ZONE_2,
        hypervisor="Simulator",
    )  # fmt: skip
    await engine.perform(pool, BY)


def _public(zone_id: UUID, front: str) -> CreateVlanIpRange:
    fields = {
        "zone_id": zone_id, "gateway": f"{front}.1", "netmask": "255.255.255.0",
        "start_ip": f"{front}.10", "end_ip": f"{front}.40",
    }  # fmt: skip
    return CreateVlanIpRange(id=named(f"public {front}"), fields=fields)


async def _add_hosts(engine: Engine, *places: tuple[UUID, UUID, UUID]) -> None:
    for url, place in STANDS.items():
        if place in places:
            await engine.perform(host_at(url, named(url.removeprefix("sim://"))), BY)


def host_at(url: str, host_id: UUID, name: str = "") -> AddHost:
    """A host of the data centre, to be added where it stands."""
    zone_id, pod_id, cluster_id = STANDS[url]
    return AddHost(
        id=host_id, name=name or url.removeprefix("sim://"), url=url, hypervisor="Simulator",
        zone_id=zone_id, pod_id=pod_id, cluster_id=cluster_id,
    )  # fmt: skip


def pool_at(cloud: Cloud, name: str, pool_id: UUID) -> AddStoragePool | None:
    """A pool, to be added for those that it serves; None while its host is none of the cloud's."""
    serves = SERVES[name]
    if isinstance(serves, UUID):
        where: dict[str, Any] = {"scope": "ZONE", "zone_id": serves, "hypervisor": "Simulator"}
    else:
        host = next((one for one in cloud[hosts] if one.url == serves), None)
        if isinstance(serves, str) and host is None:
            return None
        zone_id, pod_id, cluster_id = STANDS[serves] if isinstance(serves, str) else serves
        where = {"zone_id": zone_id, "pod_id": pod_id, "cluster_id": cluster_id}
        where |= {"scope": "HOST", "host_id": host.id} if host else {"scope": "CLUSTER"}
    return AddStoragePool(id=pool_id, name=name, url=f"sim://{name}", **where)


async def widen(engine: Engine) -> None:
    """Add the third zone, a second cluster of the first, and pools of every scope."""
    zone = {
        "name": "z3",
        "network_type": "Basic",
        "dns1": "192.0.2.1",
        "internal_dns1": "192.0.2.1",
    }
    zone |= {"allocation_state": "Enabled", "security_groups_enabled": True}
    wire = {"zone_id": ZONE_3, "name": "w", "state": "Enabled"}
    network = CreateNetwork(
        network_id=BASIC, zone_id=ZONE_3, offering_id=GROUPED, name="basic", display_text="basic",
        account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, acl_type="Domain",
    )  # fmt: skip
    asks: list[object] = [
        CreateZone(id=ZONE_3, mac_space_id=named("macs 3"), fields=zone),
        CreatePhysicalNetwork(id=named("wire 3"), seed=named("wire parts 3"), fields=wire),
        network,
    ]
    for number, (zone_id, pod_id, cluster_id) in enumerate((IN_3, IN_4)):
        front = f"10.5.{number}"
        pod = {"zone_id": zone_id, "name": f"p{number}", "netmask": "255.255.255.0"}
        pod |= {"gateway": f"192.0.{number + 3}.1", "start_ip": f"192.0.{number + 3}.10"}
        asks += [
            CreatePod(
                id=pod_id, space_id=named(f"{front} pod"),
                fields=pod | {"end_ip": f"192.0.{number + 3}.20"},
            ),
            CreateVlanIpRange(id=named(front), fields=basic_range(pod_id, front, 10, 24)),
            _cluster(cluster_id, zone_id, pod_id, f"c{number}"),
        ]  # fmt: skip
    for ask in (*asks, _cluster(CLUSTER_5, ZONE, POD, "beside")):
        await engine.decide(ask, BY)
    await _add_hosts(engine, IN_3, IN_4, BESIDE)
    for name in AT_FIRST:
        await engine.perform(pool_at(engine.cloud, name, named(name)), BY)


def basic_range(pod_id: UUID, front: str, first: int, last: int) -> dict[str, Any]:
    """The fields of a range of guests' addresses of a pod of the Basic zone."""
    return {
        "zone_id": ZONE_3, "pod_id": pod_id, "network_id": BASIC, "for_virtual_network": False,
        "gateway": f"{front}.1", "netmask": "255.255.255.0", "start_ip": f"{front}.{first}",
        "end_ip": f"{front}.{last}",
    }  # fmt: skip


def _cluster(cluster_id: UUID, zone_id: UUID, pod_id: UUID, name: str) -> AddCluster:
    where = {"zone_id": zone_id, "pod_id": pod_id}
    return AddCluster(id=cluster_id, fields={**where, "name": name, "hypervisor": "Simulator"})
