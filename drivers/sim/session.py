"""One simulated host, connected: the driver contract over the world, by a line with faults."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
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
)
from drivers.contract.hooks import Hook, HookResult
from drivers.contract.routing import LeaseChange, RouterSpec, RouterStatus
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
from drivers.kit import router_words
from drivers.kit.proxy_words import haproxy_conf
from drivers.sim import adoption, compute, copies, hooks, kept, storage, vitals
from drivers.sim.address import hardware_id, identity
from drivers.sim.line import SimLine
from drivers.sim.routed import unsaid
from drivers.sim.rows import Gone, SimHost, SimLeases, SimRouter

T = TypeVar("T")

VERSION = "1.0"
# The place of snapshots of whole guests, which lie within disks, wherever those are.
KEPT = "kept"


class SimSession(SimLine):
    """A host's session."""

    __slots__ = ()

    def _in(self, guest_id: UUID) -> str:
        """The place of what is plugged into a guest."""
        return f"{self.url} {guest_id}"

    async def inspect(self) -> HostFacts:
        def look(host: SimHost) -> HostFacts:
            return HostFacts(
                hardware_id=str(hardware_id(host.url)),
                name=host.name,
                hypervisor_version=VERSION,
                cpu_count=host.cpu_count,
                cpu_mhz=host.cpu_mhz,
                memory_bytes=host.memory_mib * 1024**2,
                accelerated=True,
                capabilities=("hvm",),
                detail="a simulated host: nothing runs",
            )

        return await self._call("inspect", None, look)

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        world, now_s = self._site.world, self._site.now_s()
        return await self._change(
            "start_guest",
            spec.guest_id,
            key,
            lambda host: compute.start(world, host, spec, key=key, now_s=now_s),
        )

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        world, faults = self._site.world, self._site.faults
        guest = world.guest(self.url, guest_id)
        wait_s = min(grace_s, faults.shutdown_s)
        if wait_s > 0 and guest is not None and guest.power is Power.RUNNING:
            await faults.sleep(wait_s)
        await self._change(
            "stop_guest", guest_id, key, lambda host: compute.power_off(world, host, guest_id)
        )

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        world, now_s = self._site.world, self._site.now_s()
        await self._change(
            "reboot_guest",
            guest_id,
            key,
            lambda host: compute.reboot(world, host, guest_id, now_s=now_s),
        )

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        def remove(host: SimHost) -> None:
            compute.remove(self._site.world, host, guest_id)
            if self._site.serial_dir is not None:
                self._serial_log(guest_id).unlink(missing_ok=True)

        await self._change("remove_guest", guest_id, key, remove)

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        world = self._site.world

        def arrive(host: SimHost) -> None:
            there = world.host(target.url)
            if there.url != host.url:
                world.ask(there.url, guest_id, key, "arrive_guest")
            compute.migrate(world, host, guest_id, there, moves)

        await self._change(
            "migrate_guest",
            guest_id,
            key,
            arrive,
        )

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        world = self._site.world
        await self._change(
            "grow_guest",
            guest_id,
            key,
            lambda host: compute.grow(world, host, guest_id, cpu_count, memory_mib),
        )

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        world = self._site.world
        await self._change(
            "snapshot_guest",
            snapshot_id,
            key,
            lambda host: kept.keep(world, host, guest_id, snapshot_id, disks, with_memory),
            where=KEPT,
        )

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        world = self._site.world
        await self._change(
            "revert_guest",
            guest_id,
            key,
            lambda host: kept.revert(world, host, guest_id, snapshot_id, disks, with_memory),
        )

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        world = self._site.world
        await self._change(
            "forget_snapshot",
            snapshot_id,
            key,
            lambda _: kept.forget(world, snapshot_id, disks),
            where=KEPT,
        )

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "attach_disk",
            disk.volume_id,
            key,
            lambda host: compute.attach_disk(world, host, guest_id, disk),
            where=self._in(guest_id),
        )

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        world = self._site.world
        await self._change(
            "limit_disk",
            volume_id,
            key,
            lambda host: compute.limit_disk(world, host, guest_id, volume_id, limits),
            where=self._in(guest_id),
        )

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "detach_disk",
            volume_id,
            key,
            lambda host: compute.detach_disk(world, host, guest_id, volume_id),
            where=self._in(guest_id),
        )

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "attach_nic",
            nic.nic_id,
            key,
            lambda host: compute.attach_nic(world, host, guest_id, nic),
            where=self._in(guest_id),
        )

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "detach_nic",
            nic_id,
            key,
            lambda host: compute.detach_nic(world, host, guest_id, nic_id),
            where=self._in(guest_id),
        )

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        def find(host: SimHost) -> GuestStatus | None:
            guest = self._site.world.guest(host.url, guest_id)
            return guest.status() if guest is not None else None

        return await self._call("find_guest", guest_id, find)

    async def list_guests(self) -> list[GuestStatus]:
        guests = self._site.world.guests
        return await self._call(
            "list_guests",
            None,
            lambda host: [guest.status() for guest in guests.get(host.url, {}).values()],
        )

    async def survey_strangers(self) -> list[Stranger]:
        world = self._site.world
        return await self._call("survey_strangers", None, lambda host: adoption.survey(world, host))

    async def adopt_guest(self, stranger: str, adoption_: Adoption, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "adopt_guest",
            adoption_.guest_id,
            key,
            lambda host: adoption.adopt(world, host, stranger, adoption_, key=key),
        )

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "disown_guest", guest_id, key, lambda host: adoption.disown(world, host, guest_id)
        )

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        world = self._site.world
        return await self._change(
            "adopt_disk",
            volume_id,
            key,
            lambda _: adoption.adopt_disk(world, storage.reach(world, pool), path, volume_id),
            where=identity(pool.url),
        )

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "disown_disk",
            volume_id,
            key,
            lambda _: adoption.disown_disk(world, storage.reach(world, pool), volume_id),
            where=identity(pool.url),
        )

    async def console(self, guest_id: UUID) -> Console:
        """A transcript of the boot, if the driver was given a folder for it; there is no screen."""

        def look(host: SimHost) -> Console:
            guest = compute.running(self._site.world, host, guest_id)
            if self._site.serial_dir is None:
                return Console()
            self._site.serial_dir.mkdir(parents=True, exist_ok=True)
            log = self._serial_log(guest_id)
            log.write_text(vitals.boot_transcript(guest))
            return Console(serial_log=str(log))

        return await self._call("console", guest_id, look)

    def _serial_log(self, guest_id: UUID) -> Path:
        assert self._site.serial_dir is not None
        return self._site.serial_dir / f"{guest_id}.log"

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        world = self._site.world
        return await self._call("run_hook", key, lambda host: hooks.run(world, host, hook, key))

    async def run_router(self, spec: RouterSpec, *, key: UUID) -> None:
        world = self._site.world

        def told(host: SimHost) -> None:
            router_words.rules(spec)
            haproxy_conf(spec)
            world.commit(SimRouter(host.url, spec))

        await self._call("run_router", spec.router_id, told)

    async def tell_leases(
        self, router_id: UUID, change: LeaseChange, *, key: UUID
    ) -> dict[UUID, str] | None:
        world = self._site.world

        def told(host: SimHost) -> dict[UUID, str] | None:
            there = world.routers.get(host.url, {}).get(router_id)
            if there is None or not there.takes(change):
                return None
            if there.mark != change.now:
                world.commit(SimLeases(host.url, router_id, change))
            return unsaid(change)

        return await self._call("tell_leases", router_id, told)

    async def remove_router(self, router_id: UUID, *, key: UUID) -> None:
        world = self._site.world

        def remove(host: SimHost) -> None:
            if router_id in world.routers.get(host.url, {}):
                world.commit(Gone("router", host.url, str(router_id)))

        await self._call("remove_router", router_id, remove)

    async def list_routers(self) -> list[RouterStatus]:
        def look(host: SimHost) -> list[RouterStatus]:
            there = self._site.world.routers.get(host.url, {}).values()
            return [one.status for one in there]

        return await self._call("list_routers", None, look)

    async def host_stats(self) -> HostStats:
        site = self._site

        def look(host: SimHost) -> HostStats:
            guests = site.world.guests.get(host.url, {}).values()
            return vitals.host_stats(host, guests, seed=site.faults.seed, now_s=site.now_s())

        return await self._call("host_stats", None, look)

    async def guest_stats(self) -> list[GuestStats]:
        site = self._site

        def look(host: SimHost) -> list[GuestStats]:
            now_s = site.now_s()
            return [
                vitals.guest_stats(guest, seed=site.faults.seed, now_s=now_s)
                for guest in site.world.guests.get(host.url, {}).values()
                if guest.guest_id is not None and guest.power is Power.RUNNING
            ]

        return await self._call("guest_stats", None, look)

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return await self._pool_facts("open_pool", pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await self._pool_facts("pool_facts", pool)

    async def _pool_facts(self, verb: str, pool: PoolSpec) -> PoolFacts:
        world = self._site.world
        return await self._call(
            verb, pool.pool_id, lambda _: storage.facts(world, storage.reach(world, pool))
        )

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        world = self._site.world
        return await self._change(
            "create_disk",
            disk.volume_id,
            key,
            lambda _: storage.create(world, storage.reach(world, pool), disk, key=key),
            where=identity(pool.url),
        )

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        world = self._site.world
        return await self._call(
            "keep_image",
            image.image_id,
            lambda _: storage.keep_image(world, storage.reach(world, pool), image),
        )

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        world = self._site.world
        return await self._call(
            "list_images", None, lambda _: list(storage.reach(world, pool).image_ids)
        )

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        world = self._site.world
        return await self._call(
            "drop_image",
            image_id,
            lambda _: storage.drop_image(world, storage.reach(world, pool), image_id),
        )

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        def resize(_: SimHost) -> DiskStatus:
            there = storage.reach(self._site.world, pool)
            return storage.resize(self._site.world, there, volume_id, size_bytes=size_bytes)

        return await self._change("resize_disk", volume_id, key, resize, where=identity(pool.url))

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "remove_disk",
            volume_id,
            key,
            lambda _: storage.remove(world, storage.reach(world, pool), volume_id),
            where=identity(pool.url),
        )

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        def find(_: SimHost) -> DiskStatus | None:
            disk = storage.find(self._site.world, storage.reach(self._site.world, pool), volume_id)
            return disk.status() if disk is not None else None

        return await self._call("find_disk", volume_id, find)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        world = self._site.world

        def look(_: SimHost) -> list[DiskStatus]:
            there = storage.reach(world, pool)
            disks = world.disks.get(there.url, {}).values()
            return [disk.status() for disk in disks if not disk.is_snapshot]

        return await self._call("list_disks", pool.pool_id, look)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        world = self._site.world

        def keep(host: SimHost) -> SnapshotStatus:
            there = storage.reach(world, pool)
            return copies.snapshot(world, host, there, volume_id, snapshot_id, key)

        return await self._change("snapshot_disk", snapshot_id, key, keep, where=identity(pool.url))

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        world = self._site.world
        await self._change(
            "remove_snapshot",
            snapshot_id,
            key,
            lambda _: copies.remove_snapshot(world, storage.reach(world, pool), snapshot_id),
            where=identity(pool.url),
        )

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        world = self._site.world

        def find(_: SimHost) -> SnapshotStatus | None:
            kept = copies.find_snapshot(world, storage.reach(world, pool), snapshot_id)
            return None if kept is None else kept.snapshot_status()

        return await self._call("find_snapshot", snapshot_id, find)

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        world = self._site.world

        def look(_: SimHost) -> list[SnapshotStatus]:
            kept = world.disks.get(storage.reach(world, pool).url, {}).values()
            return [one.snapshot_status() for one in kept if one.is_snapshot]

        return await self._call("list_snapshots", pool.pool_id, look)

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        world = self._site.world
        return await self._change(
            "revert_disk",
            volume_id,
            key,
            lambda _: copies.revert(world, storage.reach(world, pool), volume_id, snapshot_id),
            where=identity(pool.url),
        )

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        world = self._site.world
        return await self._change(
            "copy_disk",
            disk.volume_id,
            key,
            lambda _: copies.copy(world, source, storage.reach(world, pool), disk, key=key),
            where=identity(pool.url),
        )

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        world = self._site.world

        def move(host: SimHost) -> DiskStatus:
            there = storage.reach(world, pool)
            return copies.move(world, host, guest_id, volume_id, there, key=key)

        return await self._change("move_disk", volume_id, key, move, where=identity(pool.url))

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        world = self._site.world
        return await self._call(
            "export_disk", source.disk_id, lambda _: copies.export(world, source, path)
        )

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        world = self._site.world
        return await self._change(
            "import_disk",
            disk.volume_id,
            key,
            lambda _: copies.bring(world, storage.reach(world, pool), disk, key=key),
            where=identity(pool.url),
        )

    async def close(self) -> None:
        """Nothing to let go of: the world belongs to the driver."""
