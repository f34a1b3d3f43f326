"""Volumes: make them, attach and detach them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.identity_checks import chosen_id
from api.commands.vm_checks import GIB, check_offered, gib, refuse_later
from api.commands.volume_checks import (
    GIB_MAX,
    LONG,
    OFFERING,
    TEXT,
    check_pair,
    check_size,
    iops_of,
)
from api.declare import Bound, Caller, Free, Job, Names, Roles, command
from api.errors import Denied, InvalidValue
from api.scope import owner_for
from api.views.volume import VolumeView
from engine.intents.job import AsJob
from engine.intents.volume import AttachVolume, CopySnapshot, CreateVolume, DetachVolume
from projections.disk_offering import DiskOffering, disk_offerings
from projections.snapshot import Snapshot, snapshots
from projections.vm import vms
from projections.volume import Volume, volumes
from projections.zone import zones

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
    """Create a data disk: blank, or of a snapshot; attached at once if a guest is named.

    A blank one comes onto a pool when it is first attached.
    """

    name: Annotated[str | None, "its name; from its id if omitted"] = None
    disk_offering_id: Annotated[
        UUID | None, "its offering; without one, that of the snapshot's volume", OFFERING
    ] = None
    size: Annotated[int | None, "its size in GiB", Bound(1, GIB_MAX), LONG] = None
    min_iops: Annotated[int | None, "operations a second at least", Bound(1), LONG] = None
    max_iops: Annotated[int | None, "operations a second at most", Bound(1), LONG] = None
    zone_id: Annotated[UUID | None, "the zone to make it in", Names("zone")] = None
    virtual_machine_id: Annotated[
        UUID | None, "the virtual machine to attach it to", Names("vm", right="operate")
    ] = None
    snapshot_id: Annotated[UUID | None, "what it is to hold", Names("snapshot")] = None
    storage_id: Annotated[UUID | None, "not offered: tags decide", Names("storage_pool"), TEXT] = (
        None
    )
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    display_volume: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    custom_id: Annotated[
        str | None, "the id that it shall have", Free("an id to be given"), Roles("Admin")
    ] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("storage_id",))
        ask = self._ask(caller)
        if self.virtual_machine_id is not None:
            check_pair(caller, ask.zone_id, ask.account_id, ask.name, self.virtual_machine_id)
            vm_id = self.virtual_machine_id
            return await caller.submit(
                AttachVolume(volume_id=ask.volume_id, vm_id=vm_id, create=ask)
            )
        if ask.snapshot_id is not None:
            return await caller.submit(CopySnapshot(create=ask))
        return await caller.submit(AsJob(ask=ask, subject_kind="volume", subject_id=ask.volume_id))

    def _ask(self, caller: Caller) -> CreateVolume:
        snapshot = caller.cloud[snapshots].get(self.snapshot_id)
        vm = caller.cloud[vms].get(self.virtual_machine_id)
        zone_id = self.zone_id
        if zone_id is None and (beside := snapshot or vm) is not None:
            zone_id = beside.zone_id
        if zone_id is None:
            raise InvalidValue("A volume needs a zoneid, a snapshotid or a virtualmachineid")
        if snapshot is not None and snapshot.zone_id != zone_id:
            raise InvalidValue(f"snapshot {snapshot.name} is in another zone")
        zone = caller.cloud[zones][zone_id]
        if zone.allocation_state != "Enabled" and not caller.is_root:
            raise Denied(f"zone {zone.name} is {zone.allocation_state}: choose an Enabled one")
        offering = self._offering(caller, snapshot)
        if offering is not None:
            check_offered(offering, "disk offering", zone)
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        volume_id = chosen_id(self.custom_id, caller)
        iops = iops_of(offering, self.min_iops, self.max_iops)
        return CreateVolume(
            volume_id=volume_id,
            account_id=account_id,
            domain_id=domain_id,
            zone_id=zone.id,
            name=self.name or f"VOL-{volume_id}",
            size_bytes=check_size(caller, self._size_bytes(offering, snapshot, caller)),
            offering_id=None if offering is None else offering.id,
            is_displayed=self.display_volume is not False,
            snapshot_id=self.snapshot_id,
            min_iops=iops[0],
            max_iops=iops[1],
        )

    def _offering(self, caller: Caller, snapshot: Snapshot | None) -> DiskOffering | None:
        if self.disk_offering_id is not None:
            return caller.cloud[disk_offerings][self.disk_offering_id]
        if snapshot is None:
            raise InvalidValue("A volume needs a diskofferingid, or a snapshotid to be made of")
        volume = caller.cloud[volumes].get(snapshot.volume_id)
        return caller.cloud[disk_offerings].get(None if volume is None else volume.offering_id)

    def _size_bytes(
        self, offering: DiskOffering | None, snapshot: Snapshot | None, caller: Caller
    ) -> int:
        least = 0 if snapshot is None else snapshot.size_bytes
        if snapshot is None:
            assert offering is not None, "_offering() sees to it"
            return gib(offering, self.size, caller)
        if offering is not None and offering.size_bytes is not None:
            return max(gib(offering, self.size, caller), least)
        return least if self.size is None else self.size * GIB


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
        volume, vm_id = caller.cloud[volumes][self.id], self.virtual_machine_id
        check_pair(caller, volume.zone_id, volume.account_id, volume.name, vm_id)
        return await caller.submit(
            AttachVolume(volume_id=volume.id, vm_id=vm_id, device=self.device_id)
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
