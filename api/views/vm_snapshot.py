"""A snapshot of a whole guest as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from api.declare import Cloud, Date, date, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.annotation import is_noted
from projections.vm import vms
from projections.vm_snapshot import VmSnapshot, vm_snapshots
from projections.zone import zones


@view
class VmSnapshotView(OwnedView, kw_only=True):
    """A snapshot of a virtual machine: its disks, and its memory if that was asked for."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name within the cloud"]
    display_name: Annotated[str, "the name that people gave it"]
    description: Annotated[str | None, "what its owner says of it"] = None
    state: Annotated[str, "Creating, Ready, Reverting or Expunging"]
    type: Annotated[str, "Disk or DiskAndMemory"]
    virtual_machine_id: Annotated[UUID, "the virtual machine"]
    virtual_machine_name: Annotated[str | None, "its host name"] = None
    hypervisor: Annotated[str | None, "the hypervisor that runs it"] = None
    zone_id: Annotated[UUID, "the zone that it is in"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    parent: Annotated[UUID | None, "the snapshot that it began from"] = None
    parent_name: Annotated[str | None, "what people call that one"] = msgspec.field(
        default=None, name="parentName"
    )
    current: Annotated[bool, "whether the virtual machine goes on from it"]
    created: Annotated[Date, "when it was made"]
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: VmSnapshot, cloud: Cloud) -> VmSnapshotView:
        vm, zone = cloud[vms].get(row.vm_id), cloud[zones].get(row.zone_id)
        parent = cloud[vm_snapshots].get(row.parent_id)
        return cls(
            id=row.id,
            name=row.name,
            display_name=row.display_name,
            description=row.description or None,
            state=row.state,
            type=row.kind,
            virtual_machine_id=row.vm_id,
            virtual_machine_name=None if vm is None else vm.name,
            hypervisor=None if vm is None else vm.hypervisor,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            parent=row.parent_id,
            parent_name=None if parent is None else parent.display_name,
            current=row.is_current,
            created=date(row.created_at_ms),
            tags=tags_of(row.id, cloud),
            has_annotations=is_noted(row.id, cloud),
            job_id=row.job_id,
            job_status=None if row.job_id is None else 0,
            **owner(row, cloud),
        )
