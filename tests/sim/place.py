"""What the tenants find beside the benchmark's zone: another pool, addresses, a disc, and a zone.

The other zone is smaller: a cluster of two hosts, with a pool for the whole of it. Its VLANs and
guests' subnets are called as those of the first are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.cloud import BY, CLUSTER, POD, WIRE, ZONE, named
from engine.engine import Engine
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN, stable_id
from engine.intents.cluster import AddCluster
from engine.intents.host import AddHost
from engine.intents.iso import RegisterIso
from engine.intents.physical_network import CreatePhysicalNetwork
from engine.intents.pod import CreatePod
from engine.intents.record import CreateRecord
from engine.intents.setting import ChangeSetting
from engine.intents.storage_pool import AddStoragePool
from engine.intents.template import UpdateTemplate
from engine.intents.vlan_ip_range import CreateVlanIpRange
from engine.intents.zone import CreateZone
from tests.sim.images import STORES, provide

MEDIUM = stable_id("service_offering", "Medium Instance")
TENANTS = 3
HOSTS, HOSTS_OF_2 = 5, 2
ZONE_2, POD_2, CLUSTER_2, WIRE_2 = (named(f"{n} 2") for n in ("zone", "pod", "cluster", "wire"))
ZONES = (ZONE, ZONE_2)
WIRES = {ZONE: WIRE, ZONE_2: WIRE_2}
# Where each host of the data centre stands.
STANDS = {
    f"sim://host{number}": (ZONE, POD, CLUSTER) if number < HOSTS else (ZONE_2, POD_2, CLUSTER_2)
    for number in range(HOSTS + HOSTS_OF_2)
}
HOST_URLS = tuple(STANDS)
POOLS = ("pool", "pool2", "pool3")
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
    for zone_id, front in zip(ZONES, ("198.51.100", "203.0.113"), strict=True):
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
    for number in range(HOSTS, HOSTS + HOSTS_OF_2):
        name = f"host{number}"
        host = AddHost(
            id=named(name), name=name, url=f"sim://{name}", hypervisor="Simulator",
            zone_id=ZONE_2, pod_id=POD_2, cluster_id=CLUSTER_2,
        )  # fmt: skip
        await engine.perform(host, BY)
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
