"""Jobs that are cancelled and mended, and hosts that are looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.intents.host import EndMaintenance, PrepareHost, ReconnectHost
from engine.intents.rolling_maintenance import RollHosts, Scripts
from engine.intents.saga import CancelJob, MendJob
from projections.host import hosts
from projections.saga import RunState, saga_runs
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants


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
