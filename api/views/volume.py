"""A volume as the wire shows it. Sizes are in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.declare import Cloud, Date, Roles, date, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.annotation import is_noted
from projections.cluster import clusters
from projections.disk_offering import disk_offerings
from projections.iso import isos
from projections.pod import pods
from projections.service_offering import service_offerings
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.vm import vms
from projections.volume import Volume
from projections.zone import zones


def _measured(row: Volume, cloud: Cloud) -> dict[str, Any]:
    """What it was measured at, while its guest runs."""
    last = cloud.vitals.disk(row.id)
    if last is None:
        return {}
    return {
        "disk_kbs_read": last.read_bytes // 1024,
        "disk_kbs_write": last.write_bytes // 1024,
        "disk_io_read": last.reads,
        "disk_io_write": last.writes,
    }


@view
class VolumeView(OwnedView, kw_only=True):
    """A volume: a root disk or a data disk."""

    MEASURED = _measured

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID, "the zone that it is in"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    type: Annotated[str, "ROOT or DATADISK"]
    device_id: Annotated[int | None, "its slot in the virtual machine"] = None
    virtual_machine_id: Annotated[UUID | None, "the virtual machine that has it"] = None
    vm_name: Annotated[str | None, "the host name of that virtual machine"] = None
    vm_display_name: Annotated[str | None, "what people call that virtual machine"] = None
    vm_state: Annotated[str | None, "the state of that virtual machine"] = None
    vm_type: Annotated[str | None, "always User"] = None
    template_id: Annotated[UUID | None, "the template that it was made from"] = None
    template_name: Annotated[str | None, "the name of that template"] = None
    template_display_text: Annotated[str | None, "what its owner says of that template"] = None
    iso_id: Annotated[UUID | None, "the ISO that its guest was installed from"] = None
    iso_name: Annotated[str | None, "the name of that ISO"] = None
    iso_display_text: Annotated[str | None, "what its owner says of that ISO"] = None
    provisioning_type: Annotated[str | None, "thin, sparse or fat"] = None
    size: Annotated[int, "its size in bytes"]
    virtual_size: Annotated[int | None, "what a guest sees of it, in bytes"] = None
    created: Annotated[Date, "when it was made"]
    attached: Annotated[Date | None, "when it was attached"] = None
    state: Annotated[str, "Allocated, Ready, ..."]
    destroyed: Annotated[bool, "whether it is destroyed, and can be recovered"]
    snapshot_id: Annotated[UUID | None, "the snapshot that it was made from"] = None
    delete_protection: Annotated[bool, "whether deleting it is refused"]
    disk_bytes_read_rate: Annotated[int | None, "bytes read a second at most"] = msgspec.field(
        name="diskBytesReadRate", default=None
    )
    disk_bytes_write_rate: Annotated[int | None, "bytes written a second at most"] = msgspec.field(
        name="diskBytesWriteRate", default=None
    )
    disk_iops_read_rate: Annotated[int | None, "reads a second at most"] = msgspec.field(
        name="diskIopsReadRate", default=None
    )
    disk_iops_write_rate: Annotated[int | None, "writes a second at most"] = msgspec.field(
        name="diskIopsWriteRate", default=None
    )
    disk_kbs_read: Annotated[int | None, "KiB read since its guest started"] = None
    disk_kbs_write: Annotated[int | None, "KiB written since its guest started"] = None
    disk_io_read: Annotated[int | None, "reads since its guest started"] = None
    disk_io_write: Annotated[int | None, "writes since its guest started"] = None
    storage_type: Annotated[str, "shared or local"]
    storage: Annotated[str | None, "the pool that it is on", Roles("Admin")] = None
    storage_id: Annotated[UUID | None, "the id of that pool", Roles("Admin")] = None
    path: Annotated[str | None, "what that pool calls it", Roles("Admin")] = None
    cluster_id: Annotated[UUID | None, "the cluster of that pool", Roles("Admin")] = None
    cluster_name: Annotated[str | None, "the name of that cluster", Roles("Admin")] = None
    pod_id: Annotated[UUID | None, "the pod of that pool", Roles("Admin")] = None
    pod_name: Annotated[str | None, "the name of that pod", Roles("Admin")] = None
    hypervisor: Annotated[str, "the hypervisor that it is for; None before it is on a pool"]
    disk_offering_id: Annotated[UUID | None, "the offering of a data disk"] = None
    disk_offering_name: Annotated[str | None, "the name of that offering"] = None
    disk_offering_display_text: Annotated[str | None, "what that offering says"] = None
    min_iops: Annotated[int | None, "I/O operations a second, at least"] = None
    max_iops: Annotated[int | None, "I/O operations a second, at most"] = None
    service_offering_id: Annotated[UUID | None, "the offering of a root disk's guest"] = None
    service_offering_name: Annotated[str | None, "the name of that offering"] = None
    service_offering_display_text: Annotated[str | None, "what that offering says"] = None
    is_extractable: Annotated[bool, "whether it can be downloaded"]
    quiesce_vm: Annotated[bool, "whether its pool can quiesce a guest for a snapshot"]
    supports_storage_snapshot: Annotated[bool, "whether its pool makes snapshots itself"]
    display_volume: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: Volume, cloud: Cloud) -> VolumeView:
        zone = cloud[zones].get(row.zone_id)
        template = cloud[templates].get(row.template_id)
        return cls(
            id=row.id,
            name=row.name,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            type=row.kind,
            template_id=row.template_id,
            template_name=None if template is None else template.name,
            template_display_text=None if template is None else template.display_text,
            size=row.size_bytes,
            virtual_size=row.size_bytes,
            created=date(row.created_at_ms),
            attached=date(row.attached_at_ms or None),
            state=row.state,
            destroyed=row.destroyed_at_ms > 0,
            snapshot_id=row.snapshot_id,
            delete_protection=row.is_protected,
            is_extractable=True,
            quiesce_vm=False,
            supports_storage_snapshot=False,
            display_volume=row.is_displayed,
            tags=tags_of(row.id, cloud),
            has_annotations=is_noted(row.id, cloud),
            **_guest(row, cloud),
            **_measured(row, cloud),
            **_offering(row, cloud),
            **_place(row, cloud),
            **owner(row, cloud),
            job_id=row.job_id,
            job_status=None if row.job_id is None else 0,
        )


def _guest(row: Volume, cloud: Cloud) -> dict[str, Any]:
    """The virtual machine that has it, and what sizes that if this is its root disk."""
    vm = cloud[vms].get(row.vm_id)
    if vm is None:
        return {}
    iso = cloud[isos].get(vm.template_id) if row.kind == "ROOT" else None
    found: dict[str, Any] = {
        "iso_id": None if iso is None else iso.id,
        "iso_name": None if iso is None else iso.name,
        "iso_display_text": None if iso is None else iso.display_text,
        "device_id": row.device,
        "virtual_machine_id": vm.id,
        "vm_name": vm.name,
        "vm_display_name": vm.display_name,
        "vm_state": vm.state,
        "vm_type": "User",
    }
    sized_by = cloud[service_offerings].get(vm.service_offering_id)
    if row.kind == "ROOT" and sized_by is not None:
        found |= {
            "service_offering_id": sized_by.id,
            "service_offering_name": sized_by.name,
            "service_offering_display_text": sized_by.display_text,
        }
    return found


def _offering(row: Volume, cloud: Cloud) -> dict[str, Any]:
    offering = cloud[disk_offerings].get(row.offering_id)
    if offering is None:
        vm = cloud[vms].get(row.vm_id) if row.kind == "ROOT" else None
        sized_by = cloud[service_offerings].get(vm.service_offering_id) if vm else None
        return {"provisioning_type": "thin"} | _rates(sized_by.rates if sized_by else {})
    return _rates(offering.rates) | {
        "disk_offering_id": offering.id,
        "disk_offering_name": offering.name,
        "disk_offering_display_text": offering.display_text,
        "provisioning_type": offering.provisioning_type,
        "min_iops": row.min_iops or offering.min_iops,
        "max_iops": row.max_iops or offering.max_iops,
    }


def _rates(said: Mapping[str, int]) -> dict[str, Any]:
    """What a guest may do with it in a second."""
    return {
        "disk_bytes_read_rate": said.get("bytesreadrate"),
        "disk_bytes_write_rate": said.get("byteswriterate"),
        "disk_iops_read_rate": said.get("iopsreadrate"),
        "disk_iops_write_rate": said.get("iopswriterate"),
    }


def _place(row: Volume, cloud: Cloud) -> dict[str, Any]:
    """The pool that it is on; only administrators see more of that than its type."""
    pool = cloud[storage_pools].get(row.pool_id)
    if pool is None:
        return {"storage_type": "shared", "hypervisor": "None"}
    cluster, pod = cloud[clusters].get(pool.cluster_id), cloud[pods].get(pool.pod_id)
    return {
        "storage_type": "local" if pool.scope == "HOST" else "shared",
        "hypervisor": pool.hypervisor,
        "storage": pool.name,
        "storage_id": pool.id,
        "path": row.path or None,
        "cluster_id": pool.cluster_id,
        "cluster_name": None if cluster is None else cluster.name,
        "pod_id": pool.pod_id,
        "pod_name": None if pod is None else pod.name,
    }
