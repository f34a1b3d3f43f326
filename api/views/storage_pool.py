"""A storage pool as administrators see it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from api.declare import Date, View, date, view
from projections.annotation import is_noted
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.pod import pods
from projections.space import Space
from projections.storage_pool import StoragePool
from projections.zone import zones


@view
class StoragePoolView(View, kw_only=True):
    id: Annotated[UUID, "the pool"]
    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    pod_id: Annotated[UUID | None, "the pod, if it serves one"] = None
    pod_name: Annotated[str | None, "its name"] = None
    cluster_id: Annotated[UUID | None, "the cluster, if it serves one"] = None
    cluster_name: Annotated[str | None, "its name"] = None
    ip_address: Annotated[str | None, "the machine that serves it"] = None
    path: Annotated[str, "its path there"]
    type: Annotated[str, "what kind it is"]
    scope: Annotated[str, "ZONE, CLUSTER or HOST"]
    state: Annotated[str, "Up, Disabled, Maintenance or Initializing"]
    hypervisor: Annotated[str, "the kind of hosts that use it"]
    provider: Annotated[str, "what serves it"]
    tags: Annotated[str | None, "its tags"] = None
    is_tag_a_rule: Annotated[bool, "whether its tag is a rule"]
    disk_size_total: Annotated[int | None, "bytes"] = None
    disk_size_allocated: Annotated[int | None, "bytes that are promised to volumes"] = None
    disk_size_used: Annotated[int | None, "bytes that are really used"] = None
    capacity_bytes: Annotated[int | None, "bytes that it offers, if an operator said so"] = None
    capacity_iops: Annotated[int | None, "operations a second, as an operator said"] = None
    details: Annotated[dict[str, str] | None, "its settings"] = None
    over_provision_factor: Annotated[str, "how much more space may be promised"]
    managed: Annotated[bool, "whether each volume is a LUN of its own"]
    created: Annotated[Date, "when it was added"]
    suitable_for_migration: Annotated[bool | None, "whether a volume can move to it"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: StoragePool, cloud: Cloud) -> StoragePoolView:
        pod, cluster = cloud[pods].get(row.pod_id), cloud[clusters].get(row.cluster_id)
        held = cloud.view(Space).pools.get(row.id)
        machine, path = place_of(row.url)
        known = row.capacity_bytes > 0
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            zone_id=row.zone_id,
            zone_name=cloud[zones][row.zone_id].name,
            pod_id=row.pod_id,
            pod_name=pod.name if pod else None,
            cluster_id=row.cluster_id,
            cluster_name=cluster.name if cluster else None,
            ip_address=machine,
            path=path,
            type=row.pool_type,
            scope=row.scope,
            state=row.state.value,
            hypervisor=row.hypervisor,
            provider=row.provider,
            tags=",".join(row.tags) or None,
            is_tag_a_rule=False,
            disk_size_total=row.capacity_bytes if known else None,
            disk_size_allocated=held.used_bytes if held else 0,
            disk_size_used=row.used_bytes if known else None,
            capacity_bytes=row.limit_bytes,
            capacity_iops=row.limit_iops,
            details=row.details or None,
            over_provision_factor=str(row.overprovision),
            managed=False,
            created=date(row.created_at_ms),
            job_id=row.job_id,
            job_status=None if row.job_id is None else 0,
        )


def place_of(url: str) -> tuple[str | None, str]:
    """The machine and the path that a pool's URL names, as they are shown and found by."""
    parts = urlsplit(url)
    return parts.hostname, parts.path or url
