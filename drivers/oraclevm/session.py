"""One host of Oracle VM, connected: the contract, over the agent's words and the repositories.

A session keeps nothing that it could not ask for again, and connects anew by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NoReturn
from uuid import UUID

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
    Power,
    Stranger,
    StrangerDisk,
    StrangerNic,
)
from drivers.contract.errors import DriverError, Refused, Unavailable
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
from drivers.kit import discs
from drivers.oraclevm import files
from drivers.oraclevm.copies import Copies
from drivers.oraclevm.dialect import Dialect, Seen
from drivers.oraclevm.disks import RAW, Disks
from drivers.oraclevm.repo import split

MIB = 1024**2
LOOK_S = 0.2


class OracleSession:
    """`reach` makes a line to another host of the kind, for a guest that goes there."""

    def __init__(
        self,
        dialect: Dialect,
        mounts: Mapping[str, str],
        cannot: Mapping[str, str],
        reach: Callable[[HostAddress], Dialect],
        forget: Callable[[OracleSession], None],
    ) -> None:
        self._dialect, self._cannot, self._reach, self._forget = dialect, cannot, reach, forget
        self._disks = Disks(dialect, mounts)
        self._copies = Copies(dialect, self._disks)
        self._known: HostFacts | None = None

    async def inspect(self) -> HostFacts:
        self._known = await self._dialect.facts()
        return self._known

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        there = await self._dialect.find(spec.guest_id)
        if there is not None and there.power is Power.CRASHED:
            await self._dialect.cut(there)
        elif there is not None and there.power is not Power.OFF:
            return _status(there)
        await self._require_able(spec)
        disc = await self._write_config(spec)
        try:
            await self._dialect.start(spec, disc, key=key)
        except Refused:
            await self._drop_config(spec.guest_id)
            raise
        started = await self._dialect.find(spec.guest_id)
        if started is None:
            raise Unavailable(f"guest {spec.name} ended as soon as it was started")
        return _status(started)

    async def _require_able(self, spec: GuestSpec) -> None:
        """Refused: it can never run here."""
        facts = self._known or await self.inspect()
        if spec.memory_mib * MIB > facts.memory_bytes:
            raise Refused(
                f"guest {spec.name} wants {spec.memory_mib} MiB, and host {facts.name} has "
                f"{facts.memory_bytes // MIB} MiB in all"
            )
        if spec.boot != "bios":
            self._refuse("uefi")
        if any(one.limits != DiskLimits() for one in spec.disks):
            self._refuse("disk_limits")
        for disk in spec.disks:
            export, within = split(disk.path)
            if await files.size(self._disks.at(export), within) is None:
                raise Refused(f"guest {spec.name} cannot start: its disk {disk.path} is not there")

    async def _write_config(self, spec: GuestSpec) -> str:
        """Where its config disc lies; empty if it has none."""
        if not spec.config or not spec.disks:
            return ""
        repo = self._disks.at(split(spec.disks[0].path)[0])
        await files.prepare(repo)
        content = await asyncio.to_thread(discs.image, spec.config)
        within = repo.config(spec.guest_id)
        await files.write(repo, within, content)
        return repo.path(within)

    async def _drop_config(self, guest_id: UUID) -> None:
        for export in await self._dialect.exports():
            with suppress(Refused):
                repo = self._disks.at(export)
                await files.remove(repo, repo.config(guest_id))

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        guest = await self._dialect.find(guest_id)
        if guest is None or guest.power is Power.OFF:
            return
        if grace_s > 0 and guest.power is Power.RUNNING:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._dialect.stop(guest)
                    while (left := await self._dialect.find(guest_id)) is not None:
                        if left.power is Power.OFF:
                            return
                        await _pause(LOOK_S)
                    return
        await self._dialect.cut(guest)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        await self._dialect.reboot(await self._running(guest_id, "be rebooted"), force=force)

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        guest = await self._dialect.find(guest_id)
        if guest is not None and guest.power is not Power.OFF:
            await self._dialect.cut(guest)
        if await self._dialect.undefine(guest_id):
            await self._drop_config(guest_id)

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        """It may have gone already; then the other host is told that it is there to stay."""
        if moves:
            self._refuse("storage_migration")
        there = self._reach(target)
        try:
            guest = await self._dialect.find(guest_id)
            if guest is None:
                await self._arrived(guest_id, there)
            elif guest.power is not Power.RUNNING:
                raise Refused(f"guest {guest.name} is {guest.power}: only one that runs migrates")
            elif await there.own_ip() != await self._dialect.own_ip():
                await self._dialect.migrate(guest, there)
                await self._arrived(guest_id, there)
        finally:
            await there.close()

    async def _arrived(self, guest_id: UUID, there: Dialect) -> None:
        found = await there.find(guest_id)
        if found is None or found.power is Power.OFF:
            raise Refused(f"guest {guest_id} does not run here, so it cannot migrate")
        await there.settle(found)

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        self._refuse("grow_guest")

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        self._refuse("snapshot_guest")

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        self._refuse("revert_guest")

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        self._refuse("forget_snapshot")

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        if not disk.is_cdrom:
            self._allow("disk_hot_plug")
        await self._dialect.plug_disk(await self._running(guest_id, "be given a disk"), disk)

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        self._refuse("limit_disk")

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        if (guest := await self._dialect.find(guest_id)) is not None:
            if volume_id in dict(guest.volumes):
                self._allow("disk_hot_plug")
            await self._dialect.unplug_disk(guest, volume_id)

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        self._allow("attach_nic")
        await self._dialect.plug_nic(await self._running(guest_id, "be given a card"), nic)

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        self._allow("detach_nic")
        if (guest := await self._dialect.find(guest_id)) is not None:
            await self._dialect.unplug_nic(guest, nic_id)

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        guest = await self._dialect.find(guest_id)
        return None if guest is None else _status(guest)

    async def list_guests(self) -> list[GuestStatus]:
        return [_status(one) for one in await self._dialect.seen()]

    async def survey_strangers(self) -> list[Stranger]:
        self._allow("survey_strangers")
        found = [one for one in await self._dialect.seen() if one.guest_id is None]
        return [await self._stranger(one) for one in found]

    async def _stranger(self, guest: Seen) -> Stranger:
        disks = []
        for number, path in enumerate(guest.disks):
            size = (0, 0)
            with suppress(DriverError):
                export, within = split(path)
                size = await files.size(self._disks.at(export), within) or size
            disks.append(
                StrangerDisk(
                    label=f"disk {number}", path=path, size_bytes=size[0], image_format=RAW
                )
            )
        return Stranger(
            name=guest.name,
            power=guest.power,
            cpu_count=guest.cpu_count,
            memory_mib=guest.memory_mib,
            disks=tuple(disks),
            nics=tuple(StrangerNic(mac=mac, bridge=bridge) for mac, bridge in guest.nics),
        )

    async def adopt_guest(self, stranger: str, adoption: Adoption, *, key: UUID) -> None:
        self._allow("adopt_guest")
        found = await self._dialect.seen()
        if any(one.guest_id == adoption.guest_id for one in found):
            return
        named = [one for one in found if one.name == stranger]
        if not named:
            raise Refused(f"no guest {stranger} runs here")
        if (owner := named[0].guest_id) is not None:
            raise Refused(f"guest {stranger} is {owner} already")
        await self._dialect.adopt(named[0], adoption, key=key)

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        self._allow("disown_guest")
        if (guest := await self._dialect.find(guest_id)) is not None:
            await self._dialect.disown(guest)

    async def console(self, guest_id: UUID) -> Console:
        return await self._dialect.console(await self._running(guest_id, "show its screen"))

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        self._refuse("run_hook")

    async def host_stats(self) -> HostStats:
        return await self._dialect.stats()

    async def guest_stats(self) -> list[GuestStats]:
        found = await self._dialect.guest_stats()
        return [
            GuestStats(
                guest_id=one.guest_id,
                cpu_time_ns=one.cpu_time_ns,
                memory_used_bytes=one.memory_mib * MIB,
                disk_read_bytes=0,
                disk_write_bytes=0,
                network_read_bytes=one.network[0],
                network_write_bytes=one.network[1],
            )
            for one in found
            if one.guest_id is not None and one.power is Power.RUNNING
        ]

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return await self._disks.open(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await files.facts(await self._disks.repo(pool))

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.create(pool, disk)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return await self._disks.resize(pool, volume_id, size_bytes)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._disks.remove(pool, volume_id)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        return await self._disks.keep(pool, image)

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return await self._disks.images(pool)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        return await self._disks.drop(pool, image_id)

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        return await self._disks.find(pool, volume_id)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self._disks.list_all(pool)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        return await self._copies.keep(pool, volume_id, snapshot_id)

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        await self._copies.forget(pool, snapshot_id)

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        return await self._copies.find(pool, snapshot_id)

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._copies.list_all(pool)

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._copies.revert(pool, volume_id, snapshot_id)

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        return await self._copies.copy(source, pool, disk)

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        self._refuse("move_disk")

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        return await self._copies.export(source, path)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.bring(pool, disk)

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        self._allow("adopt_disk")
        return await self._disks.adopt(pool, path, volume_id)

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        self._allow("disown_disk")
        await self._disks.disown(pool, volume_id)

    async def drop_line(self) -> None:
        """Let go of the connection; the next verb has a new one."""
        await self._dialect.close()

    async def close(self) -> None:
        self._forget(self)
        await self._dialect.close()

    async def _running(self, guest_id: UUID, what: str) -> Seen:
        guest = await self._dialect.find(guest_id)
        if guest is None or guest.power in (Power.OFF, Power.CRASHED):
            raise Refused(f"guest {guest_id} does not run here, so it cannot {what}")
        return guest

    def _refuse(self, what: str) -> NoReturn:
        raise Refused(self._cannot[what])

    def _allow(self, what: str) -> None:
        if (why := self._cannot.get(what)) is not None:
            raise Refused(why)


def _status(guest: Seen) -> GuestStatus:
    return GuestStatus(
        guest_id=guest.guest_id,
        name=guest.name,
        power=guest.power,
        key=guest.key,
        cpu_count=guest.cpu_count,
        memory_mib=guest.memory_mib,
        disks=guest.disks,
    )


async def _pause(seconds: float) -> None:
    never: Awaitable[bool] = asyncio.Event().wait()
    with suppress(TimeoutError):
        await asyncio.wait_for(never, seconds)
