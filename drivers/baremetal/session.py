"""A machine, connected: the contract's verbs, each said to the part that knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn
from uuid import UUID

from drivers.baremetal.cannot import CANNOT
from drivers.baremetal.disks import Disks, pattern_of
from drivers.baremetal.guests import Guests
from drivers.baremetal.images import Images
from drivers.baremetal.node import LIVE, Node
from drivers.contract.compute import (
    Adoption,
    Console,
    DiskAttachment,
    DiskLimits,
    DiskMove,
    GuestSpec,
    GuestStats,
    GuestStatus,
    HostAddress,
    HostFacts,
    HostStats,
    NicSpec,
    Sensor,
    Stranger,
)
from drivers.contract.errors import DriverError, Refused
from drivers.contract.hooks import Hook, HookResult
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    ImageSource,
    PoolFacts,
    PoolSpec,
    SnapshotStatus,
)

SENSE_S = 6.0


class BareMetalSession:
    """Fulfils `HostSession`. What a machine without a hypervisor cannot is in `cannot.py`."""

    def __init__(self, node: Node, images: Images, forget: Callable[[BareMetalSession], None]):
        self._node, self._images, self._forget = node, images, forget
        self._disks = Disks(node, images)
        self._guests = Guests(node, self._disks)
        self._sensed: tuple[Sensor, ...] = ()
        self._began_s = asyncio.get_running_loop().time()

    # ---- the host ----------------------------------------------------------------------------

    async def inspect(self) -> HostFacts:
        async with self._node.turn:
            await self._node.inspect()
        card, bmc = self._node.card, await self._node.bmc.facts()
        health = f"; its BMC says {bmc.health}" if bmc.health else ""
        disks = ", ".join(f"{d.name} {d.size_bytes // 10**9} GB" for d in card.disks)
        nics = ", ".join(f"{n.name} {n.mac}{'' if n.up else ' down'}" for n in card.nics)
        return HostFacts(
            hardware_id=card.hardware_id,
            name=card.name,
            hypervisor_version=bmc.firmware or "none",
            cpu_count=card.cpu_count,
            cpu_mhz=card.cpu_mhz,
            memory_bytes=card.memory_bytes,
            accelerated=True,
            capabilities=("whole_host",),
            detail=f"{bmc.model or card.model}; disks: {disks}; cards: {nics}{health}",
        )

    async def _sensors(self) -> tuple[Sensor, ...]:
        """What the machine's own instruments read; what they read before, if its BMC takes long."""
        with suppress(DriverError, TimeoutError):
            async with asyncio.timeout(SENSE_S):
                self._sensed = await self._node.bmc.sensors()
        return self._sensed

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        _cannot("run_hook")

    async def host_stats(self) -> HostStats:
        """Nobody looks into a machine that is a guest's: what is given counts as used."""
        given = self._node.is_given and await self._node.bmc.is_on()
        return HostStats(
            cpu_used_percent=100.0 if given else 0.0,
            memory_used_bytes=self._node.card.memory_bytes if given else 0,
            network_read_bytes=0,
            network_write_bytes=0,
            uptime_s=int(asyncio.get_running_loop().time() - self._began_s),
            sensors=await self._sensors(),
        )

    async def close(self) -> None:
        self._forget(self)

    # ---- guests ------------------------------------------------------------------------------

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        return await self._guests.start(spec, key)

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        await self._guests.stop(guest_id, grace_s=grace_s)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        await self._guests.reboot(guest_id, force=force)

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await self._guests.remove(guest_id)

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        return await self._guests.find(guest_id)

    async def list_guests(self) -> list[GuestStatus]:
        return await self._guests.all()

    async def console(self, guest_id: UUID) -> Console:
        self._guests.running(guest_id)
        return await self._node.bmc.console()

    async def guest_stats(self) -> list[GuestStats]:
        """A guest that runs is told; no BMC counts what it does, so all counters are 0."""
        guest = self._node.card.guest
        if guest is None or guest.stage not in LIVE or not await self._node.bmc.is_on():
            return []
        return [
            GuestStats(
                guest_id=UUID(guest.guest_id),
                cpu_time_ns=0,
                memory_used_bytes=0,
                disk_read_bytes=0,
                disk_write_bytes=0,
                network_read_bytes=0,
                network_write_bytes=0,
            )
        ]

    # ---- storage -----------------------------------------------------------------------------

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return await self._disks.open_pool(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return self._disks.facts(pool)

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.create(pool, disk, rests=disk.provisioning == "thin")

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.create(pool, disk, rests=False)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return self._disks.resize(volume_id, size_bytes)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._disks.remove(volume_id)

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        return self._disks.find(pool, volume_id)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        return self._disks.all(pool)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        pattern_of(pool)
        return (await self._images.keep(pool.pool_id, image)).path

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return self._images.all(pool.pool_id)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        if self._disks.rests_on(image_id):
            return False
        self._images.drop(pool.pool_id, image_id)
        return True

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        return None

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return []

    # ---- what a machine without a hypervisor cannot --------------------------------------------

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        _cannot("migrate_guest")

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        _cannot("grow_guest")

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        _cannot("snapshot_guest")

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        _cannot("revert_guest")

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        _cannot("forget_snapshot")

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        _cannot("attach_disk")

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        _cannot("limit_disk")

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        _cannot("detach_disk")

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        _cannot("attach_nic")

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        _cannot("detach_nic")

    async def survey_strangers(self) -> list[Stranger]:
        _cannot("survey_strangers")

    async def adopt_guest(self, stranger: str, adoption: Adoption, *, key: UUID) -> None:
        _cannot("adopt_guest")

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        _cannot("disown_guest")

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        _cannot("snapshot_disk")

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        _cannot("remove_snapshot")

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        _cannot("revert_disk")

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        _cannot("copy_disk")

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        _cannot("move_disk")

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        _cannot("export_disk")

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        _cannot("adopt_disk")

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        _cannot("disown_disk")


def _cannot(verb: str) -> NoReturn:
    error: DriverError = Refused(f"bare-metal machines: {CANNOT[verb]}")
    raise error
