"""Add a storage pool: a host that reaches it opens it and says how large it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from aggregates.errors import AlreadyExists, Invalid, NotAllowed
from aggregates.host import Host, HostState
from aggregates.storage_pool import StoragePoolAdded, StoragePoolOpened, StoragePoolRemoved
from engine.decide import Desk
from engine.decisions.record import claim
from engine.decisions.storage_pool import supply_space
from engine.intents import SYSTEM
from engine.intents.storage_pool import AddStoragePool
from engine.saga import Run, Saga
from engine.sagas.host_add import ONCE_MORE
from projections.cluster import clusters
from projections.host import hosts
from projections.setting import number_of
from projections.storage_pool import storage_pools

# What each URL scheme is called on the wire, for kinds that do not say which pools they open.
POOL_TYPES = {
    "nfs": "NetworkFilesystem",
    "networkfilesystem": "NetworkFilesystem",
    "sharedmountpoint": "SharedMountPoint",
    "filesystem": "Filesystem",
    "file": "Filesystem",
    "rbd": "RBD",
    "clvm": "CLVM",
    "iscsi": "IscsiLUN",
    "presetup": "PreSetup",
}

add_storage_pool = Saga(
    "storage_pool.add:1", AddStoragePool, subject="storage_pool", subject_id=lambda ask: ask.id
)


class Opened(msgspec.Struct, frozen=True):
    capacity_bytes: int
    used_bytes: int


@add_storage_pool.step
def accept(run: Run[AddStoragePool]) -> None:
    ask = run.intent
    for other in run.cloud[storage_pools].by("zone_id", ask.zone_id):
        if other.name == ask.name:
            raise AlreadyExists(f"this zone has a storage pool {ask.name} already")
        if other.url == ask.url and other.host_id == ask.host_id:
            raise AlreadyExists(f"storage pool {other.name} has the URL {ask.url} already")
    hypervisor = _hypervisor(run)
    near = list(_in_reach(run, hypervisor))
    if not near:
        raise NotAllowed(
            f"no host that is Up reaches storage pool {ask.name}: add a host first, since it is "
            "a host that opens the pool"
        )
    overprovision = ask.overprovision
    if overprovision is None:
        name = "storage.overprovisioning.factor"
        overprovision = number_of(run.cloud, name, ask.zone_id)
    added = StoragePoolAdded(
        name=ask.name,
        url=ask.url,
        scope=ask.scope,
        zone_id=ask.zone_id,
        hypervisor=hypervisor,
        pool_type=ask.pool_type or _pool_type(run, ask.url, near[0].hypervisor),
        pod_id=ask.pod_id,
        cluster_id=ask.cluster_id,
        host_id=ask.host_id,
        provider=ask.provider,
        tags=ask.tags,
        overprovision=overprovision,
        job_id=run.id,
        limit_bytes=ask.limit_bytes,
        limit_iops=ask.limit_iops,
        details=ask.details,
    )
    run.create(ask.id, added)
    assert run.draft is not None
    desk = Desk(run.draft, run.world, SYSTEM)
    claim("storage_pool", {"zone_id": ask.zone_id, "name": ask.name}, ask.id, desk)
    claim("storage_pool", {"host_id": ask.host_id, "url": ask.url}, ask.id, desk)


@accept.undo
def forget(run: Run[AddStoragePool]) -> None:
    run.change(run.row(storage_pools, run.intent.id), StoragePoolRemoved())


@add_storage_pool.step(timeout_s=120, patience=ONCE_MORE, no_undo="what was there before stays")
async def open_pool(run: Run[AddStoragePool]) -> Opened:
    session, pool = await run.world.hosts.with_pool(run.intent.id)
    facts = await session.open_pool(pool)
    return Opened(facts.capacity_bytes, facts.used_bytes)


@add_storage_pool.step(no_undo="the last step: nothing after it can fail")
def record(run: Run[AddStoragePool]) -> None:
    pool, opened = run.row(storage_pools, run.intent.id), run[open_pool]
    used_bytes = opened.used_bytes
    run.change(pool, StoragePoolOpened(capacity_bytes=opened.capacity_bytes, used_bytes=used_bytes))
    supply_space(run, pool.id)


def _hypervisor(run: Run[AddStoragePool]) -> str:
    """The kind of hosts that use it: its cluster's or host's, or for a zone the one named."""
    ask = run.intent
    if ask.host_id is not None:
        return run.row(hosts, ask.host_id).hypervisor
    if ask.cluster_id is not None:
        return run.row(clusters, ask.cluster_id).hypervisor
    named = ask.hypervisor or "Any"
    return "Any" if named.lower() == "any" else run.world.hosts.kind(named)


def _in_reach(run: Run[AddStoragePool], hypervisor: str) -> Iterable[Host]:
    ask = run.intent
    for host in run.cloud[hosts].by("zone_id", ask.zone_id):
        if host.state is not HostState.UP or hypervisor not in ("Any", host.hypervisor):
            continue
        if ask.host_id in (None, host.id) and ask.cluster_id in (None, host.cluster_id):
            yield host


def _pool_type(run: Run[Any], url: str, hypervisor: str) -> str:
    """By the URL's scheme; a kind that opens pools of its own says which."""
    scheme = urlsplit(url).scheme.lower()
    known_here = run.world.hosts.capabilities(hypervisor).pool_types or POOL_TYPES
    if scheme in known_here:
        return known_here[scheme]
    if hypervisor == "Simulator":
        return "NetworkFilesystem"
    known = ", ".join(f"{one}://" for one in known_here)
    raise Invalid(
        f"storage URL {url!r} has no scheme that {hypervisor} hosts know: {known}", field="url"
    )
