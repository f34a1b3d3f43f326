"""One host of a pool: the contract's verbs, each handed to the file that knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING
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
    Stranger,
)
from drivers.contract.errors import Refused, Unavailable
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
from drivers.xapi import adoption, devices, facts, kept, migrate, observe
from drivers.xapi.client import Line
from drivers.xapi.console import Consoles
from drivers.xapi.copies import Copies
from drivers.xapi.disks import Disks
from drivers.xapi.guests import Guests
from drivers.xapi.marks import Kind
from drivers.xapi.networks import Networks
from drivers.xapi.repositories import Repositories
from drivers.xapi.stats import Statistics

if TYPE_CHECKING:
    from drivers.xapi.driver import XapiDriver

NO_LIMITS = "XenServer limits no disk by operations or bytes a second"
CANNOT = {
    "run_hook": "XAPI runs plugins of its hosts alone, and no script of an operator",
    "limit_disk": NO_LIMITS,
    "disk_limits": NO_LIMITS,
    "live_disk_growth": "XenServer's repositories grow a disk only while no guest uses it",
    "tpm": "guests get no trusted platform module from this controller",
    "cpu_model": "a guest sees what all hosts of its XenServer pool have in common",
    "cpu_pinning": "guests are not tied to cores of their host",
    "huge_pages": "Xen chooses the pages of a guest's memory by itself",
    "passthrough": "no device of a host is given to a guest",
}


class XapiSession:
    """A host, by its uuid, over the line to its pool."""

    def __init__(self, line: Line, host_uuid: str, *, driver: XapiDriver, scratch: str) -> None:
        self.line, self.host_uuid = line, host_uuid
        self._driver = driver
        self.repositories = Repositories(line, host_uuid)
        self._disks = Disks(line, self.repositories, host_uuid, scratch)
        self._copies = Copies(self._disks)
        self._networks = Networks(line, host_uuid)
        self.guests = Guests(line, host_uuid, self._disks, self._networks)
        self._consoles = Consoles(self.guests)
        self._statistics = Statistics(line, host_uuid)
        self._facts: HostFacts | None = None

    # ---- hosts and guests ----------------------------------------------------------------

    async def inspect(self) -> HostFacts:
        self._facts = await facts.learn(self.line, self.host_uuid)
        return self._facts

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        if any(disk.limits != DiskLimits() for disk in spec.disks):
            raise Refused(f"guest {spec.name}: {NO_LIMITS}")
        known = self._facts or await self.inspect()
        await self.guests.start(spec, known, key=key)
        status = await self.find_guest(spec.guest_id)
        if status is None:
            raise Unavailable(f"guest {spec.guest_id} is not there after its start: ask again")
        return status

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        await self.guests.stop(guest_id, grace_s=grace_s)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        await self.guests.reboot(guest_id, force=force, key=key)

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await self.guests.remove(guest_id)

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        there = await self._driver.session_of(target)
        try:
            mover = migrate.Mover(self.guests, there.guests, there.repositories)
            await mover.migrate(guest_id, moves)
        finally:
            await there.close()

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        await self.guests.grow(guest_id, cpu_count, memory_mib)

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        async with self.line.turn(Kind.GUEST, guest_id):
            if with_memory:
                vm, _ = await self.guests.running(guest_id, verb="snapshot")
                if not await kept.checkpoints(self.line, snapshot_id):
                    label = kept.CHECKPOINT.format(snapshot_id)
                    await self.guests.with_drivers(vm, "VM.checkpoint", vm, label)
                return
            found = await self.guests.here(guest_id)
            runs = found is not None and found[1]["power_state"] != "Halted"
            vm = found[0] if found is not None and runs else ""
            await kept.keep_disks(self._disks, snapshot_id, disks, vm)

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        async with self.line.turn(Kind.GUEST, guest_id):
            found = await self.guests.here(guest_id)
            runs = found is not None and found[1]["power_state"] != "Halted"
            if not with_memory:
                if runs:
                    raise Refused(f"guest {guest_id} runs: its disks go back when it is off")
                await kept.revert_disks(self._disks, snapshot_id, disks)
                return
            if found is None or not runs:
                raise Refused(f"guest {guest_id} does not run on this XenServer: no way back")
            await self.line.settle(found[1], doing=f"revert guest {guest_id}")
            there = list(await kept.checkpoints(self.line, snapshot_id))
            if not there:
                raise Refused(f"guest {guest_id} keeps no snapshot {snapshot_id}")
            await self.line.run("VM.revert", there[0])
            await devices.owned(self.guests, found[0])
            host = await self.guests.host()
            await self.line.run("VM.resume_on", found[0], host, False, False)

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        async with self.line.turn(Kind.GUEST, guest_id):
            await kept.forget(self.line, snapshot_id)

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        if disk.limits != DiskLimits():
            raise Refused(NO_LIMITS)
        await devices.attach_disk(self.guests, guest_id, disk)

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        raise Refused(NO_LIMITS)

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        await devices.detach_disk(self.guests, guest_id, volume_id)

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        await devices.attach_nic(self.guests, self._networks, guest_id, nic)

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        await devices.detach_nic(self.guests, guest_id, nic_id)

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        return await observe.find(self.guests, guest_id)

    async def list_guests(self) -> list[GuestStatus]:
        pool = await observe.look(self.line, await facts.live(self.line, self.host_uuid))
        return [pool.status(record) for record in pool.guests.values()]

    async def survey_strangers(self) -> list[Stranger]:
        return await adoption.survey(self.guests)

    async def adopt_guest(self, stranger: str, adoption_: Adoption, *, key: UUID) -> None:
        await adoption.adopt(self.guests, stranger, adoption_, key=key)

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await adoption.disown(self.guests, guest_id)

    async def console(self, guest_id: UUID) -> Console:
        return await self._consoles.of(guest_id)

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        raise Refused(CANNOT["run_hook"])

    async def host_stats(self) -> HostStats:
        return await self._statistics.host()

    async def guest_stats(self) -> list[GuestStats]:
        return await self._statistics.guests()

    # ---- storage -------------------------------------------------------------------------

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return await self.repositories.open(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await self.repositories.facts(pool)

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.create(pool, disk)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        return await self._disks.keep(pool, image)

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return await self._disks.images(pool)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        return await self._disks.drop(pool, image_id)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return await self._disks.resize(pool, volume_id, size_bytes)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._disks.remove(pool, volume_id)

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
        await migrate.move_disk(self.guests, self.repositories, guest_id, volume_id, pool)
        status = await self._disks.find(pool, volume_id)
        if status is None:
            raise Unavailable(f"disk {volume_id} is not in pool {pool.url} yet: ask again")
        return status

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        return await self._copies.export(source, path)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.bring(pool, disk)

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._disks.adopt(pool, path, volume_id)

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._disks.disown(pool, volume_id)

    async def close(self) -> None:
        await self._consoles.close()
        await self._driver.forget(self)
