"""Volumes: make, attach, detach, grow, rename, delete and list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from api.commands.vm_checks import GIB, check_offered, gib, refuse_later
from api.declare import Bound, Caller, Free, Job, Names, OneOf, Roles, Success, Wire, command
from api.errors import Denied, InvalidValue, missing
from api.lists import Filter, list_command
from api.scope import owner_for
from api.views.volume import VolumeView
from engine.intents.job import AsJob
from engine.intents.volume import (
    AttachVolume,
    CreateVolume,
    DeleteVolume,
    DetachVolume,
    ResizeVolume,
    UpdateVolume,
)
from projections.disk_offering import disk_offerings
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import Volume, volumes
from projections.zone import zones

GIB_MAX = 65_536
LONG = Wire(type="long")
TEXT = Wire(type="string")
SLOT = Free("the number of a slot")


@command(
    "createVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VOLUME.CREATE",
)
class CreateDataVolume:
    """Create a blank data disk; it comes onto a pool when it is first attached."""

    name: Annotated[str | None, "its name; from its id if omitted"] = None
    disk_offering_id: Annotated[UUID | None, "its offering", Names("disk_offering")] = None
    size: Annotated[int | None, "its size in GiB", Bound(1, GIB_MAX), LONG] = None
    zone_id: Annotated[UUID | None, "the zone to make it in", Names("zone")] = None
    virtual_machine_id: Annotated[
        UUID | None, "not offered yet: attach it afterwards", Names("vm", right="operate")
    ] = None
    snapshot_id: Annotated[
        UUID | None, "not offered yet", Free("refused: there is nothing to name yet")
    ] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    display_volume: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("snapshot_id", "virtual_machine_id"))
        if self.disk_offering_id is None or self.zone_id is None:
            raise InvalidValue("A volume needs a diskofferingid and a zoneid: give both")
        zone = caller.cloud[zones][self.zone_id]
        if zone.allocation_state != "Enabled" and not caller.is_root:
            raise Denied(f"zone {zone.name} is {zone.allocation_state}: choose an Enabled one")
        offering = caller.cloud[disk_offerings][self.disk_offering_id]
        check_offered(offering, "disk offering", zone)
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        volume_id = caller.new_id()
        ask = CreateVolume(
            volume_id=volume_id,
            account_id=account_id,
            domain_id=domain_id,
            zone_id=zone.id,
            name=self.name or f"VOL-{volume_id}",
            size_bytes=gib(offering, self.size),
            offering_id=offering.id,
            is_displayed=self.display_volume is not False,
        )
        return await caller.submit(AsJob(ask=ask, subject_kind="volume", subject_id=volume_id))


@command(
    "attachVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    is_async=True,
    action="VOLUME.ATTACH",
)
class AttachDataVolume:
    """Attach a data disk to a virtual machine, whether that runs or not."""

    id: Annotated[UUID, "the volume", Names("volume", right="operate")]
    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    device_id: Annotated[
        int | None, "the slot; the lowest free one if omitted", Bound(0, 15), SLOT, LONG
    ] = None

    async def run(self, caller: Caller) -> Job:
        volume = caller.cloud[volumes][self.id]
        vm = caller.cloud[vms][self.virtual_machine_id]
        if volume.zone_id != vm.zone_id:
            raise InvalidValue(
                f"volume {volume.name} and virtual machine {vm.name} are in different zones"
            )
        if volume.account_id != vm.account_id:
            raise Denied(
                f"volume {volume.name} and virtual machine {vm.name} differ in owner: "
                "take a volume of the same account"
            )
        return await caller.submit(
            AttachVolume(volume_id=volume.id, vm_id=vm.id, device=self.device_id)
        )


@command(
    "detachVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    is_async=True,
    action="VOLUME.DETACH",
)
class DetachDataVolume:
    """Detach a data disk, named by its id or by its slot in a virtual machine."""

    id: Annotated[UUID | None, "the volume", Names("volume", right="operate")] = None
    virtual_machine_id: Annotated[
        UUID | None, "with deviceid: the virtual machine", Names("vm", right="operate")
    ] = None
    device_id: Annotated[
        int | None, "the slot in the virtual machine", Bound(0, 15), SLOT, LONG
    ] = None

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DetachVolume(volume_id=self._volume(caller).id))

    def _volume(self, caller: Caller) -> Volume:
        by_slot = self.virtual_machine_id is not None and self.device_id is not None
        if (self.id is None) != by_slot:
            raise InvalidValue("say either id, or virtualmachineid with deviceid")
        if self.id is not None:
            return caller.cloud[volumes][self.id]
        for volume in caller.cloud[volumes].by("vm_id", self.virtual_machine_id):
            if volume.device == self.device_id:
                return volume
        raise InvalidValue(
            f"virtual machine {self.virtual_machine_id} has no volume at device {self.device_id}"
        )


@command("deleteVolume", returns=Success, allow="ARDU", action="VOLUME.DELETE")
class DeleteDataVolume:
    """Delete a volume that no virtual machine has."""

    id: Annotated[UUID, "the volume", Names("volume", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.perform(DeleteVolume(volume_id=self.id))


@command(
    "resizeVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    is_async=True,
    action="VOLUME.RESIZE",
)
class ResizeAnyVolume:
    """Let a volume grow. It never shrinks: that would cut off what is at its end."""

    id: Annotated[UUID, "the volume", Names("volume", right="operate")]
    size: Annotated[int | None, "its new size in GiB", Bound(1, GIB_MAX), LONG] = None
    disk_offering_id: Annotated[
        UUID | None, "an offering whose size it shall have", Names("disk_offering")
    ] = None
    shrink_ok: Annotated[bool | None, "ignored: a volume never shrinks"] = None

    async def run(self, caller: Caller) -> Job:
        volume = caller.cloud[volumes][self.id]
        size_bytes = self._size_bytes(caller)
        if size_bytes < volume.size_bytes:
            raise InvalidValue(
                f"volume {volume.name} has {volume.size_bytes} bytes and cannot shrink: "
                "ask for more"
            )
        return await caller.submit(ResizeVolume(volume_id=self.id, size_bytes=size_bytes))

    def _size_bytes(self, caller: Caller) -> int:
        if self.disk_offering_id is not None:
            return gib(caller.cloud[disk_offerings][self.disk_offering_id], self.size)
        if self.size is None:
            raise InvalidValue("say the new size in GiB, or a diskofferingid that has one")
        return self.size * GIB


@command(
    "updateVolume",
    returns=VolumeView,
    key="volume",
    allow="A",
    is_async=True,
    action="VOLUME.UPDATE",
)
class UpdateAnyVolume:
    """Rename a volume, or hide it from its owner."""

    id: Annotated[UUID | None, "the volume; always needed", Names("volume", "operate")] = None
    name: Annotated[str | None, "its new name"] = None
    display_volume: Annotated[bool | None, "whether its owner sees it"] = None

    async def run(self, caller: Caller) -> Job:
        if self.id is None:
            raise missing("updateVolume", "id")
        ask = UpdateVolume(
            volume_id=self.id, name=self.name or None, is_displayed=self.display_volume
        )
        return await caller.submit(AsJob(ask=ask, subject_kind="volume", subject_id=self.id))


@dataclass(frozen=True, kw_only=True)
class VolumeFilters:
    """What volumes are listed by."""

    type: Annotated[str | None, "ROOT or DATADISK", OneOf("ROOT", "DATADISK"), Filter("kind")] = (
        None
    )
    state: Annotated[str | None, "in this state"] = None
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    virtual_machine_id: Annotated[
        UUID | None, "of this virtual machine", Names("vm", right="see"), Filter("vm_id")
    ] = None
    disk_offering_id: Annotated[
        UUID | None,
        "of this offering",
        Names("disk_offering", right="see"),
        Filter("offering_id"),
    ] = None
    service_offering_id: Annotated[
        UUID | None,
        "root disks of guests sized by it",
        Names("service_offering", right="see"),
        Filter(),
    ] = None
    storage_id: Annotated[
        UUID | None, "on this pool", Names("storage_pool", right="see"), Filter("pool_id"), TEXT
    ] = None
    host_id: Annotated[
        UUID | None, "of guests on this host", Names("host", right="see"), Filter()
    ] = None
    cluster_id: Annotated[
        UUID | None, "on a pool of this cluster", Names("cluster", right="see"), Filter()
    ] = None
    pod_id: Annotated[UUID | None, "on a pool of this pod", Names("pod", right="see"), Filter()] = (
        None
    )
    display_volume: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return caller.is_root or row.is_displayed

    def matches(self, row: Any, caller: Caller) -> bool:
        return self._of_guest(row, caller) and self._on_pool(row, caller)

    def _of_guest(self, row: Any, caller: Caller) -> bool:
        if self.host_id is None and self.service_offering_id is None:
            return True
        vm = caller.cloud[vms].get(row.vm_id)
        if vm is None or self.host_id not in (None, vm.host_id):
            return False
        wanted = self.service_offering_id
        return wanted is None or (row.kind == "ROOT" and vm.service_offering_id == wanted)

    def _on_pool(self, row: Any, caller: Caller) -> bool:
        if self.cluster_id is None and self.pod_id is None:
            return True
        pool = caller.cloud[storage_pools].get(row.pool_id)
        if pool is None or self.cluster_id not in (None, pool.cluster_id):
            return False
        return self.pod_id in (None, pool.pod_id)


@list_command("listVolumes", view=VolumeView, table=volumes, key="volume")
class ListVolumes(VolumeFilters):
    """List volumes."""


@list_command(
    "listVolumesMetrics",
    view=VolumeView,
    table=volumes,
    key="volume",
    envelope="listvolumesresponse",
    since="4.9.3",
)
class ListVolumesMetrics(VolumeFilters):
    """List volumes; measurements come with them once their hosts give them."""
