"""One connected host of a vCenter: the contract's verbs, each handed to the file that knows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
from drivers.vsphere import address as addresses
from drivers.vsphere.adoption import Strangers
from drivers.vsphere.disks import disk_path
from drivers.vsphere.guests import Guests
from drivers.vsphere.inventory import Esx
from drivers.vsphere.kept import Kept
from drivers.vsphere.line import Line
from drivers.vsphere.moves import Moves
from drivers.vsphere.plugs import Plugs
from drivers.vsphere.sdk import vim
from drivers.vsphere.stats import Statistics

NO_HOOKS = "vCenter runs no script on its hosts: keep them with Lifecycle Manager"


class VsphereSession:
    """A host, by the line to its vCenter that all its hosts share."""

    def __init__(
        self, line: Line, place: addresses.Place, esx: Esx, *, let_go: Callable[[], Awaitable[None]]
    ) -> None:
        self._line, self._esx, self._let_go = line, esx, let_go
        self.vcenter = line.vcenter
        self._guests = Guests(
            line.vcenter, line.tasks, line.inventory, line.disks, line.moments, line.firmware, esx
        )
        self._plugs, self._kept = Plugs(self._guests), Kept(self._guests)
        self._moves, self._strangers = Moves(self._guests, place), Strangers(self._guests)
        self._statistics = Statistics(line.vcenter, self._guests)
        self._disks, self._copies = line.disks, line.copies
        self._closed = False

    async def inspect(self) -> HostFacts:
        found = await self.vcenter.properties(
            vim.HostSystem,
            (
                "name", "hardware.systemInfo.uuid", "hardware.cpuInfo", "hardware.memorySize",
                "config.product.fullName", "runtime.connectionState", "runtime.inMaintenanceMode",
            ),
            start=self._esx.ref, doing=f"look at host {self._esx.name}",
        )  # fmt: skip
        if not found:
            raise Unavailable(f"host {self._esx.name} is in the vCenter no more")
        host = found[0]
        if str(host.get("runtime.connectionState")) != "connected":
            raise Unavailable(f"the vCenter has no connection to host {self._esx.name} now")
        cpu = host.get("hardware.cpuInfo")
        kept_free = ", in maintenance mode" if host.get("runtime.inMaintenanceMode") else ""
        return HostFacts(
            hardware_id=str(host.get("hardware.systemInfo.uuid")),
            name=str(host.get("name")),
            hypervisor_version=str(host.get("config.product.fullName", "VMware ESXi")),
            cpu_count=int(cpu.numCpuThreads),
            cpu_mhz=int(cpu.hz // 1_000_000),
            memory_bytes=int(host.get("hardware.memorySize")),
            accelerated=True,
            capabilities=("hvm", "snapshot"),
            detail=f"by vCenter {self.vcenter.place.server}{kept_free}",
        )

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        return await self._guests.start(spec, key=key)

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        await self._guests.stop(guest_id, grace_s=grace_s)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        await self._guests.reboot(guest_id, force=force, key=key)

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await self._guests.remove(guest_id)

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        await self._moves.migrate(guest_id, addresses.read(target.url), moves)

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        await self._guests.grow(
            guest_id, cpu_count=cpu_count, cpu_mhz=cpu_mhz, memory_mib=memory_mib
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
        await self._kept.keep(guest_id, snapshot_id, disks, with_memory=with_memory, key=key)

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
        await self._kept.forget(guest_id, snapshot_id)

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        await self._plugs.attach_disk(guest_id, disk)

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        await self._plugs.limit_disk(guest_id, volume_id, limits)

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        await self._plugs.detach_disk(guest_id, volume_id)

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        await self._plugs.attach_nic(guest_id, nic)

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        await self._plugs.detach_nic(guest_id, nic_id)

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        machine = await self._guests.find(guest_id)
        return machine.status() if machine is not None else None

    async def list_guests(self) -> list[GuestStatus]:
        return [one.status() for one in await self._guests.machines()]

    async def survey_strangers(self) -> list[Stranger]:
        return await self._strangers.survey()

    async def adopt_guest(self, stranger: str, adoption: Adoption, *, key: UUID) -> None:
        await self._strangers.adopt(stranger, adoption, key=key)

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await self._strangers.disown(guest_id)

    async def console(self, guest_id: UUID) -> Console:
        """A ticket of the host's: it opens the guest's screen once, for a short time."""
        machine = await self._guests.running(guest_id, verb="console")
        ticket = await self.vcenter.change(
            lambda: machine.ref.AcquireTicket("webmks"), doing=f"open the console of {guest_id}"
        )
        host = ticket.host or self.vcenter.place.host
        return Console(
            url=f"wss://{host}:{ticket.port or 443}/ticket/{ticket.ticket}",
            protocol="webmks",
            token=str(ticket.ticket),
        )

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        raise Refused(NO_HOOKS)

    async def host_stats(self) -> HostStats:
        return await self._statistics.host()

    async def guest_stats(self) -> list[GuestStats]:
        return await self._statistics.guests()

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        """Refused: this host does not mount the datastore."""
        facts = await self._disks.open_pool(pool)
        store = await self._line.inventory.store(pool)
        mounted = await self.vcenter.properties(
            vim.Datastore, ("name",), start=self._esx.ref,
            along=((vim.HostSystem, "datastore"),), doing=f"list datastores of {self._esx.name}",
        )  # fmt: skip
        if store.name not in {one.get("name") for one in mounted}:
            raise Refused(f"host {self._esx.name} does not mount datastore {store.name}")
        return facts

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.create(pool, disk, key=key)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        return await self._disks.keep(pool, image, key=key)

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return await self._disks.listed_images(pool)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        return await self._disks.drop(pool, image_id)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return await self._disks.resize(pool, volume_id, size_bytes=size_bytes)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        """A machine that only holds snapshots in the disk goes first, and they with it."""
        store = await self._disks.stores.at(pool)
        path = disk_path(store, volume_id)
        doing = f"remove disk {volume_id}"
        parked = await self._disks.unused(store, path, doing)
        if parked is not None:
            await self._kept.release(parked)
        async with self._line.tasks.turn(volume_id):
            await self._disks.remove_file(pool, volume_id)

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        return await self._disks.find(pool, volume_id)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self._disks.list_all(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await self._disks.stores.facts(pool)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        return await self._copies.keep(pool, volume_id, snapshot_id, key=key)

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        await self._copies.forget(pool, snapshot_id)

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        return await self._copies.find(pool, snapshot_id)

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._copies.list_all(pool)

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._copies.revert(pool, volume_id, snapshot_id, key=key)

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        return await self._copies.copy(source, pool, disk, key=key)

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        return await self._moves.move_disk(guest_id, volume_id, pool)

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        return await self._copies.export(source, path, key=key)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._disks.bring(pool, disk, key=key)

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._disks.adopt(pool, path, volume_id)

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._disks.disown(pool, volume_id)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._let_go()
