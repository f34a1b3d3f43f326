"""Add a host: it is in the log as Connecting, it is reached and asked what it is, and it serves.

A host that cannot be reached, or that is here already under another URL, leaves nothing behind.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.cluster import Cluster
from aggregates.errors import AlreadyExists, Invalid
from aggregates.host import HostAdded, HostConnected, HostRemoved, HostUpdated
from drivers.contract.driver import HostSession
from engine.decide import Desk
from engine.decisions import cluster as cluster_decisions
from engine.decisions.host import refuse_twice, supply
from engine.decisions.record import claim
from engine.decisions.record import remove as remove_record
from engine.intents import SYSTEM
from engine.intents.cluster import AddCluster
from engine.intents.host import AddHost
from engine.intents.record import RemoveRecord
from engine.retry import Patience
from engine.saga import Run, Saga
from projections.cluster import clusters
from projections.host import hosts

# Its caller waits for the answer, so one second try is all that an unreachable host gets.
ONCE_MORE = Patience(attempts=2, first_s=0.5)

add_host = Saga("host.add:1", AddHost, subject="host", subject_id=lambda ask: ask.id)


@add_host.step
def accept(run: Run[AddHost]) -> None:
    ask = run.intent
    if ask.new_cluster:
        make_cluster(run, ask, ask.new_cluster)
    cluster = run.row(clusters, ask.cluster_id)
    run.guard(cluster)
    _check_cluster(run, cluster)
    refuse_twice(run.cloud, ask.zone_id, ask.url)
    added = HostAdded(
        name=ask.name,
        url=ask.url,
        hypervisor=run.world.hosts.kind(ask.hypervisor),
        zone_id=ask.zone_id,
        pod_id=ask.pod_id,
        cluster_id=ask.cluster_id,
        username=ask.username,
        password_ref=ask.password_ref,
        tags=ask.tags,
        job_id=run.id,
    )
    run.create(ask.id, added)
    claim("host", {"zone_id": ask.zone_id, "url": ask.url}, ask.id, _desk(run))


@accept.undo
def forget(run: Run[AddHost]) -> None:
    run.change(run.row(hosts, run.intent.id), HostRemoved())
    if run.intent.new_cluster:
        remove_record(RemoveRecord(kind="cluster", id=run.intent.cluster_id), _desk(run))


@add_host.step(timeout_s=60, patience=ONCE_MORE)
async def connect(run: Run[AddHost]) -> HostConnected:
    run.may_take(run.world.hosts.capabilities(run.intent.hypervisor).start_s)
    session = await run.world.hosts.session(run.intent.id)
    return await ask_facts(session)


@connect.undo
async def disconnect(run: Run[AddHost]) -> None:
    """The password goes as well: it was sealed for this host alone."""
    await run.world.hosts.drop(run.intent.id)
    if run.intent.password_ref:
        await run.world.vault.shred(UUID(run.intent.password_ref))


@add_host.step(no_undo="the last step: nothing after it can fail")
def record(run: Run[AddHost]) -> None:
    facts, host = run[connect], run.row(hosts, run.intent.id)
    for other in run.cloud[hosts].by("hardware_id", facts.hardware_id):
        raise AlreadyExists(
            f"the machine at {host.url} is host {other.name} ({other.url}) already: "
            f"both say that their hardware is {facts.hardware_id}"
        )
    claim("host", {"hardware_id": facts.hardware_id}, host.id, _desk(run))
    run.change(host, facts)
    if not run.intent.enabled:
        name = run.row(hosts, host.id).name
        run.change(host, HostUpdated(name=name, url=host.url, tags=host.tags, enabled=False))
    supply(run, host.id)


async def ask_facts(session: HostSession) -> HostConnected:
    """What a host says of itself, as the log keeps it."""
    facts = await session.inspect()
    return HostConnected(
        name=facts.name,
        hardware_id=facts.hardware_id,
        hypervisor_version=facts.hypervisor_version,
        cpu_count=facts.cpu_count,
        cpu_mhz=facts.cpu_mhz,
        memory_bytes=facts.memory_bytes,
        accelerated=facts.accelerated,
        capabilities=list(facts.capabilities),
        detail=facts.detail,
    )


def make_cluster(run: Run[Any], ask: AddHost, name: str) -> None:
    """The cluster that the host is for, which is not there yet."""
    fields = {
        "zone_id": ask.zone_id,
        "pod_id": ask.pod_id,
        "name": name,
        "hypervisor": ask.hypervisor,
    }
    cluster_decisions.add(AddCluster(id=ask.cluster_id, fields=fields), _desk(run))


def _check_cluster(run: Run[AddHost], cluster: Cluster) -> None:
    ask = run.intent
    kind = run.world.hosts.kind(ask.hypervisor)
    if (cluster.zone_id, cluster.pod_id) != (ask.zone_id, ask.pod_id):
        raise Invalid(f"cluster {cluster.name} is in another zone or pod", field="clusterid")
    if cluster.hypervisor != kind:
        raise Invalid(
            f"cluster {cluster.name} is for {cluster.hypervisor} hosts: a {kind} host needs a "
            "cluster of its own kind",
            field="hypervisor",
        )


def _desk(run: Run[Any]) -> Desk:
    assert run.draft is not None
    return Desk(run.draft, run.world, SYSTEM)
