"""What each verb that copies a disk does to the world: snapshots, moves, images in and out.

A copy is whole at once, and carries the content of its source.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    SnapshotStatus,
)
from drivers.sim import compute, storage
from drivers.sim.rows import Gone, SimDisk, SimHost, SimPool, disk_file, snapshot_file
from drivers.sim.world import SimWorld

EXPORTED = "a simulated disk"
EXPORT_MAX_BYTES = 4096


def snapshot(
    world: SimWorld, host: SimHost, pool: SimPool, volume_id: UUID, snapshot_id: UUID, key: UUID
) -> SnapshotStatus:
    there = find_snapshot(world, pool, snapshot_id)
    if there is not None:
        return there.snapshot_status()
    disk = _disk(world, pool, volume_id)
    for where, ident in storage.users(world, pool, volume_id):
        if where != host.url:
            raise Unavailable(f"disk {volume_id} is used by guest {ident} on {where}")
    storage.require_room(world, pool, disk.size_bytes, disk.size_bytes)
    kept = SimDisk(
        pool=pool.url,
        file=snapshot_file(snapshot_id),
        volume_id=None,
        size_bytes=disk.size_bytes,
        key=key,
        content=disk.content,
        snapshot_id=snapshot_id,
    )
    world.commit(kept)
    return kept.snapshot_status()


def remove_snapshot(world: SimWorld, pool: SimPool, snapshot_id: UUID) -> None:
    if find_snapshot(world, pool, snapshot_id) is not None:
        world.commit(Gone("disk", pool.url, snapshot_file(snapshot_id)))


def find_snapshot(world: SimWorld, pool: SimPool, snapshot_id: UUID) -> SimDisk | None:
    return world.disks.get(pool.url, {}).get(snapshot_file(snapshot_id))


def revert(world: SimWorld, pool: SimPool, volume_id: UUID, snapshot_id: UUID) -> DiskStatus:
    disk, kept = _disk(world, pool, volume_id), find_snapshot(world, pool, snapshot_id)
    if kept is None:
        raise Refused(f"there is no snapshot {snapshot_id} in {pool.url}")
    storage.require_unused(world, pool, volume_id)
    size_bytes = max(disk.size_bytes, kept.size_bytes)
    storage.require_room(world, pool, size_bytes, size_bytes - disk.size_bytes)
    disk = replace(disk, content=kept.content, size_bytes=size_bytes)
    world.commit(disk)
    return disk.status()


def copy(
    world: SimWorld, source: DiskPlace, pool: SimPool, spec: DiskSpec, *, key: UUID
) -> DiskStatus:
    there = storage.find(world, pool, spec.volume_id)
    if there is not None:
        return there.status()
    of = _source(world, source)
    size_bytes = max(spec.size_bytes, of.size_bytes)
    return _make(world, pool, spec.volume_id, size_bytes, of.content, key).status()


def move(
    world: SimWorld, host: SimHost, guest_id: UUID, volume_id: UUID, pool: SimPool, *, key: UUID
) -> DiskStatus:
    """The guest changes over in the commit that makes the copy."""
    guest = compute.running(world, host, guest_id)
    held = next((disk for disk in guest.disks if disk.volume_id == volume_id), None)
    if held is None:
        raise Refused(f"guest {guest_id} has no disk {volume_id}")
    path = f"{pool.url}/{disk_file(volume_id)}"
    if held.path != path:
        home, _, file = held.path.rpartition("/")
        of = world.disks[home][file]
        storage.require_room(world, pool, of.size_bytes, of.size_bytes)
        made = replace(of, pool=pool.url, key=key, image_id=None)
        disks = tuple(
            dataclasses.replace(disk, path=path) if disk.volume_id == volume_id else disk
            for disk in guest.disks
        )
        world.commit(made, replace(guest, disks=disks))
    return _disk(world, pool, volume_id).status()


def export(world: SimWorld, source: DiskPlace, path: str) -> ImageFacts:
    """The file is a few words long: what a simulated disk has for bytes."""
    of = _source(world, source)
    text = f"{EXPORTED} of {of.size_bytes} bytes\n{of.content}\n"
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = target.with_name(f"{target.name}.new")
    whole.write_text(text)
    whole.replace(target)
    return ImageFacts(
        image_format="qcow2", virtual_bytes=of.size_bytes, file_bytes=len(text.encode())
    )


def _exported(path: Path) -> str:
    """What a simulated disk held that was exported to this file."""
    text = (
        path.read_text(errors="replace")
        if path.is_file() and path.stat().st_size < EXPORT_MAX_BYTES
        else ""
    )
    return text.split("\n")[1] if text.startswith(EXPORTED) else ""


def bring(world: SimWorld, pool: SimPool, spec: DiskSpec, *, key: UUID) -> DiskStatus:
    there = storage.find(world, pool, spec.volume_id)
    if there is not None:
        return there.status()
    if spec.image is None:
        raise Refused(f"disk {spec.volume_id}: say which image it is made of")
    storage.require_image(spec.image)
    size_bytes = max(spec.size_bytes, spec.image.virtual_bytes)
    content = _exported(Path(spec.image.path))
    return _make(world, pool, spec.volume_id, size_bytes, content, key).status()


def _make(
    world: SimWorld, pool: SimPool, volume_id: UUID, size_bytes: int, content: str, key: UUID
) -> SimDisk:
    storage.require_room(world, pool, size_bytes, size_bytes)
    file = disk_file(volume_id)
    made = SimDisk(pool.url, file, volume_id, size_bytes, key=key, content=content)
    world.commit(made)
    return made


def _source(world: SimWorld, place: DiskPlace) -> SimDisk:
    pool = storage.reach(world, place.pool)
    if place.is_snapshot:
        kept = find_snapshot(world, pool, place.disk_id)
        if kept is None:
            raise Refused(f"there is no snapshot {place.disk_id} in {pool.url}")
        return kept
    storage.require_unused(world, pool, place.disk_id)
    return _disk(world, pool, place.disk_id)


def _disk(world: SimWorld, pool: SimPool, volume_id: UUID) -> SimDisk:
    disk = storage.find(world, pool, volume_id)
    if disk is None:
        raise Refused(f"there is no disk {volume_id} in {pool.url}")
    return disk
