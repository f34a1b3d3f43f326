"""Strangers that become guests of ours, and guests of ours that become strangers."""

from __future__ import annotations

import dataclasses
from uuid import UUID

from msgspec.structs import replace

from drivers.contract.compute import Adoption, Stranger, StrangerDisk, StrangerNic
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskStatus
from drivers.sim import storage
from drivers.sim.rows import Gone, SimDisk, SimGuest, SimHost, SimPool, disk_file
from drivers.sim.world import SimWorld


def survey(world: SimWorld, host: SimHost) -> list[Stranger]:
    guests = world.guests.get(host.url, {}).values()
    return [_stranger(world, guest) for guest in guests if guest.guest_id is None]


def _stranger(world: SimWorld, guest: SimGuest) -> Stranger:
    def size(path: str) -> int:
        pool, _, file = path.rpartition("/")
        there = world.disks.get(pool, {}).get(file)
        return 0 if there is None else there.size_bytes

    return Stranger(
        name=guest.name,
        power=guest.power,
        cpu_count=guest.cpu_count,
        memory_mib=guest.memory_mib,
        disks=tuple(
            StrangerDisk(
                label=f"disk{disk.device}",
                path=disk.path,
                size_bytes=size(disk.path),
                image_format="qcow2",
            )
            for disk in guest.disks
        ),
        nics=tuple(StrangerNic(mac=nic.mac, bridge=nic.bridge) for nic in guest.nics),
    )


def adopt(world: SimWorld, host: SimHost, name: str, ask: Adoption, *, key: UUID) -> None:
    if world.guest(host.url, ask.guest_id) is not None:
        return
    guest = world.guests.get(host.url, {}).get(f"stranger:{name}")
    if guest is None:
        raise Refused(f"there is no stranger {name} on {host.name}")
    ids = {mac: nic_id for nic_id, mac in ask.nics}
    nics = tuple(
        dataclasses.replace(nic, nic_id=ids.get(nic.mac, nic.nic_id)) for nic in guest.nics
    )
    ours = replace(guest, guest_id=ask.guest_id, nics=nics, key=key)
    world.commit(Gone("guest", host.url, guest.ident), ours)


def disown(world: SimWorld, host: SimHost, guest_id: UUID) -> None:
    guest = world.guest(host.url, guest_id)
    if guest is not None:
        stranger = replace(guest, guest_id=None)
        world.commit(Gone("guest", host.url, guest.ident), stranger)


def adopt_disk(world: SimWorld, pool: SimPool, path: str, volume_id: UUID) -> DiskStatus:
    there = storage.find(world, pool, volume_id)
    if there is not None:
        return there.status()
    home, _, file = path.rpartition("/")
    found = world.disks.get(pool.url, {}).get(file) if home == pool.url else None
    if found is None or found.volume_id is not None:
        raise Refused(f"there is no stranger's image {path} in {pool.url}")
    return _renamed(world, found, disk_file(volume_id), volume_id).status()


def disown_disk(world: SimWorld, pool: SimPool, volume_id: UUID) -> None:
    there = storage.find(world, pool, volume_id)
    if there is not None:
        _renamed(world, there, f"unmanaged-{volume_id}.qcow2", None)


def _renamed(world: SimWorld, disk: SimDisk, file: str, volume_id: UUID | None) -> SimDisk:
    """Whoever runs from it goes on from it under its new name."""
    made = replace(disk, file=file, volume_id=volume_id)
    users = [
        replace(
            guest,
            disks=tuple(
                dataclasses.replace(held, path=made.path, volume_id=volume_id or held.volume_id)
                if held.path == disk.path
                else held
                for held in guest.disks
            ),
        )
        for guests in world.guests.values()
        for guest in guests.values()
        if any(held.path == disk.path for held in guest.disks)
    ]
    world.commit(Gone("disk", disk.pool, disk.file), made, *users)
    return made
