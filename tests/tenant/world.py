"""A whole controller with a small simulated data centre, and clients of those who use it.

Two Simulator clusters stand in one zone: `main` with two hosts and a pool, and `spare`, whose one
host no pool reaches. Tenants ann and bob live in domains of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cs import CloudStack

from engine.genesis import BUILTIN_TEMPLATE, ROOT_DOMAIN, stable_id
from engine.intents import SYSTEM
from engine.intents.cluster import AddCluster
from engine.intents.host import AddHost
from engine.intents.physical_network import CreatePhysicalNetwork
from engine.intents.pod import CreatePod
from engine.intents.record import CreateRecord
from engine.intents.storage_pool import AddStoragePool
from engine.intents.traffic_type import AddTrafficType
from engine.intents.zone import CreateZone
from engine.routing.placing import is_wanted
from projections.cloud import Cloud
from projections.router import routers
from sagastack.boot import Controller, controller
from sagastack.settings import Settings
from tests.e2e.server import HANG_S

SMALL = str(stable_id("service_offering", "Small Instance"))
MEDIUM = str(stable_id("service_offering", "Medium Instance"))
CUSTOM_DISK = str(stable_id("disk_offering", "Custom"))
SMALL_DISK = str(stable_id("disk_offering", "Small"))
ISOLATED = str(stable_id("network_offering", "DefaultIsolatedNetworkOfferingWithSourceNatService"))
SHARED = str(stable_id("network_offering", "DefaultSharedNetworkOffering"))
TEMPLATE = str(BUILTIN_TEMPLATE)
GIB = 2**30


def named(name: str) -> UUID:
    """The id of a thing in these tests, by its name."""
    return uuid5(NAMESPACE_URL, f"urn:test:{name}")


ZONE, POD, WIRES = named("zone"), named("pod"), named("wires")
MAIN, SPARE = named("cluster main"), named("cluster spare")
POOL = named("pool")


class Client:
    """`await api("listVolumes", id=...)` by the `cs` client; `job` waits for its end."""

    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self.endpoint, self.key, self.secret = endpoint, key, secret
        self.cs = CloudStack(
            endpoint=endpoint, key=key, secret=secret, poll_interval=0.05, job_timeout=HANG_S
        )

    async def __call__(self, command: str, **params: Any) -> Any:
        return await asyncio.to_thread(getattr(self.cs, command), **params)

    async def job(self, command: str, **params: Any) -> Any:
        """The result of an asynchronous command."""
        return await self(command, fetch_result=True, **params)

    async def ended(self, job_id: str) -> Any:
        """The result of a job that was begun before."""
        return await asyncio.to_thread(self.cs._jobresult, job_id)

    async def one(self, command: str, key: str, **params: Any) -> Any:
        """The only row of a list."""
        answer = await self(command, **params)
        assert answer["count"] == 1, answer
        return answer[key][0]


@dataclass
class Place:
    """The controller, and a client for each who asks."""

    controller: Controller
    admin: Client
    tenants: dict[str, Client] = field(default_factory=dict)

    @property
    def ann(self) -> Client:
        return self.tenants["ann"]

    @property
    def bob(self) -> Client:
        return self.tenants["bob"]

    def account(self, name: str) -> str:
        return str(named(f"account {name}"))


def _awaits_router(cloud: Cloud) -> bool:
    return any(is_wanted(one, cloud) and not one.known_at_ms for one in cloud[routers])


async def settled(cloud: Cloud) -> int:
    """The position of the log once routers are told: the jobs that need them do not wait."""
    async with asyncio.timeout(20):
        while _awaits_router(cloud):  # noqa: ASYNC110 (the log alone tells)
            await asyncio.sleep(0.01)
    return cloud.position


@asynccontextmanager
async def place(home: Path, **simulator: str) -> AsyncIterator[Place]:
    """A controller on a free port of the loopback, with everything a tenant needs."""
    async with controller(Settings(home=home, port=0, simulator=simulator)) as running:
        found = await running.credentials()
        assert found is not None
        here = Place(running, Client(running.endpoint, found.api_key, found.secret_key))
        await build_zone(running)
        for name in ("ann", "bob"):
            here.tenants[name] = await add_tenant(running, name)
        yield here


async def build_zone(running: Controller) -> None:
    decide, perform = running.engine.decide, running.engine.perform
    zone = {"name": "z1", "network_type": "Advanced", "allocation_state": "Enabled"}
    zone |= {"dns1": "192.0.2.1", "internal_dns1": "192.0.2.1", "guest_cidr": "10.1.1.0/24"}
    await decide(CreateZone(id=ZONE, mac_space_id=named("macs"), fields=zone), SYSTEM)
    wires = {"zone_id": ZONE, "name": "wires", "state": "Enabled", "vlans": "100-119"}
    await decide(CreatePhysicalNetwork(id=WIRES, seed=named("seed"), fields=wires), SYSTEM)
    traffic = {"physical_network_id": WIRES, "traffic_type": "Guest"}
    await decide(AddTrafficType(id=named("guest traffic"), fields=traffic), SYSTEM)
    pod = {"zone_id": ZONE, "name": "p1", "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    pod |= {"start_ip": "192.0.2.10", "end_ip": "192.0.2.20"}
    await decide(CreatePod(id=POD, space_id=named("pod space"), fields=pod), SYSTEM)
    for cluster_id, name in ((MAIN, "main"), (SPARE, "spare")):
        fields = {"zone_id": ZONE, "pod_id": POD, "name": name, "hypervisor": "Simulator"}
        await decide(AddCluster(id=cluster_id, fields=fields), SYSTEM)
    for number, cluster_id in ((1, MAIN), (2, MAIN), (3, SPARE)):
        url = f"sim://tenant-h{number}?cpus=8&mhz=2000&memory_gib=16"
        ask = AddHost(
            id=named(f"host {number}"), name=f"h{number}", url=url, hypervisor="Simulator",
            zone_id=ZONE, pod_id=POD, cluster_id=cluster_id,
        )  # fmt: skip
        await perform(ask, SYSTEM)
    pool = AddStoragePool(
        id=POOL, name="pool", url="sim://tenant-pool?capacity_gib=1000", scope="CLUSTER",
        zone_id=ZONE, pod_id=POD, cluster_id=MAIN,
    )  # fmt: skip
    await perform(pool, SYSTEM)


async def add_tenant(running: Controller, name: str) -> Client:
    """An account with one user and its keys, in a domain of the same name."""
    decide, vault = running.engine.decide, running.vault
    domain_id, account_id, user_id = (named(f"{k} {name}") for k in ("domain", "account", "user"))

    async def make(kind: str, row_id: UUID, **fields: Any) -> None:
        await decide(CreateRecord(kind=kind, id=row_id, fields=fields), SYSTEM)

    await make("domain", domain_id, name=name, path=f"/{name}", level=1, parent_id=ROOT_DOMAIN)
    role_id = stable_id("role", "User")
    await make(
        "account", account_id, name=name, domain_id=domain_id, role_id=role_id, role_type="User"
    )
    owner = {"account_id": account_id, "domain_id": domain_id}
    await make("user", user_id, name=name, password_ref=str(named("none")), **owner)
    secret_ref = await vault.put(f"{name}-secret")
    key = {"key": f"{name}-key", "user_id": user_id, "secret_ref": str(secret_ref)}
    await make("api_key", named(f"key {name}"), **key)
    return Client(running.endpoint, f"{name}-key", f"{name}-secret")
