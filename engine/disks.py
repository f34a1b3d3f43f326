"""Disks on pools, as sagas handle them: which host does the work, and what room is given back."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from aggregates.appliance import part_id
from aggregates.errors import NotAllowed
from aggregates.ids import uuid5
from aggregates.image import Image
from aggregates.vm import Vm, VmState, VmWorkEnded
from aggregates.volume import Volume, VolumeReoffered
from drivers.contract.compute import DiskAttachment, DiskLimits
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskPlace, DiskSpec, DiskStatus, ImageSource, PoolSpec
from engine.allocator import SpaceRequest
from engine.image_forms import called
from engine.image_places import is_simulated, on_disk
from engine.images import remove
from engine.intents.volume import Offering
from engine.saga import Run
from projections.cloud import Cloud
from projections.disk_offering import DiskOffering, disk_offerings
from projections.host import hosts
from projections.service_offering import ServiceOffering, service_offerings
from projections.snapshot import snapshots
from projections.storage_pool import StoragePool, is_reached, storage_pools
from projections.template import templates
from projections.vm import vms
from projections.volume import volumes

# Narrowest first.
SCOPES = ("HOST", "CLUSTER", "ZONE")
LEFT_TO_DRIVER = ("none", "hypervisor_default")
# What an offering calls its limits, and what a driver does.
RATES = {
    "bytesreadrate": "read_bytes",
    "byteswriterate": "write_bytes",
    "iopsreadrate": "read_iops",
    "iopswriterate": "write_iops",
}


def pool_spec(run: Run[Any], pool_id: UUID) -> PoolSpec:
    """A pool as drivers name it."""
    pool = run.cloud[storage_pools][pool_id]
    return PoolSpec(pool_id=pool.id, url=pool.url)


def image_of(
    run: Run[Any], template_id: UUID | None, zone_id: UUID, part: int = 0
) -> ImageSource | None:
    """The image that a disk in a zone is cloned from; None for a disk that is blank.

    Refused: there is a template no longer, and a blank disk is not what was asked for.
    """
    if template_id is None:
        return None
    template = run.cloud[templates].get(template_id)
    if template is None:
        raise Refused(f"template {template_id} is gone: no disk can be made of it")
    return source_of(run, template, zone_id, part)


def source_of(run: Run[Any], image: Image, zone_id: UUID | None, part: int = 0) -> ImageSource:
    """An image, or a part of one, as drivers are told of it: the copy that serves this zone."""
    path = image.ready_in(zone_id).path
    return ImageSource(
        image_id=part_id(image.id, part),
        path=path if is_simulated(path) else str(on_disk(run.world.home, path)),
        image_format=called(image.real_format),
        virtual_bytes=image.part_bytes(part),
        part=part,
    )


def disk_spec(run: Run[Any], volume: Volume, vm_id: UUID | None = None) -> DiskSpec:
    """A disk that is to be made for its guest, or for one that it is not attached to yet."""
    return DiskSpec(
        volume_id=volume.id,
        size_bytes=volume.size_bytes,
        image=image_of(run, volume.template_id, volume.zone_id, volume.part),
        provisioning=_laid_out(run, volume, vm_id or volume.vm_id),
    )


def _laid_out(run: Run[Any], volume: Volume, vm_id: UUID | None) -> str:
    """How much of a disk is laid out when it is made, by what says how it is."""
    own: ServiceOffering | DiskOffering | None = run.cloud[disk_offerings].get(volume.offering_id)
    if own is None and volume.kind == "ROOT":
        vm = run.cloud[vms].get(vm_id)
        own = run.cloud[service_offerings].get(None if vm is None else vm.service_offering_id)
    return "thin" if own is None else own.provisioning_type


def attachment(
    run: Run[Any], volume: Volume, path: str, *, vm: Vm, device: int | None = None
) -> DiskAttachment:
    """A volume as its guest sees it, cached and slowed down as its offering says."""
    slot = volume.device if device is None else device
    own = run.cloud[disk_offerings].get(volume.offering_id)
    says: ServiceOffering | DiskOffering | None = own
    if own is None and volume.kind == "ROOT":
        says = run.cloud[service_offerings].get(vm.service_offering_id)
    cache = "" if says is None else says.cache_mode
    return DiskAttachment(
        volume_id=volume.id,
        path=path,
        device=slot or 0,
        cache="" if cache in LEFT_TO_DRIVER else cache,
        limits=_limits(volume.max_iops, says),
    )


def _limits(own_most: int | None, offering: ServiceOffering | DiskOffering | None) -> DiskLimits:
    rates = {} if offering is None else offering.rates
    most = own_most or (offering.max_iops if isinstance(offering, DiskOffering) else None)
    known = {RATES[name]: value for name, value in rates.items() if name in RATES}
    return DiskLimits(total_iops=most or 0, **known)


async def limit_anew(run: Run[Any], volume: Volume, new: Offering | None) -> None:
    """Hold a guest that runs to what the new offering of its disk says."""
    vm = run.cloud[vms].get(volume.vm_id)
    if new is None or vm is None or vm.host_id is None:
        return
    offering = run.cloud[disk_offerings].get(new.offering_id)
    session = await run.world.hosts.session(vm.host_id)
    await session.limit_disk(vm.id, volume.id, _limits(new.max_iops, offering), key=run.key)


def reoffer(run: Run[Any], volume: Volume, new: Offering | None) -> None:
    """Let a volume be of its new offering; one that was deleted meanwhile is nobody's any more."""
    offering = run.cloud[disk_offerings].get(new.offering_id) if new is not None else None
    if new is None or offering is None:
        return
    run.guard(offering)
    reoffered = VolumeReoffered(
        offering_id=offering.id, min_iops=new.min_iops, max_iops=new.max_iops
    )
    run.change(volume, reoffered)


def pool_tags(run: Run[Any], volume: Volume, vm: Vm) -> frozenset[str]:
    """The tags that a disk's pool must have: its offering's, or the guest's for a root disk."""
    if volume.kind == "ROOT" and volume.offering_id is None:
        offering = run.cloud[service_offerings].get(vm.service_offering_id)
        return frozenset(offering.storage_tags if offering else ())
    own = run.cloud[disk_offerings].get(volume.offering_id)
    return frozenset(own.storage_tags if own else ())


def room_for(run: Run[Any], volume: Volume, vm: Vm | None) -> SpaceRequest:
    """Room for a disk that is on no pool yet, within reach of its guest, or of that guest's other
    disks; one made of a snapshot stays within reach of that."""
    own = run.cloud[disk_offerings].get(volume.offering_id)
    tags = frozenset(own.storage_tags if own else ()) if vm is None else pool_tags(run, volume, vm)
    host = run.cloud[hosts].get(None if vm is None else vm.host_id)
    request = SpaceRequest(
        volume_id=volume.id, zone_id=volume.zone_id, size_bytes=volume.size_bytes, tags=tags
    )
    if host is not None:
        pod_id, cluster_id, host_id = host.pod_id, host.cluster_id, host.id
        return replace(request, pod_id=pod_id, cluster_id=cluster_id, host_id=host_id)
    near = [source_pool(run, volume), *([] if vm is None else pools_of(run.cloud, vm.id))]
    for pool in near:
        if pool is not None:
            request = replace(
                request,
                pod_id=request.pod_id or pool.pod_id,
                cluster_id=request.cluster_id or pool.cluster_id,
                host_id=request.host_id or pool.host_id,
            )
    return request


def pools_of(cloud: Cloud, vm_id: UUID) -> list[StoragePool]:
    """The pools that a guest's disks are on, one for each disk."""
    found = (cloud[storage_pools].get(disk.pool_id) for disk in cloud[volumes].by("vm_id", vm_id))
    return [pool for pool in found if pool is not None]


def source_pool(run: Run[Any], volume: Volume) -> StoragePool | None:
    """The pool of the snapshot that a volume is made from."""
    snapshot = run.cloud[snapshots].get(volume.snapshot_id)
    return None if snapshot is None else run.cloud[storage_pools].get(snapshot.pool_id)


async def make_disk(
    run: Run[Any], session: HostSession, pool: PoolSpec, volume: Volume, *, key: UUID
) -> DiskStatus:
    """Make a volume's disk: of its snapshot, of what was uploaded, of its template, or blank."""
    if volume.snapshot_id is not None:
        return await _of_snapshot(run, session, pool, volume, key=key)
    spec = disk_spec(run, volume)
    if volume.upload_path:
        image = ImageSource(
            image_id=volume.id,
            path=str(on_disk(run.world.home, volume.upload_path)),
            image_format=called(volume.upload_format),
            virtual_bytes=volume.size_bytes,
        )
        return await session.import_disk(pool, dataclasses.replace(spec, image=image), key=key)
    return await session.create_disk(pool, spec, key=key)


async def _of_snapshot(
    run: Run[Any], session: HostSession, pool: PoolSpec, volume: Volume, *, key: UUID
) -> DiskStatus:
    """A copy needs no image: what its template is called by now does not matter."""
    snapshot = run.cloud[snapshots].get(volume.snapshot_id)
    if snapshot is None:
        raise Refused(f"snapshot {volume.snapshot_id} of volume {volume.name} is gone")
    source = DiskPlace(pool=pool_spec(run, snapshot.pool_id), disk_id=snapshot.id, is_snapshot=True)
    spec = DiskSpec(volume_id=volume.id, size_bytes=volume.size_bytes)
    return await session.copy_disk(source, pool, spec, key=key)


async def between(
    run: Run[Any], pool_id: UUID, other_id: UUID
) -> tuple[HostSession, PoolSpec, PoolSpec]:
    """A host that reaches both pools, and both as drivers name them."""
    pool, other = run.cloud[storage_pools][pool_id], run.cloud[storage_pools][other_id]
    if not meet(pool, other):
        raise Refused(f"no host reaches both pool {pool.name} and pool {other.name}")
    narrow = min((pool, other), key=lambda one: SCOPES.index(one.scope))
    session, _ = await run.world.hosts.with_pool(narrow.id)
    first, second = pool_spec(run, pool_id), pool_spec(run, other_id)
    for one in (first, second):
        await session.open_pool(one)
    return session, first, second


def meet(pool: StoragePool, other: StoragePool) -> bool:
    """Whether there may be a host that reaches both."""
    pairs = (
        (pool.cluster_id, other.cluster_id),
        (pool.host_id, other.host_id),
        (pool.hypervisor.replace("Any", ""), other.hypervisor.replace("Any", "")),
    )
    same_zone = pool.zone_id == other.zone_id
    return same_zone and all(a == b or not a or not b for a, b in pairs)


@lru_cache(maxsize=8192)
def space_key(step_key: UUID, volume_id: UUID) -> UUID:
    """The hold on room for one of the disks that a step makes."""
    return uuid5(step_key, str(volume_id))


async def delete_disk(run: Run[Any], volume: Volume) -> None:
    """Remove a volume's disk from its pool, if it is on one, and the image that it came from."""
    if volume.pool_id is not None:
        session, pool = await run.world.hosts.with_pool(volume.pool_id)
        await session.remove_disk(pool, volume.id, key=run.key)
    await delete_upload(run, volume)


async def delete_upload(run: Run[Any], volume: Volume) -> None:
    """Remove the image that a volume came from, if it still has one."""
    if volume.upload_path:
        await remove(on_disk(run.world.home, volume.upload_path))


def take_guest(run: Run[Any], volume: Volume, doing: str, *allowed: VmState) -> None:
    """Let this job have the guest of a volume too, so that no other starts or stops it."""
    if volume.vm_id is not None:
        vm = run.row(vms, volume.vm_id)
        run.change(vm, vm.work(doing, run.id, *allowed))


def let_guest_go(run: Run[Any], volume: Volume) -> None:
    """The guest of a volume is free for other jobs again."""
    if volume.vm_id is not None:
        run.change(run.row(vms, volume.vm_id), VmWorkEnded())


async def near_guest(run: Run[Any], volume: Volume) -> tuple[HostSession, PoolSpec]:
    """The host of the guest that uses the volume, or any that reaches the volume's pool."""
    assert volume.pool_id is not None
    vm = run.cloud[vms].get(volume.vm_id)
    if vm is None or vm.host_id is None:
        return await run.world.hosts.with_pool(volume.pool_id)
    return await run.world.hosts.session(vm.host_id), pool_spec(run, volume.pool_id)


def kept_by_its_host(cloud: Cloud, vm_id: UUID) -> str:
    """Which volume of a guest only its own host reaches, in words; empty if there is none."""
    for disk in cloud[volumes].by("vm_id", vm_id):
        pool = cloud[storage_pools].get(disk.pool_id)
        if pool is not None and pool.host_id is not None:
            return (
                f"its volume {disk.name} is in storage pool {pool.name}, which its host alone "
                "reaches"
            )
    return ""


def refuse_out_of_reach(run: Run[Any], volume: Volume, vm: Vm) -> None:
    """A guest runs where all of its volumes are reached, so there has to be such a host."""
    pool = run.cloud[storage_pools].get(volume.pool_id)
    if pool is None:
        return
    host = run.cloud[hosts].get(vm.host_id)
    if host is not None and not is_reached(pool, host):
        raise NotAllowed(
            f"volume {volume.name} is in storage pool {pool.name}, which host {host.name} does "
            f"not reach, where virtual machine {vm.name} runs: move one of them first"
        )
    for disk in run.cloud[volumes].by("vm_id", vm.id):
        other = run.cloud[storage_pools].get(disk.pool_id)
        if other is not None:
            refuse_apart(vm, (volume, pool), (disk, other))


def refuse_apart(
    vm: Vm, one: tuple[Volume, StoragePool], other: tuple[Volume, StoragePool]
) -> None:
    """Refuse two volumes of a guest that lie in pools which no host reaches both."""
    if not meet(one[1], other[1]):
        told = " and ".join(
            f"volume {volume.name} in storage pool {pool.name}" for volume, pool in (one, other)
        )
        raise NotAllowed(
            f"no host that could run virtual machine {vm.name} reaches both {told}: move one of "
            "them first"
        )


def in_service(run: Run[Any], volume: Volume) -> None:
    """Refuse to run anything from a pool in maintenance; who begins that meanwhile comes first."""
    if volume.pool_id is not None:
        pool = run.row(storage_pools, volume.pool_id)
        pool.serving()
        run.guard(pool)


def release_disk(run: Run[Any], volume: Volume) -> None:
    """Give back the room that a volume holds."""
    for hold in volume.holds:
        run.add(run.world.allocator.release_space(hold), hold)
