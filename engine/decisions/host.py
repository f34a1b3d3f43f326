"""Hosts: what they offer follows from what is known of them, and is said in the same commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar
from uuid import UUID, uuid5

from aggregates.base import Aggregate, Event
from aggregates.capacity import CapacitySupplied
from aggregates.errors import AlreadyExists
from aggregates.host import Host, HostDisconnected, HostState, HostUpdated
from engine.decide import Desk, decision
from engine.decisions.record import claim
from engine.draft import Decision
from engine.intents.host import EndMaintenance, HostLost, SupplyHosts, UpdateHost
from engine.world import World
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.cluster import Cluster, clusters
from projections.host import hosts
from projections.pod import Pod, pods
from projections.table import TableSpec

R = TypeVar("R", bound=Aggregate)
MIB = 1024**2
# What of a cluster or a pod has a part in what its hosts offer.
DECIDES_OFFERS = ("allocation_state", "managed_state", "cpu_overcommit", "memory_overcommit")


class Deciding(Protocol):
    """A run or a desk: whatever puts facts into a commit."""

    @property
    def world(self) -> World: ...
    def row(self, spec: TableSpec[R], row_id: UUID, /) -> R: ...
    def create(self, stream: UUID, first: Event, /) -> None: ...
    def change(self, row: Aggregate, /, *events: Event) -> None: ...
    def guard(self, row: Aggregate, /) -> None: ...
    def add(self, decision: Decision, hold: UUID, /) -> None: ...


def supply(at: Deciding, host_id: UUID) -> None:
    """Say what a host offers, as this commit leaves the host, its cluster and its pod.

    Each of the three is relied on, or two that change at once would leave the offer of neither.
    """
    host = at.row(hosts, host_id)
    cluster, pod = at.row(clusters, host.cluster_id), at.row(pods, host.pod_id)
    for row in (host, cluster, pod):
        at.guard(row)
    offer = _offer_of(host, cluster, pod)
    if host.hardware_id and not _offers(at.world, offer):
        key = uuid5(host.id, "supply")
        at.add(at.world.allocator.supply_host(offer, key), key)


def is_told(world: World, host: Host) -> bool:
    """Whether what a host offers is what its cluster, its pod and itself have it offer."""
    cluster, pod = world.cloud[clusters][host.cluster_id], world.cloud[pods][host.pod_id]
    return not host.hardware_id or _offers(world, _offer_of(host, cluster, pod))


def _offer_of(host: Host, cluster: Cluster, pod: Pod) -> CapacitySupplied:
    is_open = (
        cluster.allocation_state == pod.allocation_state == "Enabled"
        and cluster.managed_state == "Managed"
    )
    return CapacitySupplied(
        host_id=host.id,
        zone_id=host.zone_id,
        pod_id=host.pod_id,
        cluster_id=host.cluster_id,
        hypervisor=host.hypervisor,
        cpu_count=host.cpu_count,
        cpu_mhz=host.cpu_mhz,
        memory_mib=host.memory_bytes // MIB,
        tags=list(host.tags),
        enabled=host.is_usable and is_open,
        cpu_overcommit=cluster.cpu_overcommit,
        memory_overcommit=cluster.memory_overcommit,
    )


def _offers(world: World, offer: CapacitySupplied) -> bool:
    """Whether the host offers just this already."""
    return world.cloud.view(Capacity).supply_of(offer.host_id) == offer


def refuse_twice(cloud: Cloud, zone_id: UUID, url: str) -> None:
    """What one machine has would be promised twice if two hosts were reached at one URL."""
    for one in cloud[hosts].by("url", url):
        if one.zone_id == zone_id:
            raise AlreadyExists(f"host {one.name} has the URL {url} in this zone already")


def resupply(at: Deciding, rows: Iterable[Host]) -> None:
    """Their cluster or pod has changed: say again what these hosts offer."""
    for host in list(rows):
        supply(at, host.id)


@decision
def supply_some(ask: SupplyHosts, desk: Desk) -> None:
    """Those that have gone meanwhile offer nothing any more."""
    known = desk.cloud[hosts]
    resupply(desk, [known[one] for one in ask.ids if one in known])


@decision
def update(ask: UpdateHost, desk: Desk) -> None:
    host = desk.row(hosts, ask.id)
    host.idle()
    if ask.url not in (None, host.url):
        refuse_twice(desk.cloud, host.zone_id, ask.url)
        claim("host", {"zone_id": host.zone_id, "url": ask.url}, host.id, desk)
    changed = HostUpdated(
        name=host.name if ask.name is None else ask.name,
        url=host.url if ask.url is None else ask.url,
        tags=host.tags if ask.tags is None else ask.tags,
        enabled=host.is_enabled if ask.enabled is None else ask.enabled,
    )
    if ask.enabled is not None:
        host.may_be_enabled()
    now = HostUpdated(name=host.name, url=host.url, tags=host.tags, enabled=host.is_enabled)
    if changed != now:
        desk.change(host, changed)
        supply(desk, host.id)


@decision
def end_maintenance(ask: EndMaintenance, desk: Desk) -> None:
    host = desk.row(hosts, ask.id)
    desk.change(host, host.leave_maintenance())
    supply(desk, host.id)


@decision
def lost(ask: HostLost, desk: Desk) -> None:
    host = desk.row(hosts, ask.id)
    if host.state is HostState.UP:
        desk.change(host, HostDisconnected(why=ask.why))
        supply(desk, host.id)
