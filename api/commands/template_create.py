"""Making a template of a disk, and bringing templates to pools."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.commands.image_fields import ImageFields, TemplateFields
from api.declare import Length, Names, command
from api.errors import InvalidValue
from api.views.template import InZone, TemplateView, in_zones
from engine.intents.template import RegisterTemplate
from engine.intents.template_create import CreateTemplate, PrepareTemplate
from projections.snapshot import snapshots
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.vm import vms
from projections.volume import Volume, volumes


@command(
    "createTemplate",
    returns=TemplateView,
    key="template",
    is_async=True,
    creates=True,
    allow="ARDU",
    action="TEMPLATE.CREATE",
)
class CreateTemplateCommand(ImageFields, TemplateFields):
    """Make a template of a snapshot, or of a volume whose machine does not run.

    It is in the zone of its source, and needs it no more once it is made.
    """

    os_type_id: Annotated[UUID, "the operating system in it", Names("os_type")]
    volume_id: Annotated[UUID | None, "the volume", Names("volume", right="operate")] = None
    snapshot_id: Annotated[UUID | None, "the snapshot", Names("snapshot", right="operate")] = None
    virtual_machine_id: Annotated[
        UUID | None, "not offered: name a volume or a snapshot", Names("vm", right="see")
    ] = None
    zone_id: Annotated[UUID | None, "the zone of its source", Names("zone")] = None
    url: Annotated[str | None, "not offered: see registerTemplate", Length(2048)] = None

    async def run(self, caller: Caller) -> Job:
        zone_id, hypervisor, source_id = self._source(caller)
        describe = RegisterTemplate(
            template_id=caller.new_id(),
            url="",
            hypervisor=hypervisor,
            image_format="QCOW2",
            trusted=False,
            zone_ids=[zone_id],
            source_id=source_id,
            **self.said(caller),
            **self.machines(),
        )
        return await caller.submit(
            CreateTemplate(
                describe=describe, volume_id=self.volume_id, snapshot_id=self.snapshot_id
            )
        )

    def _source(self, caller: Caller) -> tuple[UUID, str, UUID]:
        """The zone and the hypervisor of what it is made of, and the id of that."""
        for name in ("virtual_machine_id", "url"):
            if getattr(self, name) is not None:
                raise InvalidValue(
                    f"{name.replace('_', '')} is not offered: name a volumeid or a snapshotid"
                )
        if (self.volume_id is None) == (self.snapshot_id is None):
            raise InvalidValue("name what it is made of: either volumeid or snapshotid")
        if self.snapshot_id is not None:
            snapshot = caller.cloud[snapshots][self.snapshot_id]
            zone_id, hypervisor, source_id = snapshot.zone_id, snapshot.hypervisor, snapshot.id
        else:
            assert self.volume_id is not None
            volume = caller.cloud[volumes][self.volume_id]
            if volume.pool_id is None:
                raise InvalidValue(
                    f"volume {volume.name} has no disk yet: attach it to a machine that runs"
                )
            zone_id, hypervisor, source_id = volume.zone_id, _kind(caller, volume), volume.id
        if self.zone_id not in (None, zone_id):
            raise InvalidValue(
                f"zoneid: what it is made of is in zone {zone_id}; copy the template afterwards"
            )
        return zone_id, hypervisor, source_id


def _kind(caller: Caller, volume: Volume) -> str:
    """The hypervisor that a volume is for: its pool's, or of a pool for all, its guest's."""
    near = (
        caller.cloud[storage_pools].get(volume.pool_id),
        caller.cloud[vms].get(volume.vm_id),
        caller.cloud[templates].get(volume.template_id),
    )
    kinds = (one.hypervisor for one in near if one is not None)
    return next((kind for kind in kinds if kind != "Any"), "KVM")


@command(
    "prepareTemplate",
    returns=TemplateView,
    key="template",
    shape="list",
    allow="A",
    action="TEMPLATE.PREPARE",
)
class PrepareTemplateCommand:
    """Bring a template into the pools of a zone, so that the first machine need not wait."""

    template_id: Annotated[UUID, "the template", Names("template")]
    zone_id: Annotated[UUID, "the zone", Names("zone")]
    storage_id: Annotated[
        UUID | None, "the only pool that is meant", Names("storage_pool", right="operate")
    ] = None

    async def run(self, caller: Caller) -> list[InZone]:
        template = caller.cloud[templates][self.template_id]
        pools = [
            pool.id
            for pool in caller.cloud[storage_pools]
            if pool.zone_id == self.zone_id
            and self.storage_id in (None, pool.id)
            and pool.hypervisor in ("Any", template.hypervisor)
        ]
        if not pools:
            raise InvalidValue(
                f"zone {self.zone_id} has no pool for hypervisor {template.hypervisor} that is "
                "meant: see listStoragePools"
            )
        await caller.perform(
            PrepareTemplate(template_id=self.template_id, zone_id=self.zone_id, pool_ids=pools)
        )
        made = in_zones(caller.cloud[templates][self.template_id], caller.cloud)
        return [one for one in made if one.zone_id == self.zone_id]
