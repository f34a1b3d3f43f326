"""Primary storage: add, change, maintain, remove, list."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.offering_checks import split
from api.commands.vm_checks import refuse_later
from api.commands.volume_checks import LONG
from api.declare import Bound, Caller, Idle, Job, Later, Names, OneOf, Page, Success, command, part
from api.errors import InvalidValue, missing
from api.lists import NONE_IS, Filter, cut, list_command
from api.urls import plain_url
from api.views.metrics import StoragePoolMetricsView
from api.views.storage_pool import StoragePoolView, place_of
from engine.intents.storage_pool import (
    AddStoragePool,
    MaintainStoragePool,
    RemoveStoragePool,
    ServeStoragePool,
    UpdateStoragePool,
)
from engine.intents.volume import DeleteVolume
from projections.cluster import clusters
from projections.host import hosts
from projections.storage_pool import StoragePool, storage_pools
from projections.volume import volumes

KIND = "storage_pool"
PoolId = Annotated[UUID, "the pool", Names(KIND, right="operate")]


@command(
    "createStoragePool",
    returns=StoragePoolView,
    key="storagepool",
    allow="A",
    action="STORAGE.POOL.CREATE",
)
class CreateStoragePool:
    """Add primary storage: a host that reaches it opens it and says how large it is."""

    name: Annotated[str, "name of the pool"]
    url: Annotated[str, "where it is, such as nfs://server/path"]
    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    pod_id: Annotated[UUID | None, "the pod", Names("pod", right="operate")] = None
    cluster_id: Annotated[UUID | None, "the cluster", Names("cluster", right="operate")] = None
    scope: Annotated[str | None, "ZONE, CLUSTER or HOST", OneOf("ZONE", "CLUSTER", "HOST")] = None
    hypervisor: Annotated[str | None, "the kind of hosts that use a zone's pool"] = None
    provider: Annotated[str | None, "what serves it", OneOf("DefaultPrimary")] = None
    tags: Annotated[str | None, "tags that offerings name, with commas"] = None
    details: Annotated[dict[str, str] | None, "hostid names the host of a HOST pool"] = None
    capacity_bytes: Annotated[
        int | None, "bytes that it offers; all that it has if omitted", Bound(1), LONG
    ] = None
    capacity_iops: Annotated[int | None, "operations a second; kept", Bound(1), LONG] = None
    managed: Annotated[bool | None, "not offered: each volume a LUN of its own"] = None
    is_tag_a_rule: Annotated[bool | None, "not offered: tags are words"] = None
    storage_access_groups: Annotated[
        str | None, "not offered yet", Later("storage has no access groups")
    ] = None

    async def run(self, caller: Caller) -> StoragePool:
        refuse_later(self, ("managed", "is_tag_a_rule"))
        url = plain_url(self.url, "storage that needs one has a driver for it")
        scope = self._scope()
        host_id = self._host(caller) if scope == "HOST" else None
        host = caller.cloud[hosts].get(host_id)
        cluster_id = host.cluster_id if host else self.cluster_id
        cluster = caller.cloud[clusters].get(cluster_id) if scope != "ZONE" else None
        if cluster is not None and cluster.zone_id != self.zone_id:
            raise InvalidValue(
                f"cluster {cluster.name} is in another zone: choose one of this zone"
            )
        ask = AddStoragePool(
            id=caller.new_id(),
            name=self.name,
            url=url,
            scope=scope,
            zone_id=self.zone_id,
            hypervisor=self.hypervisor or "",
            pod_id=cluster.pod_id if cluster else None,
            cluster_id=cluster.id if cluster else None,
            host_id=host_id,
            provider=self.provider or "DefaultPrimary",
            tags=split(self.tags),
            limit_bytes=self.capacity_bytes,
            limit_iops=self.capacity_iops,
            details={k: v for k, v in (self.details or {}).items() if k != "hostid"},
        )
        await caller.perform(ask)
        return caller.cloud[storage_pools][ask.id]

    def _scope(self) -> str:
        scope = self.scope or ("CLUSTER" if self.cluster_id is not None else "ZONE")
        if scope == "CLUSTER" and self.cluster_id is None:
            raise missing("createStoragePool", "clusterid")
        return scope

    def _host(self, caller: Caller) -> UUID:
        """The host of a local pool: the one named, or the only one of the cluster."""
        named = (self.details or {}).get("hostid", "")
        for host in caller.cloud[hosts].by("zone_id", self.zone_id) if named else ():
            if str(host.id) == named:
                return host.id
        near = list(caller.cloud[hosts].by("cluster_id", self.cluster_id)) if not named else []
        if len(near) == 1:
            return near[0].id
        raise InvalidValue(
            "a HOST pool needs details[0].hostid: the id of a host in the zone, unless its "
            "cluster has just one"
        )


@command(
    "updateStoragePool",
    returns=StoragePoolView,
    key="storagepool",
    allow="A",
    action="STORAGE.POOL.UPDATE",
)
class UpdateStoragePoolCommand:
    """Rename or tag a pool, or let nothing new into it."""

    id: PoolId
    name: Annotated[str | None, "new name"] = None
    tags: Annotated[list[str] | None, "tags that offerings name"] = None
    enabled: Annotated[bool | None, "whether new volumes may be put into it"] = None
    capacity_bytes: Annotated[
        int | None, "bytes that it offers, at most what it has", Bound(1), LONG
    ] = None
    capacity_iops: Annotated[int | None, "operations a second; kept", Bound(1), LONG] = None
    is_tag_a_rule: Annotated[bool | None, "not offered: tags are words"] = None
    url: Annotated[str | None, "not offered: its volumes are there"] = None
    details: Annotated[dict[str, str] | None, "its settings, all of them"] = None

    async def run(self, caller: Caller) -> StoragePool:
        refuse_later(self, ("is_tag_a_rule", "url"))
        ask = UpdateStoragePool(
            id=self.id,
            name=self.name or None,
            tags=None if self.tags is None else list(self.tags),
            enabled=self.enabled,
            limit_bytes=self.capacity_bytes,
            limit_iops=self.capacity_iops,
            details=self.details,
        )
        await caller.decide(ask)
        return caller.cloud[storage_pools][self.id]


@command("deleteStoragePool", returns=Success, allow="A", action="STORAGE.POOL.DELETE")
class DeleteStoragePool:
    """Remove a pool in which no volume lies; what is on the disks stays there."""

    id: PoolId
    forced: Annotated[bool | None, "expunge the destroyed volumes that are in it first"] = None

    async def run(self, caller: Caller) -> None:
        lying = list(caller.cloud[volumes].by("pool_id", self.id))
        if self.forced and not caller.dry_run and all(one.state == "Destroy" for one in lying):
            for volume in lying:
                await caller.perform(DeleteVolume(volume_id=volume.id))
        await caller.decide(RemoveStoragePool(id=self.id))


@command(
    "enableStorageMaintenance",
    returns=StoragePoolView,
    key="storagepool",
    allow="A",
    is_async=True,
    envelope="prepareprimarystorageformaintenanceresponse",
    action="MAINT.PREPARE.PS",
)
class EnableStorageMaintenance:
    """Take a pool out of service; the guests that run from it are stopped."""

    id: PoolId

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(MaintainStoragePool(id=self.id))


@command(
    "cancelStorageMaintenance",
    returns=StoragePoolView,
    key="storagepool",
    allow="A",
    is_async=True,
    envelope="cancelprimarystoragemaintenanceresponse",
    action="MAINT.CANCEL.PS",
)
class CancelStorageMaintenance:
    """Put a pool back into service, and start the guests that were stopped for it."""

    id: PoolId

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(ServeStoragePool(id=self.id))


def _state(row: StoragePool, value: str) -> bool:
    return str(row.state).lower() == value.lower()


@part
class StoragePoolFilters:
    """What primary storage are listed by."""

    zone_id: Annotated[UUID | None, "pools of this zone", Names("zone", right="see")] = None
    pod_id: Annotated[UUID | None, "pools of this pod", Names("pod", right="see")] = None
    cluster_id: Annotated[UUID | None, "pools of this cluster", Names("cluster", right="see")] = (
        None
    )
    host_id: Annotated[
        UUID | None, "pools that this host reaches", Names("host", right="see"), Filter()
    ] = None
    scope: Annotated[str | None, "ZONE, CLUSTER or HOST"] = None
    status: Annotated[str | None, "Up, Disabled or Maintenance", Filter(test=_state)] = None
    ip_address: Annotated[str | None, "served by this machine", Filter()] = None
    path: Annotated[str | None, "of this path", Filter()] = None
    storage_access_group: Annotated[str | None, "of this access group: none is", NONE_IS] = None
    storage_custom_stats: Annotated[
        bool | None, "accepted, and of no effect", Idle("no pool has statistics of its own")
    ] = None

    def matches(self, row: StoragePool, caller: Caller) -> bool:
        machine, path = place_of(row.url)
        if self.ip_address and (machine or "").casefold() != self.ip_address.casefold():
            return False
        if self.path and path.casefold() != self.path.casefold():
            return False
        host = caller.cloud[hosts].get(self.host_id)
        if host is None:
            return True
        return row.host_id in (None, host.id) and row.cluster_id in (None, host.cluster_id)


@list_command(
    "listStoragePools", view=StoragePoolView, table=storage_pools, key="storagepool", scope="admin"
)
class ListStoragePools(StoragePoolFilters):
    """List primary storage."""


@list_command(
    "listStoragePoolsMetrics",
    view=StoragePoolMetricsView,
    table=storage_pools,
    key="storagepool",
    scope="admin",
    allow="A",
    since="4.9.3",
)
class ListStoragePoolsMetrics(StoragePoolFilters):
    """List primary storage with what is really used, and what is too full."""


@command(
    "findStoragePoolsForMigration",
    returns=StoragePoolView,
    key="storagepool",
    shape="list",
    allow="A",
)
class FindStoragePoolsForMigration:
    """List the other pools of a volume's zone, and whether it could lie in each."""

    id: Annotated[UUID, "the volume", Names("volume", right="see")]
    keyword: Annotated[str | None, "text that the name contains"] = None
    page: Annotated[int | None, "which page, from 1", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        volume = caller.cloud[volumes][self.id]
        home = caller.cloud[storage_pools].get(volume.pool_id)
        if home is None:
            raise InvalidValue(f"volume {volume.name} lies in no pool yet")
        zone = caller.cloud[storage_pools].by("zone_id", home.zone_id)
        word = (self.keyword or "").casefold()
        found = [one for one in zone if one.id != home.id and word in one.name.casefold()]
        rows = cut(found, self.page, self.page_size, caller)
        return Page(len(found), [self._shown(row, home, caller) for row in rows])

    def _shown(self, row: StoragePool, home: StoragePool, caller: Caller) -> StoragePoolView:
        near = row.cluster_id in (None, home.cluster_id) and row.host_id in (None, home.host_id)
        shown = StoragePoolView.of(row, caller.cloud)
        shown.suitable_for_migration = near and row.state == "Up"
        return shown
