"""Snapshots of whole guests: what each of a guest's disks keeps within itself.

All disks change in one commit, so no moment sees some of them kept and others not.
"""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from drivers.contract.compute import DiskAttachment
from drivers.contract.errors import Refused, Unavailable
from drivers.sim import compute
from drivers.sim.rows import SimDisk, SimHost
from drivers.sim.world import SimWorld

Disks = tuple[DiskAttachment, ...]


def _there(world: SimWorld, disks: Disks) -> list[SimDisk]:
    found = []
    for disk in disks:
        pool, _, file = disk.path.rpartition("/")
        there = world.disks.get(pool, {}).get(file)
        if there is None:
            raise Refused(f"there is no disk {disk.path}")
        found.append(there)
    return found


def _check(
    world: SimWorld, host: SimHost, guest_id: UUID, disks: Disks, *, with_memory: bool
) -> None:
    """Memory needs a guest that runs here; a disk that a guest elsewhere holds is not touched."""
    if with_memory:
        compute.running(world, host, guest_id)
    for disk in disks:
        for where, ident in world.users(disk.volume_id) - {(host.url, str(guest_id))}:
            raise Unavailable(f"disk {disk.volume_id} is used by guest {ident} on {where}")


def keep(
    world: SimWorld,
    host: SimHost,
    guest_id: UUID,
    snapshot_id: UUID,
    disks: Disks,
    with_memory: bool,
) -> None:
    _check(world, host, guest_id, disks, with_memory=with_memory)
    fresh = [
        replace(disk, kept=(*disk.kept, (snapshot_id, disk.content)))
        for disk in _there(world, disks)
        if snapshot_id not in dict(disk.kept)
    ]
    if fresh:
        world.commit(*fresh)


def revert(
    world: SimWorld,
    host: SimHost,
    guest_id: UUID,
    snapshot_id: UUID,
    disks: Disks,
    with_memory: bool,
) -> None:
    _check(world, host, guest_id, disks, with_memory=with_memory)
    if not with_memory and world.guest(host.url, guest_id) is not None:
        raise Refused(f"guest {guest_id} is on {host.name}: its disks go back when it is off")
    there = _there(world, disks)
    missing = [disk.path for disk in there if snapshot_id not in dict(disk.kept)]
    if missing:
        raise Refused(f"snapshot {snapshot_id} is not kept in {', '.join(missing)}")
    world.commit(*(replace(disk, content=dict(disk.kept)[snapshot_id]) for disk in there))


def forget(world: SimWorld, snapshot_id: UUID, disks: Disks) -> None:
    """A disk that is gone has taken with it what it kept."""
    for disk in disks:
        pool, _, file = disk.path.rpartition("/")
        there = world.disks.get(pool, {}).get(file)
        if there is not None and snapshot_id in dict(there.kept):
            left = tuple(one for one in there.kept if one[0] != snapshot_id)
            world.commit(replace(there, kept=left))
