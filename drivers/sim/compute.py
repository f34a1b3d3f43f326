"""What each compute verb does to the world, at the one moment in which it takes effect.

Plain functions of the world: no delays, no faults, no sessions. Each may find its own work done,
and then says so as if it had been the first time.
"""

from __future__ import annotations

import dataclasses
from uuid import UUID

from msgspec.structs import replace

from drivers.contract.compute import (
    DiskAttachment,
    DiskLimits,
    DiskMove,
    GuestSpec,
    GuestStatus,
    NicSpec,
    Power,
)
from drivers.contract.errors import Refused, Unavailable
from drivers.sim.rows import Gone, SimGuest, SimHost
from drivers.sim.world import SimWorld


def start(
    world: SimWorld, host: SimHost, spec: GuestSpec, *, key: UUID, now_s: float
) -> GuestStatus:
    """A guest that is off or has crashed here makes room for the new one of its name."""
    there = world.guest(host.url, spec.guest_id)
    if there is not None and there.power in (Power.RUNNING, Power.PAUSED):
        return there.status()
    _require_room(world, host, spec)
    for disk in spec.disks:
        _require_disk(world, host, spec.guest_id, disk)
    guest = SimGuest(
        host=host.url,
        name=spec.known_as,
        guest_id=spec.guest_id,
        power=Power.RUNNING,
        key=key,
        cpu_count=spec.cpu_count,
        memory_mib=spec.memory_mib,
        started_at_s=now_s,
        disks=spec.disks,
        nics=spec.nics,
    )
    world.commit(guest)
    world.configs[spec.guest_id] = dict(spec.config)
    return guest.status()


def _require_room(world: SimWorld, host: SimHost, spec: GuestSpec | SimGuest) -> None:
    if spec.cpu_count > host.cpu_count or spec.memory_mib > host.memory_mib:
        raise Refused(
            f"{spec.name} wants {spec.cpu_count} cores and {spec.memory_mib} MiB;"
            f" {host.name} has {host.cpu_count} and {host.memory_mib} in all"
        )
    free_mib = host.memory_mib - world.memory_used_mib(host.url)
    there = world.guest(host.url, spec.guest_id) if spec.guest_id else None
    if there is not None and there.power is Power.CRASHED:
        free_mib += there.memory_mib
    if spec.memory_mib > free_mib:
        raise Unavailable(f"{host.name} has {free_mib} MiB free; {spec.name} wants more")


def _require_disk(world: SimWorld, host: SimHost, guest_id: UUID, disk: DiskAttachment) -> None:
    """A disk must be there, and no other guest may hold its lock, as QEMU's image locks have it."""
    if disk.is_cdrom:
        return
    pool, _, file = disk.path.rpartition("/")
    if file not in world.disks.get(pool, {}):
        raise Refused(f"guest {guest_id}: there is no disk {disk.path}")
    others = world.users(disk.volume_id) - {(host.url, str(guest_id))}
    if others and not disk.read_only:
        where, ident = min(others)
        raise Unavailable(f"disk {disk.volume_id} is locked by guest {ident} on {where}")


def power_off(world: SimWorld, host: SimHost, guest_id: UUID) -> None:
    guest = world.guest(host.url, guest_id)
    if guest is not None and guest.power is not Power.OFF:
        world.commit(replace(guest, power=Power.OFF))


def reboot(world: SimWorld, host: SimHost, guest_id: UUID, *, now_s: float) -> None:
    world.commit(replace(running(world, host, guest_id), started_at_s=now_s))


def remove(world: SimWorld, host: SimHost, guest_id: UUID) -> None:
    if world.guest(host.url, guest_id) is not None:
        world.commit(Gone("guest", host.url, str(guest_id)))
    world.configs.pop(guest_id, None)


def migrate(
    world: SimWorld,
    host: SimHost,
    guest_id: UUID,
    target: SimHost,
    moves: tuple[DiskMove, ...] = (),
) -> None:
    """Both ends change in one commit: no moment, and no crash, sees two copies or none."""
    arrived = world.guest(target.url, guest_id)
    guest = world.guest(host.url, guest_id)
    if guest is None and arrived is not None and arrived.power is Power.RUNNING:
        return
    guest = running(world, host, guest_id)
    if target.url == host.url:
        return
    if not (target.powered and target.reachable):
        raise Unavailable(f"{target.name} does not answer {host.name}")
    _require_room(world, target, guest)
    pools = {move.volume_id: world.pool(move.pool.url) for move in moves}
    copies, disks = [], []
    for disk in guest.disks:
        pool = pools.get(disk.volume_id)
        home, _, file = disk.path.rpartition("/")
        if pool is not None and pool.url != home:
            of = world.disks[home][file]
            if of.size_bytes > pool.capacity_bytes - world.spent_bytes.get(pool.url, 0):
                raise Unavailable(f"{pool.url} has no room for disk {disk.volume_id}")
            copies.append(replace(of, pool=pool.url, image_id=None, kept=()))
            disk = dataclasses.replace(disk, path=f"{pool.url}/{file}")
        disks.append(disk)
    moved = replace(guest, host=target.url, disks=tuple(disks))
    world.commit(*copies, Gone("guest", host.url, guest.ident), moved)


def grow(world: SimWorld, host: SimHost, guest_id: UUID, cpu_count: int, memory_mib: int) -> None:
    """A simulated guest grows as far as its host has cores and memory."""
    guest = running(world, host, guest_id)
    if cpu_count < guest.cpu_count or memory_mib < guest.memory_mib:
        raise Refused(f"guest {guest_id} has more than that already: it does not shrink alive")
    free_mib = host.memory_mib - world.memory_used_mib(host.url)
    if cpu_count > host.cpu_count or memory_mib - guest.memory_mib > free_mib:
        raise Refused(f"{host.name} has no {cpu_count} cores and {memory_mib} MiB for {guest_id}")
    if (cpu_count, memory_mib) != (guest.cpu_count, guest.memory_mib):
        world.commit(replace(guest, cpu_count=cpu_count, memory_mib=memory_mib))


def attach_disk(world: SimWorld, host: SimHost, guest_id: UUID, disk: DiskAttachment) -> None:
    guest = running(world, host, guest_id)
    for held in guest.disks:
        if held.volume_id == disk.volume_id:
            return
        if held.device == disk.device:
            raise Refused(f"device {disk.device} of guest {guest_id} is disk {held.volume_id}")
    _require_disk(world, host, guest_id, disk)
    world.commit(replace(guest, disks=(*guest.disks, disk)))


def limit_disk(
    world: SimWorld, host: SimHost, guest_id: UUID, volume_id: UUID, limits: DiskLimits
) -> None:
    guest = world.guest(host.url, guest_id)
    if guest is None or guest.power is not Power.RUNNING:
        return
    if all(disk.volume_id != volume_id for disk in guest.disks):
        raise Refused(f"guest {guest_id} has no disk {volume_id}")
    disks = tuple(
        dataclasses.replace(disk, limits=limits) if disk.volume_id == volume_id else disk
        for disk in guest.disks
    )
    if disks != guest.disks:
        world.commit(replace(guest, disks=disks))


def detach_disk(world: SimWorld, host: SimHost, guest_id: UUID, volume_id: UUID) -> None:
    guest = world.guest(host.url, guest_id)
    if guest is None:
        return
    kept = tuple(disk for disk in guest.disks if disk.volume_id != volume_id)
    if len(kept) < len(guest.disks):
        world.commit(replace(guest, disks=kept))


def attach_nic(world: SimWorld, host: SimHost, guest_id: UUID, nic: NicSpec) -> None:
    guest = running(world, host, guest_id)
    if all(held.nic_id != nic.nic_id for held in guest.nics):
        world.commit(replace(guest, nics=(*guest.nics, nic)))


def detach_nic(world: SimWorld, host: SimHost, guest_id: UUID, nic_id: UUID) -> None:
    guest = world.guest(host.url, guest_id)
    if guest is None:
        return
    kept = tuple(nic for nic in guest.nics if nic.nic_id != nic_id)
    if len(kept) < len(guest.nics):
        world.commit(replace(guest, nics=kept))


def running(world: SimWorld, host: SimHost, guest_id: UUID) -> SimGuest:
    """The guest, for verbs that make no sense on one that does not run."""
    guest = world.guest(host.url, guest_id)
    if guest is None:
        raise Refused(f"guest {guest_id} is not on {host.name}")
    if guest.power is not Power.RUNNING:
        raise Refused(f"guest {guest_id} on {host.name} is {guest.power}; start it first")
    return guest
