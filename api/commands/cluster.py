"""Clusters: add, change, remove, list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.commands import state_words
from api.declare import Caller, Later, Names, OneOf, Success, command, part
from api.lists import NONE_IS, Filter, list_command
from api.views.capacity import capacities
from api.views.cluster import ClusterView, state_of
from api.views.metrics import ClusterMetricsView
from engine.intents.cluster import AddCluster, UpdateCluster
from engine.intents.record import RemoveRecord
from projections.capacities import Place
from projections.cluster import Cluster, clusters

TYPES = OneOf("CloudManaged", "ExternalManaged")
ARCHES = OneOf("x86_64", "aarch64", "s390x")


@command(
    "addCluster",
    returns=ClusterView,
    key="cluster",
    shape="list",
    allow="A",
    action="CLUSTER.CREATE",
)
class AddClusterCommand:
    """Add a cluster: hosts of one kind that share storage."""

    cluster_name: Annotated[str, "name of the cluster"]
    cluster_type: Annotated[str, "CloudManaged, or ExternalManaged", TYPES]
    hypervisor: Annotated[str, "the kind of its hosts"]
    pod_id: Annotated[UUID, "the pod", Names("pod", right="operate")]
    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    arch: Annotated[str | None, "architecture of its hosts", ARCHES] = None
    extension_id: Annotated[UUID | None, "not offered yet", Later("there are no extensions")] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None
    storage_access_groups: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("storage has no access groups")
    ] = None
    guest_vswitch_name: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    guest_vswitch_type: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    public_vswitch_name: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    public_vswitch_type: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    vsm_ip_address: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    vsm_username: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    vsm_password: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    url: Annotated[str | None, "not offered yet", Later("for VMware, which has no driver yet")] = (
        None
    )
    username: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    password: Annotated[
        str | None, "not offered yet", Later("for VMware, which has no driver yet")
    ] = None
    ovm3_cluster: Annotated[
        str | None, "not offered yet", Later("for OVM, which has no driver")
    ] = None
    ovm3_pool: Annotated[str | None, "not offered yet", Later("for OVM, which has no driver")] = (
        None
    )
    ovm3_vip: Annotated[str | None, "not offered yet", Later("for OVM, which has no driver")] = None

    async def run(self, caller: Caller) -> Cluster:
        cluster_id = caller.new_id()
        fields = {
            "zone_id": self.zone_id,
            "pod_id": self.pod_id,
            "name": self.cluster_name,
            "hypervisor": self.hypervisor,
            "cluster_type": self.cluster_type,
            "arch": self.arch or "x86_64",
            "allocation_state": self.allocation_state or "Enabled",
        }
        await caller.decide(AddCluster(id=cluster_id, fields=fields))
        return caller.cloud[clusters][cluster_id]


@command("updateCluster", returns=ClusterView, key="cluster", allow="A", action="CLUSTER.EDIT")
class UpdateClusterCommand:
    """Change a cluster; disabled or unmanaged, nothing new is placed on its hosts."""

    id: Annotated[UUID, "the cluster", Names("cluster", right="operate")]
    cluster_name: Annotated[str | None, "new name"] = None
    cluster_type: Annotated[str | None, "CloudManaged, or ExternalManaged", TYPES] = None
    hypervisor: Annotated[str | None, "the kind of its hosts, while it has none"] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    managed_state: Annotated[str | None, "Managed, or Unmanaged", OneOf("Managed", "Unmanaged")] = (
        None
    )
    arch: Annotated[str | None, "architecture of its hosts", ARCHES] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None

    async def run(self, caller: Caller) -> Cluster:
        asked: dict[str, Any] = {
            "name": self.cluster_name,
            "cluster_type": self.cluster_type,
            "hypervisor": self.hypervisor,
            "allocation_state": self.allocation_state,
            "managed_state": self.managed_state,
            "arch": self.arch,
        }
        fields = {name: value for name, value in asked.items() if value}
        await caller.perform(UpdateCluster(id=self.id, fields=fields))
        return caller.cloud[clusters][self.id]


@command("deleteCluster", returns=Success, allow="A", action="CLUSTER.DELETE")
class DeleteCluster:
    """Remove a cluster that has neither hosts nor storage any more."""

    id: Annotated[UUID, "the cluster", Names("cluster", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveRecord(kind="cluster", id=self.id))


def _in_state(row: Cluster, wanted: Any) -> bool:
    return state_of(row).lower() == str(wanted).lower()


@part
class ClusterFilters:
    """What clusters are listed by."""

    zone_id: Annotated[UUID | None, "clusters of this zone", Names("zone", right="see")] = None
    pod_id: Annotated[UUID | None, "clusters of this pod", Names("pod", right="see")] = None
    hypervisor: Annotated[str | None, "clusters of this kind"] = None
    cluster_type: Annotated[str | None, "CloudManaged or ExternalManaged"] = None
    allocation_state: Annotated[
        str | None, "Enabled or Disabled", state_words.ALLOCATION, Filter(test=_in_state)
    ] = None
    managed_state: Annotated[str | None, "Managed or Unmanaged", state_words.MANAGED] = None
    arch: Annotated[str | None, "clusters of this architecture"] = None
    show_capacities: Annotated[bool | None, "add how much there is", Filter()] = None
    storage_access_group: Annotated[str | None, "of this access group: none is", NONE_IS] = None

    def show(self, row: Cluster, caller: Caller) -> ClusterView:
        made: ClusterView = type(self).PLAN.view.of(row, caller.cloud)  # type: ignore[attr-defined]
        if self.show_capacities:
            place = Place(row.zone_id, row.pod_id, row.id)
            made.capacity = capacities(caller.cloud, place)
        return made


@list_command("listClusters", view=ClusterView, table=clusters, key="cluster", scope="admin")
class ListClusters(ClusterFilters):
    """List clusters."""


@list_command(
    "listClustersMetrics",
    view=ClusterMetricsView,
    table=clusters,
    key="cluster",
    scope="admin",
    allow="A",
    since="4.9.3",
)
class ListClustersMetrics(ClusterFilters):
    """List clusters with what is really used, and what is too full."""
