"""A snapshot, and a snapshot policy, as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, Roles, View, date, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.os_type import os_types
from projections.snapshot import Snapshot
from projections.snapshot_policy import INTERVALS, SnapshotPolicy
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.volume import volumes
from projections.zone import zones


@view
class SnapshotView(OwnedView, kw_only=True):
    """What a volume held at one moment."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    snapshot_type: Annotated[str, "MANUAL, or the interval of the policy that took it"]
    interval_type: Annotated[str, "the same"]
    volume_id: Annotated[UUID, "the volume"]
    volume_name: Annotated[str, "the name of that volume"]
    volume_type: Annotated[str, "ROOT or DATADISK"]
    volume_state: Annotated[str | None, "the state of that volume; none if it is gone"] = None
    created: Annotated[Date, "when it was taken"]
    state: Annotated[str, "Creating, BackedUp, ..."]
    location_type: Annotated[str, "PRIMARY: it lies in the pool of its volume"]
    physical_size: Annotated[int | None, "the bytes that it takes"] = None
    virtual_size: Annotated[int, "the bytes that a guest would see"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    revertable: Annotated[bool, "whether its volume can be made what it was"]
    os_type_id: Annotated[UUID | None, "the operating system of a root disk"] = None
    os_display_name: Annotated[str | None, "the name of that system"] = None
    datastore_id: Annotated[UUID | None, "the pool that it is in", Roles("Admin")] = None
    datastore_name: Annotated[str | None, "the name of that pool", Roles("Admin")] = None
    datastore_state: Annotated[str | None, "the state of that pool", Roles("Admin")] = None
    datastore_type: Annotated[str | None, "Primary", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: Snapshot, cloud: Cloud) -> SnapshotView:
        zone, pool = cloud[zones].get(row.zone_id), cloud[storage_pools].get(row.pool_id)
        volume, template = cloud[volumes].get(row.volume_id), cloud[templates].get(row.template_id)
        system = cloud[os_types].get(None if template is None else template.os_type_id)
        return cls(
            id=row.id,
            name=row.name,
            snapshot_type=row.interval,
            interval_type=row.interval,
            volume_id=row.volume_id,
            volume_name=row.volume_name if volume is None else volume.name,
            volume_type=row.volume_kind,
            volume_state=None if volume is None else volume.state,
            created=date(row.created_at_ms),
            state=row.state,
            location_type="PRIMARY",
            physical_size=row.used_bytes if row.is_whole else None,
            virtual_size=row.size_bytes,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            revertable=volume is not None and volume.pool_id == row.pool_id,
            os_type_id=None if system is None else system.id,
            os_display_name=None if system is None else system.name,
            datastore_id=row.pool_id,
            datastore_name=None if pool is None else pool.name,
            datastore_state=None if pool is None else pool.state,
            datastore_type="Primary",
            tags=tags_of(row.id, cloud),
            has_annotations=False,
            **owner(row, cloud),
            job_id=row.job_id,
            job_status=None if row.job_id is None else 0,
        )


@view
class SnapshotPolicyView(View, kw_only=True):
    """When snapshots of a volume are taken, and how many stay."""

    id: Annotated[UUID, "its id"]
    volume_id: Annotated[UUID, "the volume"]
    volume_name: Annotated[str | None, "the name of that volume"] = None
    schedule: Annotated[str, "when, within the interval"]
    interval_type: Annotated[int, "0 hourly, 1 daily, 2 weekly, 3 monthly"]
    max_snaps: Annotated[int, "how many stay"]
    timezone: Annotated[str, "the time zone of the schedule"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    zone: Annotated[list[dict[str, str]], "other zones that they are copied to: none"]
    storage: Annotated[list[dict[str, str]], "pools that they are copied to: none"]
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: SnapshotPolicy, cloud: Cloud) -> SnapshotPolicyView:
        volume = cloud[volumes].get(row.volume_id)
        return cls(
            id=row.id,
            zone=[],
            storage=[],
            volume_id=row.volume_id,
            volume_name=None if volume is None else volume.name,
            schedule=row.schedule,
            interval_type=INTERVALS.index(row.interval),
            max_snaps=row.max_snapshots,
            timezone=row.timezone,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            has_annotations=False,
        )
