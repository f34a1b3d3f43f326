"""Disks on pools, as sagas handle them: which host does the work, and what room is given back."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from aggregates.image import Image
from aggregates.vm import Vm
from aggregates.volume import Volume
from drivers.contract.compute import DiskAttachment
from drivers.contract.storage import DiskSpec, ImageSource, PoolSpec
from engine.image_places import is_simulated, on_disk
from engine.saga import Run
from projections.disk_offering import disk_offerings
from projections.service_offering import service_offerings
from projections.storage_pool import storage_pools
from projections.template import templates


def pool_spec(run: Run[Any], pool_id: UUID) -> PoolSpec:
    """A pool as drivers name it."""
    pool = run.cloud[storage_pools][pool_id]
    return PoolSpec(pool_id=pool.id, url=pool.url)


def image_of(run: Run[Any], template_id: UUID | None, zone_id: UUID) -> ImageSource | None:
    """The image that a root disk in a zone is cloned from."""
    template = run.cloud[templates].get(template_id)
    return None if template is None else source_of(run, template, zone_id)


def source_of(run: Run[Any], image: Image, zone_id: UUID | None) -> ImageSource:
    """An image as drivers are told of it: the copy that serves this zone."""
    path = image.ready_in(zone_id).path
    return ImageSource(
        image_id=image.id,
        path=path if is_simulated(path) else str(on_disk(run.world.home, path)),
        image_format=image.real_format,
        virtual_bytes=image.size_bytes,
    )


def disk_spec(run: Run[Any], volume: Volume) -> DiskSpec:
    return DiskSpec(
        volume_id=volume.id,
        size_bytes=volume.size_bytes,
        image=image_of(run, volume.template_id, volume.zone_id),
    )


def attachment(volume: Volume, path: str) -> DiskAttachment:
    """A volume as its guest sees it."""
    return DiskAttachment(volume_id=volume.id, path=path, device=volume.device or 0)


def pool_tags(run: Run[Any], volume: Volume, vm: Vm) -> frozenset[str]:
    """The tags that a disk's pool must have: its offering's, or the guest's for a root disk."""
    if volume.kind == "ROOT":
        offering = run.cloud[service_offerings].get(vm.service_offering_id)
        return frozenset(offering.storage_tags if offering else ())
    own = run.cloud[disk_offerings].get(volume.offering_id)
    return frozenset(own.storage_tags if own else ())


def space_key(step_key: UUID, volume_id: UUID) -> UUID:
    """The hold on room for one of the disks that a step makes."""
    return uuid5(step_key, str(volume_id))


async def delete_disk(run: Run[Any], volume: Volume) -> None:
    """Remove a volume's disk from its pool, if it is on one."""
    if volume.pool_id is not None:
        session, pool = await run.world.hosts.with_pool(volume.pool_id)
        await session.remove_disk(pool, volume.id, key=run.key)


def release_disk(run: Run[Any], volume: Volume) -> None:
    """Give back the room that a volume holds."""
    for hold in volume.holds:
        run.add(run.world.allocator.release_space(hold), hold)
