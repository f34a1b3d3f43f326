"""A zone of tens of thousands of hosts and guests, as deploys and AddHost would have left it.

Clusters and pools are made by intents. Hosts and guests are written straight into the log, their
records with every promise on the ledgers: room on hosts and pools, numbers of address spaces. What
jobs leave of themselves is left out, as it is purged after some days.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid5

from aggregates.address import MAC_FIRST, AddressTaken, address_ledger, mac_text
from aggregates.capacity import CapacityHeld, CapacitySupplied, capacity_ledger
from aggregates.host import HostAdded, HostConnected
from aggregates.name import NameClaimed, name_ledger
from aggregates.space import SpaceHeld, space_ledger
from aggregates.vm import Nic, VmCreated, VmNicsSet, VmStarted
from aggregates.volume import VolumeCreated, VolumeReady
from benchmarks.cloud import BY, GIB, OFFERING, POD, ZONE, furnish, named, network
from engine.engine import Engine
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN
from engine.intents.cluster import AddCluster
from engine.intents.storage_pool import AddStoragePool
from engine.log import Append, Log, Unit
from projections.addresses import address_spaces
from projections.capacity import Capacity
from projections.space import Space

HOSTS_A_CLUSTER = 50
GUESTS_A_NETWORK = 60_000
CPU_COUNT, CPU_MHZ, MEMORY_MIB = 32, 2600, 256 * 1024
# Half a commit of the log, so that two are on their way at a time.
UNIT_EVENTS = 250
SIDE_BY_SIDE = 16


async def build(engine: Engine, log: Log, *, hosts: int) -> None:
    """A zone with so many hosts, in clusters of fifty with a pool each."""
    await furnish(engine, host_count=1)
    many = range(-(-hosts // HOSTS_A_CLUSTER))
    for number in many:
        fields = {"zone_id": ZONE, "pod_id": POD, "hypervisor": "Simulator"}
        name = f"cluster-{number}"
        await engine.decide(AddCluster(id=named(name), fields=fields | {"name": name}), BY)
    await write(engine, log, [part for number in range(hosts) for part in _host(number)])
    turns = asyncio.Semaphore(SIDE_BY_SIDE)
    async with asyncio.TaskGroup() as group:
        for number in many:
            group.create_task(_pool(engine, number, turns))


async def _pool(engine: Engine, number: int, turns: asyncio.Semaphore) -> None:
    ask = AddStoragePool(
        id=named(f"pool {number}"), name=f"pool-{number}", url=f"sim://pool-{number}",
        scope="CLUSTER", cluster_id=named(f"cluster-{number}"), zone_id=ZONE, pod_id=POD,
    )  # fmt: skip
    async with turns:
        await engine.perform(ask, BY)


def host_id(number: int) -> UUID:
    return named(f"host {number}")


def _host(number: int) -> list[Append]:
    """What AddHost leaves, but its job."""
    found, url = host_id(number), f"sim://host-{number}"
    where: dict[str, Any] = {"zone_id": ZONE, "pod_id": POD, "hypervisor": "Simulator"}
    where["cluster_id"] = named(f"cluster-{number // HOSTS_A_CLUSTER}")
    added = HostAdded(
        name=f"host-{number}", url=url, username="", password_ref="", tags=[], job_id=None, **where
    )
    connected = HostConnected(
        name=f"host-{number}", hardware_id=str(uuid5(found, "hardware")), hypervisor_version="1.0",
        cpu_count=CPU_COUNT, cpu_mhz=CPU_MHZ, memory_bytes=MEMORY_MIB * 1024**2, accelerated=True,
        capabilities=["hvm"], detail="simulated",
    )  # fmt: skip
    supplied = CapacitySupplied(
        host_id=found, cpu_count=CPU_COUNT, cpu_mhz=CPU_MHZ, memory_mib=MEMORY_MIB, **where
    )
    names: list[Append] = []
    for told in ({"zone_id": ZONE, "url": url}, {"hardware_id": connected.hardware_id}):
        claimed = NameClaimed(
            kind="host", fields=list(told), values=[str(one) for one in told.values()], owner=found
        )
        ledger = name_ledger("host", list(told), list(told.values()))
        names.append(Append(ledger, 0, (claimed,)))
    ledger = capacity_ledger(found)
    return [Append(found, 0, (added, connected)), *names, Append(ledger, 0, (supplied,))]


async def inhabit(engine: Engine, log: Log, *, guests: int, hosts: int, first: int = 0) -> None:
    """Guests `first` and following of the administrator's, spread evenly over the hosts."""
    for number in range(first // GUESTS_A_NETWORK, -(-(first + guests) // GUESTS_A_NETWORK)):
        if named(f"net-{number}") not in engine.cloud.table("network"):
            await engine.decide(network(f"net-{number}"), BY)
    made = Guests(engine, hosts)
    await write(engine, log, [part for n in range(first, first + guests) for part in made.of(n)])


class Guests:
    """Counts the versions of the ledgers that the guests hold room on."""

    def __init__(self, engine: Engine, hosts: int) -> None:
        self._cloud, self._hosts = engine.cloud, hosts
        self._versions: dict[UUID, int] = {}
        for host, version in zip(
            self._cloud.view(Capacity).hosts.streams,
            self._cloud.view(Capacity).hosts.versions,
            strict=False,
        ):
            self._versions[host] = int(version)
        for pool in self._cloud.view(Space).pools.values():
            self._versions[pool.stream] = pool.version
        self._macs = next(iter(self._cloud[address_spaces].by("purpose", "mac"))).id

    def of(self, number: int) -> list[Append]:
        """What a deploy leaves, but its job."""
        name, host = f"crowd-{number}", host_id(number % self._hosts)
        pool = named(f"pool {number % self._hosts // HOSTS_A_CLUSTER}")
        vm_id, disk_id, nic_id = named(f"vm {name}"), named(f"disk {name}"), named(f"nic {name}")
        room, space = uuid5(vm_id, "room"), uuid5(vm_id, "space")
        net = named(f"net-{number // GUESTS_A_NETWORK}")
        serial = number % GUESTS_A_NETWORK + 1000
        nic = Nic(
            id=nic_id, network_id=net, mac=mac_text(MAC_FIRST + 1_000_000 + number),
            ip4=f"10.1.{serial >> 8}.{serial & 255}", gateway="10.1.0.1", netmask="255.255.0.0",
            is_default=True,
        )  # fmt: skip
        created = VmCreated(
            name=name, display_name=name, account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN,
            user_id=None, zone_id=ZONE, template_id=BUILTIN_TEMPLATE,
            service_offering_id=OFFERING, hypervisor="Simulator", cpu_count=1, cpu_mhz=500,
            memory_mib=512, instance_name=f"i-{str(vm_id)[:8]}-VM", user_data="", key_pairs=[],
            host_tags=[], details={}, is_displayed=True, nics=[],
        )  # fmt: skip
        started = VmStarted(host_id=host, hold=room)
        disk = VolumeCreated(
            name=f"ROOT-{name}", account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, zone_id=ZONE,
            kind="ROOT", size_bytes=GIB, offering_id=None, template_id=BUILTIN_TEMPLATE,
            vm_id=vm_id, device=0, is_displayed=True,
        )  # fmt: skip
        ready = VolumeReady(pool_id=pool, path=f"/{disk_id}.qcow2", size_bytes=GIB, hold=space)
        held = CapacityHeld(
            hold=room, host_id=host, vm_id=vm_id, cpu_count=1, cpu_mhz=500, memory_mib=512
        )
        kept = SpaceHeld(hold=space, pool_id=pool, volume_id=disk_id, size_bytes=GIB)
        return [
            Append(vm_id, 0, (created, VmNicsSet(nics=[nic]), started)),
            Append(disk_id, 0, (disk, ready)),
            self._next(capacity_ledger(host), held),
            self._next(space_ledger(pool), kept),
            *self._numbers(nic_id, net, 1_000_000 + number, serial),
        ]

    def _next(self, ledger: UUID, happened: CapacityHeld | SpaceHeld) -> Append:
        version = self._versions.get(ledger, 0)
        self._versions[ledger] = version + 1
        return Append(ledger, version, (happened,))

    def _numbers(self, nic_id: UUID, net: UUID, mac: int, ip: int) -> list[Append]:
        space = next(iter(self._cloud[address_spaces].by("network_id", net)))
        found = []
        for space_id, number in ((self._macs, MAC_FIRST + mac), (space.id, space.first + ip)):
            hold = uuid5(nic_id, str(space_id))
            taken = AddressTaken(
                hold=hold, space_id=space_id, number=number, holder=nic_id, purpose="nic"
            )
            found.append(Append(address_ledger(space_id, number), 0, (taken,)))
        return found


async def write(engine: Engine, log: Log, appends: list[Append]) -> None:
    """Append them as they come, several to a unit, each stream once in it."""
    waiting: list[asyncio.Future[object]] = []
    unit: dict[UUID, Append] = {}
    events = 0
    for one in appends:
        if one.stream in unit or events >= UNIT_EVENTS:
            waiting.append(_submit(engine, log, unit))
            unit, events = {}, 0
            if len(waiting) > 4:
                await waiting.pop(0)
        unit[one.stream] = one
        events += len(one.events)
    if unit:
        waiting.append(_submit(engine, log, unit))
    for last in waiting:
        await last


def _submit(engine: Engine, log: Log, unit: dict[UUID, Append]) -> asyncio.Future[object]:
    made = Unit(tuple(unit.values()), account=ADMIN_ACCOUNT, decided_at=engine.cloud.position)
    return log.submit(made)  # type: ignore[return-value]
