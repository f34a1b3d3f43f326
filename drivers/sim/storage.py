"""What each storage verb does to the world, at the one moment in which it takes effect.

Every host reaches every pool, a disk spends all of its size at once, and a template is cached in
a pool by the first clone that asks for it. Plain functions of the world, as in `compute`.
"""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolFacts, PoolSpec
from drivers.sim.rows import Gone, SimDisk, SimPool, disk_file
from drivers.sim.world import SimWorld

IMAGE_FORMATS = ("qcow2", "raw", "vmdk", "vhd", "vhdx", "vdi", "ova", "iso")


def reach(world: SimWorld, spec: PoolSpec) -> SimPool:
    """The pool itself, if the line to it holds."""
    pool = world.pool(spec.url)
    if not pool.reachable:
        raise Unavailable(f"pool {pool.url} is out of reach")
    return pool


def facts(world: SimWorld, pool: SimPool) -> PoolFacts:
    spent_bytes = world.spent_bytes.get(pool.url, 0)
    return PoolFacts(capacity_bytes=pool.capacity_bytes, used_bytes=spent_bytes)


def create(world: SimWorld, pool: SimPool, spec: DiskSpec, *, key: UUID) -> DiskStatus:
    """A clone is never smaller than its image."""
    there = find(world, pool, spec.volume_id)
    if there is not None:
        return there.status()
    size_bytes = spec.size_bytes
    if spec.image is not None:
        require_image(spec.image)
        size_bytes = max(size_bytes, spec.image.virtual_bytes)
    if size_bytes <= 0:
        raise Refused(f"disk {spec.volume_id} has no size")
    require_room(world, pool, size_bytes, size_bytes)
    is_clone = spec.image is not None and spec.provisioning == "thin"
    image_id = spec.image.image_id if spec.image is not None and is_clone else None
    disk = SimDisk(
        pool=pool.url,
        file=disk_file(spec.volume_id),
        volume_id=spec.volume_id,
        size_bytes=size_bytes,
        key=key,
        image_id=image_id,
    )
    if image_id is None or image_id in pool.image_ids:
        world.commit(disk)
    else:
        world.commit(replace(pool, image_ids=(*pool.image_ids, image_id)), disk)
    return disk.status()


def keep_image(world: SimWorld, pool: SimPool, image: ImageSource) -> str:
    require_image(image)
    if image.image_id not in pool.image_ids:
        world.commit(replace(pool, image_ids=(*pool.image_ids, image.image_id)))
    return f"{pool.url}/images/{image.image_id}"


def drop_image(world: SimWorld, pool: SimPool, image_id: UUID) -> bool:
    """Whoever clones it or has it in a drive keeps it."""
    rests = any(disk.image_id == image_id for disk in world.disks.get(pool.url, {}).values())
    if rests or world.users(image_id):
        return False
    if image_id in pool.image_ids:
        kept = tuple(one for one in pool.image_ids if one != image_id)
        world.commit(replace(pool, image_ids=kept))
    return True


def resize(world: SimWorld, pool: SimPool, volume_id: UUID, *, size_bytes: int) -> DiskStatus:
    disk = find(world, pool, volume_id)
    if disk is None:
        raise Refused(f"there is no disk {volume_id} in {pool.url}")
    if size_bytes < disk.size_bytes:
        raise Refused(
            f"disk {volume_id} has {disk.size_bytes} bytes and cannot shrink to {size_bytes}"
        )
    if size_bytes > disk.size_bytes:
        require_room(world, pool, size_bytes, size_bytes - disk.size_bytes)
        disk = replace(disk, size_bytes=size_bytes)
        world.commit(disk)
    return disk.status()


def remove(world: SimWorld, pool: SimPool, volume_id: UUID) -> None:
    require_unused(world, pool, volume_id)
    if find(world, pool, volume_id) is not None:
        world.commit(Gone("disk", pool.url, disk_file(volume_id)))


def find(world: SimWorld, pool: SimPool, volume_id: UUID) -> SimDisk | None:
    return world.disks.get(pool.url, {}).get(disk_file(volume_id))


def users(world: SimWorld, pool: SimPool, volume_id: UUID) -> list[tuple[str, str]]:
    """Which living guests hold this very disk, and not one of its name in another pool."""
    path = f"{pool.url}/{disk_file(volume_id)}"
    return sorted(
        (host, ident)
        for host, ident in world.users(volume_id)
        if any(disk.path == path for disk in world.guests[host][ident].disks)
    )


def require_unused(world: SimWorld, pool: SimPool, volume_id: UUID) -> None:
    for where, ident in users(world, pool, volume_id):
        raise Refused(f"disk {volume_id} is used by guest {ident} on {where}")


def require_image(image: ImageSource) -> None:
    if image.image_format.lower() not in IMAGE_FORMATS:
        raise Refused(
            f"image {image.image_id} is {image.image_format!r};"
            f" known formats are {', '.join(IMAGE_FORMATS)}"
        )


def require_room(world: SimWorld, pool: SimPool, size_bytes: int, more_bytes: int) -> None:
    if size_bytes > pool.capacity_bytes:
        raise Refused(f"{size_bytes} bytes will never fit: {pool.url} has {pool.capacity_bytes}")
    free_bytes = pool.capacity_bytes - world.spent_bytes.get(pool.url, 0)
    if more_bytes > free_bytes:
        raise Unavailable(f"{pool.url} has {free_bytes} bytes free; {more_bytes} were asked for")
