"""Where a network's router runs: beside its guests where it can, and where it is for as long.

A network that has no VLAN over its hosts' cards lies on one host, so its router has to be there.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import cast
from uuid import UUID

from aggregates.errors import Invalid
from aggregates.host import HostState, ResourceState
from aggregates.router import Router
from drivers.contract.routing import Routing
from engine.routing.picture import served_by
from engine.world import Hosts
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.host import Host, hosts
from projections.nic import Nics
from projections.router import routers
from projections.router_place import router_places
from projections.setting import is_on

RUNNING, ROLE = "Running", "VIRTUAL_ROUTER"
# So many of a network's guests say where most of them are.
LOOKED_AT = 500
ON_HOSTS = "network.router.on.hosts"
# A host that somebody keeps guests away from is left by routers too.
STAYS = (ResourceState.ENABLED, ResourceState.DISABLED)


def is_served(router: Router) -> bool:
    """Is it one that runs on hosts? Balancers inside networks are records."""
    return router.role == ROLE


def can_run(hosts_: Hosts, hypervisor: str) -> bool:
    """Do hosts of this kind run routers? None do of which there is no driver here."""
    try:
        return hosts_.capabilities(hypervisor).routers
    except Invalid:
        return False


def is_wanted(router: Router, cloud: Cloud) -> bool:
    """Is it to run at all, by what operators say of it and of its zone, and has it anything to do?

    Of the two that a redundant VPC has one runs: where it goes the other has nothing to wait for.
    """
    return (
        is_served(router)
        and router.state == RUNNING
        and is_on(cloud, ON_HOSTS, router.zone_id)
        and bool(served_by(router, cloud))
        and not _stands_behind(router, cloud)
    )


def _stands_behind(router: Router, cloud: Cloud) -> bool:
    if router.vpc_id is None:
        return False
    beside = cloud[routers].by("vpc_id", router.vpc_id)
    return any(is_served(one) and one.state == RUNNING and one.id < router.id for one in beside)


def stays(router: Router, cloud: Cloud) -> bool:
    """Does it stay where it is? A host that is out of reach keeps it, until it is given up."""
    host = cloud[hosts].get(router.host_id)
    return host is not None and host.resource_state in STAYS


def choose(router: Router, cloud: Cloud, hosts_: Hosts, *, but: UUID | None) -> Host | None:
    """The host with most of its guests, else any that can; None if there is none but `but`."""
    able = able_clusters(router.zone_id, cloud, hosts_)
    if not able:
        return None
    near = Counter(
        vm.host_id
        for network in served_by(router, cloud)
        for vm in cloud.view(Nics).guests_on(network.id)[:LOOKED_AT].looked_at()
        if vm.host_id is not None
    )
    beside = (cloud[hosts].get(host_id) for host_id, _ in near.most_common())
    others = (host for cluster_id in able for host in cloud[hosts].by("cluster_id", cluster_id))
    for host in chain(beside, others):
        if host is not None and host.id != but and _is_free(host) and host.cluster_id in able:
            return host
    return None


def able_clusters(zone_id: UUID, cloud: Cloud, hosts_: Hosts) -> dict[UUID, None]:
    """Those of a zone whose hosts can run routers, in their order."""
    there = cloud[clusters].by("zone_id", zone_id)
    return {one.id: None for one in there if can_run(hosts_, one.hypervisor)}


async def clear_routers(cloud: Cloud, hosts_: Hosts, host_id: UUID) -> None:
    """Remove every router from a host that is about to be removed itself."""
    for place in list(cloud[router_places].by("host_id", host_id)):
        session = cast(Routing, await hosts_.session(host_id))
        await session.remove_router(place.router_id, key=place.id)


def _is_free(host: Host) -> bool:
    return host.state is HostState.UP and host.resource_state is ResourceState.ENABLED
