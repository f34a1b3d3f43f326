"""Snapshots beyond their pool: fetched as files, and what is refused because they stay there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.download_link import opened
from api.declare import Caller, Job, Names, Roles, Success, command
from api.errors import InvalidValue, missing
from api.views.download_link import ExtractView
from api.views.snapshot import SnapshotView
from projections.snapshot import snapshots
from projections.zone import zones

KIND = "snapshot"


@command(
    "extractSnapshot",
    returns=ExtractView,
    key=KIND,
    is_async=True,
    allow="A",
    since="4.20.0",
    action="SNAPSHOT.EXTRACT",
)
class ExtractSnapshot:
    """Make a URL at which a snapshot can be fetched for a while, as qcow2."""

    id: Annotated[UUID, "the snapshot", Names(KIND, right="operate")]
    zone_id: Annotated[UUID, "the zone that it is in", Names("zone", right="see")]

    async def run(self, caller: Caller) -> Job:
        snapshot = caller.cloud[snapshots][self.id]
        if snapshot.zone_id != self.zone_id:
            raise InvalidValue(f"zoneid: snapshot {snapshot.name} is in zone {snapshot.zone_id}")
        return await opened(caller, KIND, self.id, zone_id=self.zone_id)


@command(
    "copySnapshot",
    returns=SnapshotView,
    key=KIND,
    is_async=True,
    allow="ARDU",
    since="4.19.0",
    action="SNAPSHOT.COPY",
)
class CopySnapshot:
    """Refused: a snapshot lies in a pool of its zone, and no pool reaches into another zone."""

    id: Annotated[UUID, "the snapshot", Names(KIND)]
    source_zone_id: Annotated[UUID | None, "the zone that it is in", Names("zone", "see")] = None
    dest_zone_id: Annotated[UUID | None, "the other zone", Names("zone")] = None
    dest_zone_ids: Annotated[tuple[UUID, ...] | None, "the other zones", Names("zone")] = None
    storage_ids: Annotated[
        tuple[UUID, ...] | None, "pools for it", Names("storage_pool"), Roles("Admin")
    ] = None
    use_storage_replication: Annotated[bool | None, "not offered"] = None

    async def run(self, caller: Caller) -> Job:
        snapshot = caller.cloud[snapshots][self.id]
        wanted = [*(self.dest_zone_ids or ()), *([self.dest_zone_id] if self.dest_zone_id else ())]
        if not wanted:
            raise missing("copySnapshot", "destzoneid")
        if snapshot.zone_id in wanted:
            raise InvalidValue(f"snapshot {snapshot.name} is in that zone already")
        zone = caller.cloud[zones][wanted[0]]
        raise InvalidValue(
            f"snapshot {snapshot.name} cannot be copied to zone {zone.name}, with which its zone "
            "shares no pool: make a template of it, and copy that with copyTemplate"
        )


@command(
    "archiveSnapshot",
    returns=Success,
    is_async=True,
    allow="A",
    envelope="createsnapshotresponse",
    action="SNAPSHOT.OFF_PRIMARY",
)
class ArchiveSnapshot:
    """Refused: a snapshot stays in its pool, where it stands alone already."""

    id: Annotated[UUID, "the snapshot", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        snapshot = caller.cloud[snapshots][self.id]
        raise InvalidValue(
            f"snapshot {snapshot.name} stays in its pool, and needs nothing else there: fetch it "
            "with extractSnapshot to keep it elsewhere"
        )
