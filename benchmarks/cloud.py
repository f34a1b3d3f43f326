"""A cloud to measure or to torment: the real log and engine over a simulated data centre.

It is built through intents, as a user builds one, and every id follows from a name, so two clouds
that were built alike are alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from drivers.sim import SimDriver
from engine.allocator import Allocator
from engine.clock import Clock, SystemClock
from engine.drivers import Drivers
from engine.engine import Engine
from engine.fence import Owner
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN, begin, stable_id
from engine.history import History
from engine.hosts import HostRegistry
from engine.intents import By
from engine.intents.cluster import AddCluster
from engine.intents.host import AddHost
from engine.intents.network import CreateNetwork
from engine.intents.physical_network import CreatePhysicalNetwork
from engine.intents.pod import CreatePod
from engine.intents.storage_pool import AddStoragePool
from engine.intents.vm import DeployVm, DiskAsk, NicAsk
from engine.intents.zone import CreateZone
from engine.log import Log
from engine.nouns import load
from engine.tasks import Tasks
from engine.vault import Vault
from engine.world import World
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.space import Space

GIB = 1024**3
BY = By(account_id=ADMIN_ACCOUNT, action="BENCH")
OFFERING = stable_id("service_offering", "Small Instance")
ISOLATED = stable_id("network_offering", "DefaultIsolatedNetworkOfferingWithSourceNatService")


@lru_cache(1 << 16)
def named(name: str) -> UUID:
    """The id of the thing that has this name in every such cloud."""
    return uuid5(NAMESPACE_OID, name)


ZONE, POD, CLUSTER, POOL, WIRE = (named(n) for n in ("zone", "pod", "cluster", "pool", "wire"))
NETWORK = named("network")


@dataclass(frozen=True, slots=True)
class Bed:
    """One engine's life."""

    log: Log
    engine: Engine
    hosts: HostRegistry
    history: History
    vault: Vault


def load_nouns() -> None:
    load("aggregates", "projections", "engine.decisions", "engine.sagas", "engine.chores")


@asynccontextmanager
async def engine_in(
    home: Path,
    driver: SimDriver,
    *,
    clock: Clock | None = None,
    around: Callable[[Log], Any] = lambda log: log,
    token: Callable[[int], str] | None = None,
    store: str = "",
    owner: Owner | None = None,
) -> AsyncIterator[Bed]:
    """An engine on the log in `home`; the data centre belongs to the caller and outlives it.

    `around` may put something between the engine and its log. `store` is another log, which several
    engines may write to; `owner` then says which runs are this one's.
    """
    load_nouns()
    clock = clock or SystemClock()
    log = await Log.open(store or f"sqlite://{home}/log.db", now_ms=clock.now_ms)
    vault = await Vault.open(home / "secrets.db")
    try:
        history = History(log, home / "checkpoints")
        cloud = await history.opening()
        hosts = HostRegistry(cloud, Drivers([driver]), vault)
        async with Tasks() as tasks:
            world = World(
                cloud=cloud,
                allocator=Allocator(cloud.view(Capacity), cloud.view(Space), cloud.view(Addresses)),
                hosts=hosts,
                vault=vault,
                clock=clock,
                home=home,
                children=None,  # type: ignore[arg-type]
            )
            engine = Engine(around(log), world, clock, tasks, history, owner)
            world.children = engine
            await begin(engine, vault, **({"token": token} if token else {}))
            engine.runner.resume()
            yield Bed(log, engine, hosts, history, vault)
    finally:
        await log.close()
        await vault.close()


async def furnish(engine: Engine, *, host_count: int) -> None:
    """One zone with one cluster of simulated hosts, a pool that all of them reach, a network."""
    where: dict[str, Any] = {"zone_id": ZONE, "pod_id": POD}
    zone = {"name": "z", "network_type": "Advanced", "dns1": "192.0.2.1"}
    zone |= {"internal_dns1": "192.0.2.1", "allocation_state": "Enabled"}
    pod = {"zone_id": ZONE, "name": "p", "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    pod |= {"start_ip": "192.0.2.10", "end_ip": "192.0.2.20"}
    wire = {"zone_id": ZONE, "name": "w", "vlans": "100-999", "state": "Enabled"}
    cluster = where | {"name": "c", "hypervisor": "Simulator"}
    for ask in (
        CreateZone(id=ZONE, mac_space_id=named("macs"), fields=zone),
        CreatePod(id=POD, space_id=named("pod addresses"), fields=pod),
        CreatePhysicalNetwork(id=WIRE, seed=named("wire parts"), fields=wire),
        AddCluster(id=CLUSTER, fields=cluster),
    ):
        await engine.decide(ask, BY)
    for number in range(host_count):
        name = f"host{number}"
        host = AddHost(
            id=named(name),
            name=name,
            url=f"sim://{name}",
            hypervisor="Simulator",
            cluster_id=CLUSTER,
            **where,
        )
        await engine.perform(host, BY)
    pool = AddStoragePool(
        id=POOL, name="pool", url="sim://pool", scope="CLUSTER", cluster_id=CLUSTER, **where
    )
    await engine.perform(pool, BY)
    await engine.decide(network("network"), BY)


def network(name: str) -> CreateNetwork:
    """An isolated network with 65,000 addresses and a VLAN of its own."""
    return CreateNetwork(
        network_id=named(name),
        account_id=ADMIN_ACCOUNT,
        domain_id=ROOT_DOMAIN,
        zone_id=ZONE,
        offering_id=ISOLATED,
        name=name,
        display_text=name,
        gateway="10.1.0.1",
        netmask="255.255.0.0",
    )


def deploy(name: str, *, network_id: UUID = NETWORK, data_disk: bool = False) -> DeployVm:
    """What the API asks for when a tenant deploys a small guest."""
    disks = [
        DiskAsk(volume_id=named(f"root {name}"), name=f"ROOT-{name}", device=0, size_bytes=GIB)
    ]
    if data_disk:
        disks.append(
            DiskAsk(volume_id=named(f"data {name}"), name=f"DATA-{name}", device=1, size_bytes=GIB)
        )
    return DeployVm(
        vm_id=named(f"vm {name}"),
        account_id=ADMIN_ACCOUNT,
        domain_id=ROOT_DOMAIN,
        user_id=None,
        zone_id=ZONE,
        template_id=BUILTIN_TEMPLATE,
        service_offering_id=OFFERING,
        name=name,
        display_name=name,
        hypervisor="Simulator",
        cpu_count=1,
        cpu_mhz=500,
        memory_mib=512,
        disks=disks,
        nics=[NicAsk(nic_id=named(f"nic {name}"), network_id=network_id)],
    )
