"""One connected libvirt host: the contract's verbs, each handed to the file that knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
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
from drivers.contract.errors import DriverError, Refused, Unavailable
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
from drivers.kit import discs
from drivers.libvirt import (
    adoption,
    config_disc,
    facts,
    growth,
    guests,
    hooks,
    hotplug,
    live,
    migrate,
    routers,
    segments,
)
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.copies import Copies
from drivers.libvirt.disks import DISC, Disks, image_path, is_shared, pool_folder
from drivers.libvirt.firmware import Firmware
from drivers.libvirt.hardware import kept_beside, needs_memory
from drivers.libvirt.kept import Kept
from drivers.libvirt.kinds import Kind
from drivers.libvirt.line import Line
from drivers.libvirt.observe import Domain
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.shell import is_same_machine
from drivers.libvirt.stats import Statistics
from drivers.libvirt.translate import cpu_shares

NO_CGROUP_WORDS = "CPU tuning is not available"


class LibvirtSession:
    """A host's line, and what was learned about the host over it."""

    def __init__(self, line: Line, kind: Kind, *, forget: Callable[[LibvirtSession], None]) -> None:
        self._line, self._kind = line, kind
        self._forget = forget
        self._disks = Disks(
            line.shell, where=str(line.route), image_s=line.settings.image_s, form=kind.form
        )
        self._copies = Copies(self._disks, line.shell, copy_s=line.settings.image_s)
        self._firmware = self._firmware_of(line)
        self._kept = Kept(line.client, line.shell, limit_s=line.settings.image_s)
        self._statistics = Statistics(line.client, line.shell, counts=kind.counts)
        self._shared = set(line.settings.shared_paths)
        self._known: tuple[HostFacts, HostProfile] | None = None
        self._learning = asyncio.Lock()

    @property
    def client(self) -> Client:
        return self._line.client

    async def inspect(self) -> HostFacts:
        async with self._learning:
            self._known = await facts.learn(self._line, self._kind, before=self._known)
            return self._known[0]

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        known, host = await self._host()
        facts.check_fits(spec, known, host.offers)
        await segments.ensure(self._line.shell, spec.nics, host)
        if spec.config and await guests.find(self.client, spec.guest_id) is None:
            disc = await asyncio.to_thread(discs.image, spec.config)
            await config_disc.place(self._line.shell, host.config_dir, spec.guest_id, disc)
        if needs_memory(spec) and await guests.find(self.client, spec.guest_id) is None:
            await self._firmware.ready(spec)
        started = await self._started(spec, host, known, key=key)
        if spec.hardware.tpm:
            await self._firmware.keep(spec.guest_id)
        return started

    async def _started(
        self, spec: GuestSpec, host: HostProfile, known: HostFacts, *, key: UUID
    ) -> GuestStatus:
        words = self._kind.words
        try:
            return await guests.start(self.client, spec, words.domain_xml(spec, host, key=key))
        except Refused as error:  # cgroups, but none for the CPU: then guests weigh all the same
            if not (host.weighs_cpu and NO_CGROUP_WORDS in str(error)):
                raise
        host = replace(host, weighs_cpu=False)
        self._known = (known, host)
        return await guests.start(self.client, spec, words.domain_xml(spec, host, key=key))

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        await guests.stop(self.client, guest_id, grace_s=grace_s, button=self._kind.button)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        patience_s = self._line.settings.reboot_s
        await guests.reboot(self.client, guest_id, force=force, patience_s=patience_s, key=key)

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await guests.cut(self.client, guest_id)
        await self._firmware.clear(guest_id)
        scratch = [config_disc.path_in(self._line.settings.config_dir, guest_id)]
        if self._line.settings.log_dir:
            scratch.append(f"{self._line.settings.log_dir}/{guest_id}.log")
        await self._line.shell.run("rm", "-f", "--", *scratch)

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        line = await self._line.to(target)
        folder = self._line.settings.config_dir
        try:
            disc = await config_disc.read(self._line.shell, folder, guest_id)
            if disc is not None:
                await config_disc.place(line.shell, folder, guest_id, disc)
            cards = await self.client.read(
                lambda connection: migrate.bridges_of(connection, guest_id),
                doing=f"look at the cards of guest {guest_id}",
            )
            await segments.follow(line.shell, cards, bridge_kind=line.settings.bridge_kind)
            copies = await self._room_for(moves, line, key=key)
            there = self._firmware_of(line)
            archive = await self._firmware.note(guest_id)
            for copy in copies.values():
                await there.room_beside(copy)
            if archive:
                await there.follow(guest_id, archive)
            await migrate.migrate(
                self.client,
                line.client,
                guest_id,
                peer_uri=line.route.peer_uri,
                data_host=line.route.data_host,
                shared_folders=frozenset(self._shared),
                limit_s=self._line.settings.migrate_s,
                copies=copies,
                by_libxl=self._kind.by_libxl,
            )
            if archive and (root := await self._root_at(line, guest_id)):
                await there.follow(guest_id, kept_beside(root, "tpm"))
                await there.keep(guest_id)
            if not is_same_machine(self._line.shell, line.shell):
                await self._firmware.forget(guest_id)
                if disc is not None:
                    await config_disc.remove(self._line.shell, folder, guest_id)
        finally:
            await line.close()

    async def _root_at(self, line: Line, guest_id: UUID) -> str:
        """The image of the root disk that a guest has on this host."""
        return await line.client.read(
            lambda connection: migrate.root_of(connection, guest_id),
            doing=f"look at the disks of guest {guest_id}",
        )

    def _firmware_of(self, line: Line) -> Firmware:
        settings = line.settings
        return Firmware(line.shell, swtpm_dir=settings.swtpm_dir, note_dir=settings.config_dir)

    async def _room_for(
        self, moves: tuple[DiskMove, ...], line: Line, *, key: UUID
    ) -> dict[UUID, str]:
        """Blank disks on the target for those that go along; says where each is."""
        disks = Disks(line.shell, where=str(line.route), image_s=line.settings.image_s)
        made = {}
        for move in moves:
            await disks.open_pool(move.pool)
            blank = DiskSpec(volume_id=move.volume_id, size_bytes=move.size_bytes)
            made[move.volume_id] = (await disks.create(move.pool, blank, key=key)).path
        return made

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        _, host = await self._host()
        shares = cpu_shares(cpu_count, cpu_mhz) if host.weighs_cpu else 0
        await growth.grow(self.client, guest_id, cpu_count, memory_mib, shares=shares)

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        await self._kept.keep(guest_id, snapshot_id, disks, with_memory=with_memory)

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        await self._kept.revert(guest_id, snapshot_id, disks, with_memory=with_memory)

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        await self._kept.forget(guest_id, snapshot_id, disks)

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        if disk.is_cdrom:
            await hotplug.insert_disc(self.client, guest_id, disk.path)
            return
        _, host = await self._host()
        await hotplug.attach(
            self.client, guest_id, disk.volume_id, self._kind.words.disk_xml(disk, host)
        )

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        await hotplug.limit(self.client, guest_id, volume_id, limits)

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        if not await hotplug.eject_disc(self.client, guest_id, volume_id):
            await self._detach(guest_id, volume_id)

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        _, host = await self._host()
        await segments.ensure(self._line.shell, (nic,), host)
        await hotplug.attach(self.client, guest_id, nic.nic_id, self._kind.words.nic_xml(nic, host))

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        await self._detach(guest_id, nic_id)

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        return await guests.find(self.client, guest_id)

    async def list_guests(self) -> list[GuestStatus]:
        return await guests.list_all(self.client)

    async def survey_strangers(self) -> list[Stranger]:
        return await adoption.survey(self.client, self._line.shell)

    async def adopt_guest(self, stranger: str, adoption_: Adoption, *, key: UUID) -> None:
        await adoption.adopt(self.client, self._line.shell, stranger, adoption_, key=key)

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await adoption.disown(self.client, guest_id)

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._disks.adopt(pool, path, volume_id)

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._disks.disown(pool, volume_id)

    async def console(self, guest_id: UUID) -> Console:
        """The screen of a host behind SSH is brought to a port here; its serial stays there."""

        def look(connection: Connection) -> Domain:
            return Domain.read(guests.running(connection, guest_id, verb="console").XMLDesc(0))

        domain = await self.client.read(look, doing=f"find the console of guest {guest_id}")
        host, port = domain.vnc
        if port and host in ("127.0.0.1", "::1"):
            host, port = await self._line.shell.forward_port(port)
        return Console(
            vnc_host=host,
            vnc_port=port,
            serial_log=domain.serial_log,
            serial_device=domain.serial_device,
        )

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        return await hooks.run(self._line.shell, hook, base=self._line.settings.hook_dir, key=key)

    async def run_router(self, spec: RouterSpec, *, key: UUID) -> None:
        _, host = await self._host()
        await routers.run(self._line.shell, spec, host, folder=self._line.settings.router_dir)

    async def tell_leases(
        self, router_id: UUID, change: LeaseChange, *, key: UUID
    ) -> dict[UUID, str] | None:
        folder = self._line.settings.router_dir
        return await routers.tell_leases(self._line.shell, router_id, change, folder=folder)

    async def remove_router(self, router_id: UUID, *, key: UUID) -> None:
        await routers.remove(self._line.shell, router_id, folder=self._line.settings.router_dir)

    async def list_routers(self) -> list[RouterStatus]:
        return await routers.listed(self._line.shell, folder=self._line.settings.router_dir)

    async def host_stats(self) -> HostStats:
        return await self._statistics.host()

    async def guest_stats(self) -> list[GuestStats]:
        return await self._statistics.guests()

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        opened = await self._disks.open_pool(pool)
        if is_shared(pool):
            self._shared.add(pool_folder(pool))
        return opened

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.create(pool, disk, key=key)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        return await self._disks.keep(pool, image, key=key)

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return await self._disks.images(pool)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        """A disc that a guest here has in its drive is no disk's base, and is used all the same."""
        path = image_path(pool, image_id, DISC)
        read = await self.client.read(
            lambda connection: bool(hotplug.users(connection, path)), doing=f"look who reads {path}"
        )
        return not read and await self._disks.drop(pool, image_id)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return await self._disks.resize(
            pool,
            volume_id,
            size_bytes=size_bytes,
            live=lambda path, size: hotplug.grow(self.client, volume_id, path, size),
        )

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await live.give_up(self.client, "", self._disks.path(pool, volume_id), about=volume_id)
        await self._unused(pool, volume_id)
        await self._disks.remove(pool, volume_id)

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        return await self._disks.find(pool, volume_id)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self._disks.list_all(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await self._disks.facts(pool)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        """QEMU copies what a guest uses; what none uses is copied by `qemu-img`."""
        if (there := await self._copies.find(pool, snapshot_id)) is not None:
            return there
        path, limit_s = self._disks.path(pool, volume_id), self._line.settings.image_s
        written = f"{pool_folder(pool)}/.incoming/{snapshot_id}.{key}.live"
        await self._line.shell.run("rm", "-f", "--", written)
        if await live.backup(self.client, snapshot_id, path, written, limit_s=limit_s):
            await self._copies.finish(pool, snapshot_id, written)
        else:
            await self._copies.keep(pool, volume_id, snapshot_id)
        if (made := await self._copies.find(pool, snapshot_id)) is None:
            raise Unavailable(f"snapshot {snapshot_id} is not in pool {pool.url} after its making")
        return made

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        await self._copies.forget(pool, snapshot_id)

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        return await self._copies.find(pool, snapshot_id)

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._copies.list_all(pool)

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        await self._unused(pool, volume_id)
        return await self._copies.revert(pool, volume_id, snapshot_id)

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        await self._source_unused(source)
        if not source.is_snapshot and source.disk_id == disk.volume_id:
            await self._firmware.along(pool_folder(source.pool), pool_folder(pool), disk.volume_id)
        return await self._copies.copy(source, pool, disk)

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        """The file that the copy is written to is marked, so that it is taken for no disk."""
        target = self._disks.path(pool, volume_id)
        path, going = await self._place(guest_id, volume_id)
        if path != target:
            if going != target:
                await self._disks.expect(pool, volume_id)
            try:
                await live.mirror(
                    self.client,
                    guest_id,
                    volume_id,
                    path,
                    target,
                    limit_s=self._line.settings.image_s,
                    is_there=lambda: self._disks.is_expected(pool, volume_id),
                )
            except (DriverError, asyncio.CancelledError):
                await self._abandon(guest_id, volume_id, pool)
                raise
            await self._follow(guest_id, path, target, volume_id)
        return await self._disks.arrived(pool, volume_id)

    async def _follow(self, guest_id: UUID, path: str, target: str, volume_id: UUID) -> None:
        """What its firmware keeps goes where the root disk is now.

        The firmware of a guest that runs goes on writing to the old file until its next start.
        """
        await self._firmware.along(path.rpartition("/")[0], target.rpartition("/")[0], volume_id)
        if await self._firmware.note(guest_id) == kept_beside(path, "tpm"):
            await self._firmware.follow(guest_id, kept_beside(target, "tpm"))

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        await self._source_unused(source)
        return await self._copies.export(source, path, key=key)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._copies.bring(pool, disk, key=key)

    async def close(self) -> None:
        self._forget(self)
        await self._line.close()

    async def _detach(self, guest_id: UUID, thing: UUID) -> None:
        patience_s = self._line.settings.unplug_s
        await hotplug.detach(self.client, guest_id, thing, patience_s=patience_s)

    async def _abandon(self, guest_id: UUID, volume_id: UUID, pool: PoolSpec) -> None:
        """After a failed move: what was half copied goes, unless the guest has or writes it."""
        with suppress(DriverError):
            if self._disks.path(pool, volume_id) not in await self._place(guest_id, volume_id):
                await self._disks.abandon(pool, volume_id)

    async def _place(self, guest_id: UUID, volume_id: UUID) -> tuple[str, str]:
        """Where the guest has the disk, and where that is being copied to.

        Told once no earlier call about the disk is under way: its answer would be old at once.
        """
        return await self.client.change(
            lambda connection: live.path_of(connection, guest_id, volume_id),
            about=volume_id,
            doing=f"look where guest {guest_id} has disk {volume_id}",
        )

    async def _source_unused(self, source: DiskPlace) -> None:
        if not source.is_snapshot:
            await self._unused(source.pool, source.disk_id)

    async def _unused(self, pool: PoolSpec, volume_id: UUID) -> None:
        path = self._disks.path(pool, volume_id)
        used_by = await self.client.read(
            lambda connection: [one.name() for one in hotplug.users(connection, path)],
            doing=f"look who uses {path}",
        )
        if used_by:
            raise Refused(f"disk {volume_id} is in use by {', '.join(used_by)}: stop it first")

    async def _host(self) -> tuple[HostFacts, HostProfile]:
        if self._known is None:
            await self.inspect()
        if self._known is None:
            raise DriverError("unreachable: inspect always learns")
        return self._known
