"""A cluster as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from api.views.capacity import CapacityView
from projections.annotation import is_noted
from projections.cloud import Cloud
from projections.cluster import Cluster
from projections.pod import pods
from projections.zone import zones


def state_of(row: Cluster) -> str:
    """Whether it takes new guests: one in rolling maintenance does not."""
    return row.allocation_state if row.rolling_id is None else "Disabled"


@view
class ClusterView(View, kw_only=True):
    id: Annotated[UUID, "the cluster"]
    name: Annotated[str, "its name"]
    pod_id: Annotated[UUID, "the pod"]
    pod_name: Annotated[str, "its name"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    hypervisor_type: Annotated[str, "the kind of its hosts"]
    cluster_type: Annotated[str, "CloudManaged or ExternalManaged"]
    allocation_state: Annotated[str, "Enabled or Disabled"]
    managed_state: Annotated[str, "Managed or Unmanaged"]
    cpu_overcommit_ratio: Annotated[str, "how much more CPU may be promised"]
    memory_overcommit_ratio: Annotated[str, "how much more memory may be promised"]
    arch: Annotated[str, "architecture of its hosts"]
    capacity: Annotated[list[CapacityView] | None, "how much there is, if asked for"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: Cluster, cloud: Cloud) -> ClusterView:
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            pod_id=row.pod_id,
            pod_name=cloud[pods][row.pod_id].name,
            zone_id=row.zone_id,
            zone_name=cloud[zones][row.zone_id].name,
            hypervisor_type=row.hypervisor,
            cluster_type=row.cluster_type,
            allocation_state=state_of(row),
            managed_state=row.managed_state,
            cpu_overcommit_ratio=str(row.cpu_overcommit),
            memory_overcommit_ratio=str(row.memory_overcommit),
            arch=row.arch,
        )
