"""Jobs that are cancelled and mended, and hosts and pools that are looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aggregates.storage_pool import PoolState
from engine.intents.host import EndMaintenance, PrepareHost, ReconnectHost, RemoveHost
from engine.intents.pod import UpdatePod
from engine.intents.rolling_maintenance import RollHosts, Scripts
from engine.intents.saga import CancelJob, MendJob
from engine.intents.storage_pool import MaintainStoragePool, ServeStoragePool, UpdateStoragePool
from projections.host import hosts
from projections.pod import pods
from projections.saga import RunState, saga_runs
from projections.storage_pool import storage_pools
from tests.sim.place import STANDS, ZONES, host_at
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

LEFT = dict(zip(ZONES, (4, 1, 2), strict=True))


def _job(who: Tenants, state: RunState) -> Any:
    return who.one(saga_runs, lambda one: one.state is state)


@wish(4)
def cancel_job(who: Tenants) -> object | None:
    job = _job(who, RunState.RUNNING)
    return job and CancelJob(job_id=job.id)


@wish(3)
def mend_job(who: Tenants) -> object | None:
    job = _job(who, RunState.PARKED)
    return job and MendJob(job_id=job.id, way=who.pick("retry", "undo"))


@wish(1, operator=True)
def prepare_host(who: Tenants) -> object | None:
    host = who.one(hosts)
    return host and PrepareHost(id=host.id)


@wish(2, operator=True)
def end_maintenance(who: Tenants) -> object | None:
    host = who.one(hosts)
    return host and EndMaintenance(id=host.id)


@wish(2, operator=True)
def roll_hosts(who: Tenants) -> object | None:
    """Two hosts of a cluster, or one; forced or not."""
    host = who.one(hosts)
    if host is None:
        return None
    other = who.one(hosts, lambda one: one.cluster_id == host.cluster_id)
    return RollHosts(
        id=who.new_id(),
        host_ids=list({host.id: None, other.id: None} if other else [host.id]),
        scripts=Scripts(folder="/hooks", timeout_s=60),
        forced=who.pick(True, False),
    )


@wish(1, operator=True)
def reconnect_host(who: Tenants) -> object | None:
    host = who.one(hosts)
    return host and ReconnectHost(id=host.id)


@wish(1, operator=True)
def remove_host(who: Tenants) -> object | None:
    """Some stay in each zone, to reach its pools."""
    host = who.one(hosts)
    if (
        host is None
        or len(list(who.cloud[hosts].by("zone_id", host.zone_id))) <= LEFT[host.zone_id]
    ):
        return None
    return RemoveHost(id=host.id, forced=who.rarely(0.7))


@wish(2, operator=True)
def add_host(who: Tenants) -> object | None:
    """One that was removed, or that is here already if nobody looks."""
    here = {host.url for host in who.cloud[hosts]}
    away = [url for url in STANDS if url not in here or who.rarely(0.02)]
    if not away:
        return None
    return host_at(who.pick(*away), who.new_id(), who.name("host"))


@wish(1, operator=True)
def maintain_pool(who: Tenants) -> object | None:
    pool = who.one(storage_pools)
    return pool and MaintainStoragePool(id=pool.id)


@wish(3, operator=True)
def serve_pool(who: Tenants) -> object | None:
    pool = who.one(storage_pools, lambda one: one.state is PoolState.MAINTENANCE)
    return pool and ServeStoragePool(id=pool.id)


@wish(1, operator=True)
def update_pool(who: Tenants) -> object | None:
    """Let new volumes into it, or no more."""
    pool = who.one(storage_pools)
    return pool and UpdateStoragePool(id=pool.id, enabled=who.rarely(0.7))


@wish(1, operator=True)
def change_pod(who: Tenants) -> object | None:
    """One that takes no guests is opened soon, as there is no other."""
    pod = who.one(pods)
    shut = pod is not None and pod.allocation_state == "Enabled" and who.rarely(0.3)
    fields = {"allocation_state": "Disabled" if shut else "Enabled"}
    return pod and UpdatePod(id=pod.id, space_id=who.new_id(), fields=fields)
