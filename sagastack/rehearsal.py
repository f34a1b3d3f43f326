"""A simulated data centre as a log describes it: same hosts, pools, disks and running guests.

What a job was doing at that moment is left to the job: it goes on in the rehearsal, and finds its
guest where the log has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from aggregates.host import Host, HostState
from aggregates.storage_pool import StoragePool
from aggregates.vm import Vm
from aggregates.volume import Volume
from drivers.contract.compute import DiskAttachment, NicSpec, Power
from drivers.sim.address import identity
from drivers.sim.rows import (
    Row,
    SimDisk,
    SimGuest,
    SimHost,
    SimPool,
    disk_file,
    snapshot_file,
)
from drivers.sim.stand_in import KnownHost, KnownPool, Names
from drivers.sim.world import SimWorld
from engine.rehearsal import MARK
from projections.cloud import Cloud
from projections.host import hosts
from projections.saga import saga_runs
from projections.snapshot import snapshots
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.vm_snapshot import vm_snapshots
from projections.volume import volumes

MIB = 1024**2
JOURNAL = "simulator.jsonl"


def furnish(cloud: Cloud, home: Path) -> None:
    """Mark a folder as a rehearsal, and put the cloud's data centre into it."""
    disks = list(_disks(cloud))
    spent: dict[str, int] = {}
    for disk, _ in disks:
        spent[disk.pool] = spent.get(disk.pool, 0) + disk.size_bytes
    names = Names(
        hosts={identity(host.url): _known(host) for host in cloud[hosts]},
        pools={
            str(pool.id): KnownPool(
                url=_url(pool.id),
                capacity_bytes=pool.capacity_bytes,
                beside_bytes=pool.used_bytes - spent.get(_url(pool.id), 0),
            )
            for pool in cloud[storage_pools]
        },
        paths={path: disk.path for disk, path in disks if path},
    )
    (home / MARK).write_bytes(msgspec.json.encode(names))
    world = SimWorld.open(home / JOURNAL)
    try:
        for row in _rows(cloud, disks):
            world.commit(row)
    finally:
        world.close()


def _rows(cloud: Cloud, disks: list[tuple[SimDisk, str]]) -> Iterator[Row]:
    for host in cloud[hosts]:
        yield SimHost(
            url=identity(host.url),
            name=host.name,
            cpu_count=host.cpu_count,
            cpu_mhz=host.cpu_mhz,
            memory_mib=host.memory_bytes // MIB,
            reachable=host.state is not HostState.DISCONNECTED,
        )
    for pool in cloud[storage_pools]:
        yield SimPool(url=_url(pool.id), capacity_bytes=_room(pool))
    for disk, _ in disks:
        yield disk
    for vm in cloud[vms].each():
        home = cloud[hosts].get(vm.host_id)
        if home is not None:
            yield _guest(cloud, vm, identity(home.url))


def _disks(cloud: Cloud) -> Iterator[tuple[SimDisk, str]]:
    """Every disk and snapshot that lies in a pool, with the path that the log has of it."""
    kept: dict[UUID, list[UUID]] = {}
    for moment in cloud[vm_snapshots]:
        for volume_id in moment.volume_ids:
            kept.setdefault(volume_id, []).append(moment.id)
    for volume in cloud[volumes].each():
        pool_id, path = volume.pool_id, volume.path
        if pool_id is None:
            pool_id, path = _just_made(cloud, volume)
        if pool_id is not None and path:
            disk = SimDisk(
                pool=_url(pool_id),
                file=disk_file(volume.id),
                volume_id=volume.id,
                size_bytes=volume.size_bytes,
                image_id=volume.template_id,
                kept=tuple((one, "") for one in kept.get(volume.id, ())),
            )
            yield disk, path
    for snapshot in cloud[snapshots]:
        if snapshot.path:
            disk = SimDisk(
                pool=_url(snapshot.pool_id),
                file=snapshot_file(snapshot.id),
                volume_id=snapshot.volume_id,
                size_bytes=snapshot.size_bytes,
                snapshot_id=snapshot.id,
            )
            yield disk, snapshot.path


def _just_made(cloud: Cloud, volume: Volume) -> tuple[UUID | None, str]:
    """Where a disk lies that the job of its guest has made, and only that job knows of yet."""
    vm = cloud[vms].get(volume.vm_id)
    run = None if vm is None else cloud[saga_runs].get(vm.job_id)
    made = {} if run is None else run.outputs.get("create_disks") or {}
    path = made.get(str(volume.id), "")
    if run is None or not path:
        return None, ""
    return UUID(run.outputs["hold_room"]["pools"][str(volume.id)]), path


def _guest(cloud: Cloud, vm: Vm, host_url: str) -> SimGuest:
    """A guest that the log has on a host: it runs there, from its disks."""
    disks = tuple(
        DiskAttachment(
            volume_id=volume.id,
            path=f"{_url(volume.pool_id)}/{disk_file(volume.id)}",
            device=volume.device or 0,
        )
        for volume in cloud[volumes].by("vm_id", vm.id)
        if volume.pool_id is not None
    )
    return SimGuest(
        host=host_url,
        name=vm.instance_name or vm.name,
        guest_id=vm.id,
        power=Power.RUNNING,
        key=None,
        cpu_count=vm.cpu_count,
        memory_mib=vm.memory_mib,
        started_at_s=vm.state_at_ms / 1000,
        disks=disks,
        nics=tuple(NicSpec(nic_id=nic.id, mac=nic.mac, ip4=nic.ip4) for nic in vm.nics),
    )


def _known(host: Host) -> KnownHost:
    return KnownHost(
        name=host.name,
        hardware_id=host.hardware_id,
        hypervisor_version=host.hypervisor_version,
        accelerated=host.accelerated,
        capabilities=tuple(host.capabilities),
        detail=host.detail,
    )


def _url(pool_id: UUID) -> str:
    return f"rehearsal://{pool_id}"


def _room(pool: StoragePool) -> int:
    """Disks spend all of their size here, and only what is in them in a pool of thin ones."""
    return int(pool.capacity_bytes * max(1.0, pool.overprovision))
