"""Volumes, their snapshots, and what takes snapshots by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from aggregates.vm import VmState
from benchmarks.cloud import GIB
from engine.genesis import stable_id
from engine.intents.download_link import CloseDownload, OpenDownload
from engine.intents.record import RemoveRecord
from engine.intents.snapshot import (
    CreateSnapshot,
    DeleteSnapshot,
    RevertSnapshot,
    SetSnapshotPolicy,
)
from engine.intents.volume import (
    AssignVolume,
    AttachVolume,
    CopySnapshot,
    CreateVolume,
    DeleteVolume,
    DestroyVolume,
    DetachVolume,
    MigrateVolume,
    Offering,
    RecoverVolume,
    ResizeVolume,
)
from projections.download_link import download_links
from projections.snapshot import snapshots
from projections.snapshot_policy import snapshot_policies
from projections.storage_pool import storage_pools
from projections.volume import volumes
from tests.sim.place import ZONES
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

CUSTOM = stable_id("disk_offering", "Custom")
VOLUMES_MAX = 80


def _volume(who: Tenants) -> CreateVolume:
    return CreateVolume(
        volume_id=who.new_id(), zone_id=ZONES[who.rarely(0.3)], name=who.name("volume"),
        offering_id=CUSTOM, size_bytes=who.pick(1, 2, 3, 4) * GIB, **who.owner(),
    )  # fmt: skip


@wish(4)
def create_volume(who: Tenants) -> object | None:
    return _volume(who) if len(who.cloud[volumes]) < VOLUMES_MAX else None


@wish(5)
def attach_volume(who: Tenants) -> object | None:
    vm = who.vm(VmState.RUNNING, VmState.STOPPED)
    volume = vm and who.near(volumes, vm, lambda one: one.vm_id is None)
    return volume and AttachVolume(volume_id=volume.id, vm_id=vm.id)


@wish(1)
def attach_new_volume(who: Tenants) -> object | None:
    vm = who.vm(VmState.RUNNING, VmState.STOPPED)
    if vm is None:
        return None
    made = replace(
        _volume(who), account_id=vm.account_id, domain_id=vm.domain_id, zone_id=vm.zone_id
    )
    return AttachVolume(volume_id=made.volume_id, vm_id=vm.id, create=made)


@wish(4)
def detach_volume(who: Tenants) -> object | None:
    attached = who.one(volumes, lambda one: one.vm_id is not None and one.kind != "ROOT")
    return attached and DetachVolume(volume_id=attached.id)


@wish(2)
def resize_volume(who: Tenants) -> object | None:
    volume = who.one(volumes)
    offering = Offering(offering_id=CUSTOM) if who.rarely(0.3) else None
    return volume and ResizeVolume(
        volume_id=volume.id, size_bytes=volume.size_bytes + GIB, offering=offering
    )


@wish(3)
def migrate_volume(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.pool_id is not None)
    pool = volume and who.one(storage_pools, lambda one: one.id != volume.pool_id)
    offering = Offering(offering_id=CUSTOM) if who.rarely(0.3) else None
    return pool and MigrateVolume(
        volume_id=volume.id, pool_id=pool.id, live=who.rarely(0.7), offering=offering
    )


@wish(2)
def destroy_volume(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.vm_id is None)
    return volume and DestroyVolume(volume_id=volume.id)


@wish(2)
def recover_volume(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.destroyed_at_ms > 0)
    return volume and RecoverVolume(volume_id=volume.id)


@wish(2)
def delete_volume(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.vm_id is None)
    return volume and DeleteVolume(volume_id=volume.id)


@wish(1)
def assign_volume(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.vm_id is None)
    return volume and AssignVolume(volume_id=volume.id, **who.owner())


@wish(5)
def create_snapshot(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.pool_id is not None)
    return volume and CreateSnapshot(
        snapshot_id=who.new_id(), volume_id=volume.id, name=who.name("snapshot"), tags={"by": "me"}
    )


@wish(3)
def revert_snapshot(who: Tenants) -> object | None:
    snapshot = who.one(snapshots)
    return snapshot and RevertSnapshot(snapshot_id=snapshot.id)


@wish(3)
def delete_snapshot(who: Tenants) -> object | None:
    snapshot = who.one(snapshots)
    return snapshot and DeleteSnapshot(snapshot_id=snapshot.id)


@wish(2)
def volume_of_snapshot(who: Tenants) -> object | None:
    snapshot = who.one(snapshots)
    if snapshot is None or len(who.cloud[volumes]) >= VOLUMES_MAX:
        return None
    made = CreateVolume(
        volume_id=who.new_id(), zone_id=snapshot.zone_id, name=who.name("copy"),
        snapshot_id=snapshot.id, size_bytes=snapshot.size_bytes, account_id=snapshot.account_id,
        domain_id=snapshot.domain_id,
    )  # fmt: skip
    return CopySnapshot(create=made) if who.rarely(0.5) else made


@wish(2)
def set_snapshot_policy(who: Tenants) -> object | None:
    volume = who.one(volumes, lambda one: one.pool_id is not None)
    return volume and SetSnapshotPolicy(
        id=who.new_id(), volume_id=volume.id, interval="HOURLY",
        schedule=str(who.pick(0, 15, 30, 45)), timezone="UTC", max_snapshots=2,
        now_ms=who.now_ms() - who.pick(0, 3_600_000), tags={"by": "policy"},
    )  # fmt: skip


@wish(1)
def remove_snapshot_policy(who: Tenants) -> object | None:
    policy = who.one(snapshot_policies)
    return policy and RemoveRecord(kind="snapshot_policy", id=policy.id)


# ---- downloads -------------------------------------------------------------------------------


@wish(2)
def open_download(who: Tenants) -> object | None:
    """Of a disk that nobody writes to, of what is kept of one, or of an image."""
    kind = who.pick("volume", "snapshot", "template", "iso")
    rows = [one for one in who.cloud.table(kind) if one.account_id is not None]
    if not rows:
        return None
    thing = who.pick(*rows)
    return OpenDownload(
        link_id=who.new_id(), kind=kind, thing_id=thing.id, account_id=thing.account_id,
        domain_id=thing.domain_id, token_ref=str(who.new_id()), zone_id=ZONES[0],
        expires_at_ms=who.now_ms() + 60_000,
    )  # fmt: skip


@wish(1)
def close_download(who: Tenants) -> object | None:
    link = who.one(download_links, lambda one: bool(one.path))
    return link and CloseDownload(link_id=link.id)
