"""Volumes: let them grow, move them, give them another offering, name or owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import check_offered, gib
from api.commands.volume_checks import GIB, GIB_MAX, LONG, OFFERING, check_size, iops_of
from api.declare import Bound, Caller, Free, Job, Names, Roles, command
from api.errors import Denied, InvalidValue, missing
from api.scope import owner_for
from api.views.volume import VolumeView
from engine.intents.job import AsJob
from engine.intents.volume import (
    AssignVolume,
    MigrateVolume,
    Offering,
    ResizeVolume,
    UpdateVolume,
)
from projections.account import accounts
from projections.disk_offering import DiskOffering, disk_offerings
from projections.storage_pool import StoragePool, storage_pools
from projections.volume import Volume, volumes
from projections.zone import zones

VolumeId = Annotated[UUID, "the volume", Names("volume", right="operate")]
NO_SHRINK = "ignored: a volume never shrinks"


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

    id: VolumeId
    size: Annotated[int | None, "its new size in GiB", Bound(1, GIB_MAX), LONG] = None
    disk_offering_id: Annotated[UUID | None, "its new offering", OFFERING] = None
    min_iops: Annotated[int | None, "operations a second at least", Bound(1), LONG] = None
    max_iops: Annotated[int | None, "operations a second at most", Bound(1), LONG] = None
    shrink_ok: Annotated[bool | None, NO_SHRINK] = None
    auto_migrate: Annotated[bool | None, "move it if the new offering needs another pool"] = None

    async def run(self, caller: Caller) -> Job:
        volume = caller.cloud[volumes][self.id]
        if self.disk_offering_id is not None:
            offering = caller.cloud[disk_offerings][self.disk_offering_id]
            return await _reoffer(
                caller, volume, offering, size_gib=self.size, iops=(self.min_iops, self.max_iops),
                may_move=bool(self.auto_migrate),
            )  # fmt: skip
        own = caller.cloud[disk_offerings].get(volume.offering_id)
        if own is not None and volume.kind != "ROOT" and not own.is_customized:
            raise InvalidValue(
                f"disk offering {own.name} fixes the size of volume {volume.name}: give a "
                "diskofferingid that is larger or customized"
            )
        if self.size is None and (self.min_iops, self.max_iops) == (None, None):
            raise InvalidValue("say the new size in GiB, or a diskofferingid that has one")
        size_bytes = volume.size_bytes if self.size is None else self.size * GIB
        iops = iops_of(own, self.min_iops, self.max_iops)
        new = None
        if own is not None and iops != (None, None):
            new = Offering(offering_id=own.id, min_iops=iops[0], max_iops=iops[1])
        return await _grow(caller, volume, size_bytes, new)


@command(
    "changeOfferingForVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    is_async=True,
    since="4.17",
    action="VOLUME.CHANGE.DISK.OFFERING",
)
class ChangeOffering:
    """Give a data disk another offering, with its size; a guest that runs is held to it at once."""

    id: VolumeId
    disk_offering_id: Annotated[UUID, "its new offering", OFFERING]
    size: Annotated[int | None, "its size in GiB, of a custom one", Bound(1, GIB_MAX), LONG] = None
    min_iops: Annotated[int | None, "operations a second at least", Bound(1), LONG] = None
    max_iops: Annotated[int | None, "operations a second at most", Bound(1), LONG] = None
    auto_migrate: Annotated[bool | None, "move it if the new offering needs another pool"] = None
    shrink_ok: Annotated[bool | None, NO_SHRINK] = None

    async def run(self, caller: Caller) -> Job:
        volume = caller.cloud[volumes][self.id]
        offering = caller.cloud[disk_offerings][self.disk_offering_id]
        return await _reoffer(
            caller, volume, offering, size_gib=self.size, iops=(self.min_iops, self.max_iops),
            may_move=bool(self.auto_migrate),
        )  # fmt: skip


async def _reoffer(
    caller: Caller,
    volume: Volume,
    offering: DiskOffering,
    *,
    size_gib: int | None,
    iops: tuple[int | None, int | None],
    may_move: bool,
) -> Job:
    """Another offering: the volume grows to its size, or moves to a pool that has its tags."""
    if volume.kind == "ROOT":
        raise InvalidValue(
            f"volume {volume.name} is a root disk: its guest's service offering says how it is. "
            "Say size alone, or change the offering of the guest"
        )
    check_offered(offering, "disk offering", caller.cloud[zones][volume.zone_id])
    own = caller.cloud[disk_offerings].get(volume.offering_id)
    if own is not None and (own.is_strict or offering.is_strict) and own.id != offering.id:
        raise InvalidValue(
            f"disk offering {own.name if own.is_strict else offering.name} keeps sizes strictly: "
            "a volume cannot come to it or leave it"
        )
    if offering.size_bytes is None and size_gib is None:
        size_bytes = volume.size_bytes
    else:
        size_bytes = gib(offering, size_gib, caller)
    least, most = iops_of(offering, *iops)
    new = Offering(offering_id=offering.id, min_iops=least, max_iops=most)
    pool = caller.cloud[storage_pools].get(volume.pool_id)
    if pool is None or set(offering.storage_tags) <= set(pool.tags):
        return await _grow(caller, volume, size_bytes, new)
    if not may_move:
        raise InvalidValue(
            f"disk offering {offering.name} needs a pool with tags {offering.storage_tags}, and "
            f"pool {pool.name} has {pool.tags}: say automigrate=true"
        )
    if size_bytes != volume.size_bytes:
        raise InvalidValue(
            f"volume {volume.name} would have to move and to grow: resize it first, then change "
            "its offering"
        )
    target = _tagged(caller, pool, offering)
    ask = MigrateVolume(volume_id=volume.id, pool_id=target.id, live=True, offering=new)
    return await caller.submit(ask)


def _tagged(caller: Caller, home: StoragePool, offering: DiskOffering) -> StoragePool:
    """Another pool beside this one that has what the offering asks for."""
    for pool in caller.cloud[storage_pools].by("zone_id", home.zone_id):
        near = pool.cluster_id in (None, home.cluster_id) and pool.host_id in (None, home.host_id)
        if near and pool.state == "Up" and set(offering.storage_tags) <= set(pool.tags):
            return pool
    raise InvalidValue(
        f"no pool beside {home.name} has the tags {offering.storage_tags} of disk offering "
        f"{offering.name}"
    )


async def _grow(caller: Caller, volume: Volume, size_bytes: int, offering: Offering | None) -> Job:
    if size_bytes < volume.size_bytes:
        raise InvalidValue(
            f"volume {volume.name} has {volume.size_bytes} bytes and cannot shrink: ask for more"
        )
    if size_bytes > volume.size_bytes:
        check_size(caller, size_bytes)
    ask = ResizeVolume(volume_id=volume.id, size_bytes=size_bytes, offering=offering)
    return await caller.submit(ask)


@command(
    "migrateVolume",
    returns=VolumeView,
    key="volume",
    allow="A",
    is_async=True,
    since="3.0.0",
    action="VOLUME.MIGRATE",
)
class MoveVolume:
    """Move a volume to another pool, also while its virtual machine runs."""

    volume_id: VolumeId
    storage_id: Annotated[UUID, "the pool", Names("storage_pool", right="operate")]
    live_migrate: Annotated[bool | None, "whether a running guest may go on meanwhile"] = None
    new_disk_offering_id: Annotated[UUID | None, "the offering it is of then", OFFERING] = None

    async def run(self, caller: Caller) -> Job:
        volume = caller.cloud[volumes][self.volume_id]
        pool = caller.cloud[storage_pools][self.storage_id]
        ask = MigrateVolume(
            volume_id=volume.id,
            pool_id=pool.id,
            live=bool(self.live_migrate),
            offering=self._offering(caller, volume, pool),
        )
        return await caller.submit(ask)

    def _offering(self, caller: Caller, volume: Volume, pool: StoragePool) -> Offering | None:
        offering = caller.cloud[disk_offerings].get(self.new_disk_offering_id)
        if offering is None:
            return None
        if volume.kind == "ROOT":
            raise InvalidValue(f"volume {volume.name} is a root disk: leave newdiskofferingid out")
        check_offered(offering, "disk offering", caller.cloud[zones][volume.zone_id])
        if offering.size_bytes not in (None, volume.size_bytes):
            raise InvalidValue(
                f"disk offering {offering.name} is of another size than volume {volume.name}"
            )
        if not set(offering.storage_tags) <= set(pool.tags):
            raise InvalidValue(
                f"pool {pool.name} has not the tags {offering.storage_tags} of disk offering "
                f"{offering.name}"
            )
        return Offering(offering_id=offering.id)


@command(
    "updateVolume",
    returns=VolumeView,
    key="volume",
    allow="A",
    is_async=True,
    action="VOLUME.UPDATE",
)
class UpdateAnyVolume:
    """Rename a volume, protect it, or hide it from its owner."""

    id: Annotated[UUID | None, "the volume; always needed", Names("volume", "operate")] = None
    name: Annotated[str | None, "its new name"] = None
    display_volume: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    delete_protection: Annotated[bool | None, "whether deleting it is refused"] = None
    path: Annotated[str | None, "where it is; only what is so already", Roles("Admin")] = None
    state: Annotated[str | None, "its state; only what is so already", Roles("Admin")] = None
    storage_id: Annotated[
        UUID | None,
        "its pool; only the one that it is in",
        Names("storage_pool", right="see"),
        Roles("Admin"),
    ] = None
    chain_info: Annotated[str | None, "not kept: a disk is one file", Roles("Admin")] = None
    custom_id: Annotated[
        str | None, "not offered: an id is for ever", Free("refused"), Roles("Admin")
    ] = None

    async def run(self, caller: Caller) -> Job:
        if self.id is None:
            raise missing("updateVolume", "id")
        self._check(caller.cloud[volumes][self.id])
        ask = UpdateVolume(
            volume_id=self.id,
            name=self.name or None,
            is_displayed=self.display_volume,
            is_protected=self.delete_protection,
        )
        return await caller.submit(AsJob(ask=ask, subject_kind="volume", subject_id=self.id))

    def _check(self, volume: Volume) -> None:
        """Where a disk is follows from what was done with it, and cannot be said otherwise."""
        if self.custom_id not in (None, str(volume.id)):
            raise InvalidValue("customid is not offered: the id of a volume is for ever")
        said = {"path": self.path, "state": self.state, "storageid": self.storage_id}
        true = {"path": volume.path, "state": volume.state, "storageid": volume.pool_id}
        for name, value in said.items():
            if value is not None and str(value) != str(true[name] or ""):
                raise InvalidValue(
                    f"{name} of volume {volume.name} is {true[name] or 'none'}: it follows from "
                    "what was done with it. To move it, migrate it"
                )


@command(
    "assignVolume",
    returns=VolumeView,
    key="volume",
    allow="ARD",
    since="4.18.0.0",
    action="VOLUME.UPDATE",
)
class GiveVolume:
    """Give a detached data disk to another account or project."""

    volume_id: VolumeId
    account_id: Annotated[UUID | None, "the account", Names("account", right="operate")] = None
    project_id: Annotated[UUID | None, "the project", Names("project")] = None

    async def run(self, caller: Caller) -> Volume:
        if (self.account_id is None) == (self.project_id is None):
            raise InvalidValue("say either accountid or projectid")
        if self.account_id is not None:
            account = caller.cloud[accounts][self.account_id]
            owner = account.id, account.domain_id
        else:
            owner = owner_for(caller, project_id=self.project_id)
        volume = caller.cloud[volumes][self.volume_id]
        if owner[0] == volume.account_id:
            raise Denied(f"volume {volume.name} is that account's already")
        ask = AssignVolume(volume_id=volume.id, account_id=owner[0], domain_id=owner[1])
        await caller.decide(ask)
        return caller.cloud[volumes][self.volume_id]
