"""Decisions about volumes that touch nothing in the world."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import InUse, Invalid, NotAllowed
from aggregates.volume import Volume, VolumeAssigned, VolumeCreated, VolumeUpdated
from engine.decide import Desk, decision
from engine.decisions.host import Deciding
from engine.intents.volume import (
    AssignVolume,
    CreateVolume,
    DestroyVolume,
    RecoverVolume,
    UpdateVolume,
)
from projections.account import accounts
from projections.cloud import Cloud
from projections.disk_offering import disk_offerings
from projections.snapshot import snapshots
from projections.snapshot_policy import snapshot_policies
from projections.volume import volumes
from projections.zone import zones


@decision
def create(ask: CreateVolume, desk: Desk) -> None:
    write_volume(desk, ask)


def write_volume(at: Deciding, ask: CreateVolume) -> None:
    """A data disk exists from here on, on no pool yet."""
    guard_place(at, ask.zone_id, ask.offering_id)
    if ask.size_bytes <= 0:
        raise Invalid("a volume needs a size of at least 1 GiB", field="size")
    if ask.snapshot_id is not None:
        hold_source(at, ask.snapshot_id, ask.size_bytes)
    at.create(
        ask.volume_id,
        VolumeCreated(
            name=ask.name,
            account_id=ask.account_id,
            domain_id=ask.domain_id,
            zone_id=ask.zone_id,
            kind="DATADISK",
            size_bytes=ask.size_bytes,
            offering_id=ask.offering_id,
            template_id=None,
            vm_id=None,
            device=None,
            is_displayed=ask.is_displayed,
            snapshot_id=ask.snapshot_id,
            min_iops=ask.min_iops,
            max_iops=ask.max_iops,
        ),
    )


def guard_place(at: Deciding, zone_id: UUID, offering_id: UUID | None) -> None:
    """The zone of a new volume, and what it is of, stay while it begins."""
    at.guard(at.row(zones, zone_id))
    if offering_id is not None:
        at.guard(at.row(disk_offerings, offering_id))


def hold_source(at: Deciding, snapshot_id: UUID, size_bytes: int) -> None:
    """A volume is to be made of a snapshot, which is whole, and stays until that is done."""
    snapshot = at.row(snapshots, snapshot_id)
    snapshot.usable()
    if size_bytes < snapshot.size_bytes:
        raise Invalid(
            f"snapshot {snapshot.name} has {snapshot.size_bytes} bytes: a volume of it "
            "is never smaller",
            field="size",
        )
    at.guard(snapshot)


@decision
def update(ask: UpdateVolume, desk: Desk) -> None:
    volume = desk.row(volumes, ask.volume_id)
    changed = VolumeUpdated(
        name=volume.name if ask.name is None else ask.name,
        is_displayed=volume.is_displayed if ask.is_displayed is None else ask.is_displayed,
        is_protected=volume.is_protected if ask.is_protected is None else ask.is_protected,
    )
    if any(getattr(volume, n) != getattr(changed, n) for n in changed.__struct_fields__):
        desk.change(volume, changed)


@decision
def destroy(ask: DestroyVolume, desk: Desk) -> None:
    volume = desk.row(volumes, ask.volume_id)
    desk.change(volume, volume.destroy())


@decision
def recover(ask: RecoverVolume, desk: Desk) -> None:
    volume = desk.row(volumes, ask.volume_id)
    desk.change(volume, volume.recover())


def refuse_tied(cloud: Cloud, volume: Volume) -> None:
    """Refuse to give a volume away while it needs what stays with its owner, or that needs it."""
    policy = next(iter(cloud[snapshot_policies].by("volume_id", volume.id)), None)
    if policy is not None:
        raise InUse(
            f"volume {volume.name} has a snapshot policy of its owner: delete {policy.id} first"
        )
    if volume.pool_id is None and volume.snapshot_id is not None:
        raise InUse(
            f"volume {volume.name} is still to be made of its owner's snapshot "
            f"{volume.snapshot_id}: attach it to a virtual machine that runs, or start its own"
        )


@decision
def assign(ask: AssignVolume, desk: Desk) -> None:
    volume = desk.row(volumes, ask.volume_id)
    volume.free()
    volume.living()
    volume.attachable()
    if volume.kind == "ROOT":
        raise NotAllowed(f"volume {volume.name} is a root disk: it goes where its guest goes")
    refuse_tied(desk.cloud, volume)
    account = desk.row(accounts, ask.account_id)
    if account.state != "enabled" or account.ending is not None:
        raise NotAllowed(f"account {account.name} is {account.state}: it cannot be given anything")
    desk.guard(account)
    if volume.account_id != ask.account_id:
        given = VolumeAssigned(account_id=ask.account_id, domain_id=ask.domain_id)
        desk.change(volume, given)
