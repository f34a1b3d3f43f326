"""One connected Hyper-V host: the contract's verbs, each handed to the file that knows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
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
from drivers.contract.errors import Refused
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
from drivers.hyperv import adoption
from drivers.hyperv.client import Client
from drivers.hyperv.copies import Copies
from drivers.hyperv.disks import Disks
from drivers.hyperv.facts import Facts
from drivers.hyperv.files import Files
from drivers.hyperv.guests import WAIT_S, Guests
from drivers.hyperv.kept import Kept
from drivers.hyperv.migrate import Moves
from drivers.hyperv.observe import SURVEY, Observer
from drivers.hyperv.plugs import Plugs

VMCONNECT_PORT = 2179
NO_HOOKS = "WinRM ends what it started with its connection, and so no script outlasts it here"


class Limits(Protocol):
    @property
    def verb_s(self) -> float: ...
    @property
    def image_s(self) -> float: ...
    @property
    def move_s(self) -> float: ...


class HypervSession:
    """A host's lines, and what was learned of it over them."""

    def __init__(
        self,
        client: Client,
        limits: Limits,
        *,
        connect: Callable[[HostAddress], Awaitable[HypervSession]],
        forget: Callable[[HypervSession], None],
    ) -> None:
        self.client, self._connect, self._forget = client, connect, forget
        self.observer, self.files = Observer(client), Files(client)
        self.disks = Disks(client, self.files, image_s=limits.image_s)
        self._facts = Facts(client, SURVEY)
        self._guests = Guests(
            client,
            self.files,
            self.observer,
            self._facts,
            verb_s=limits.verb_s,
            merge_s=limits.image_s,
        )
        self._plugs = Plugs(client, self.observer, self._guests)
        shared = (client, self.files, self.disks, self.observer)
        self._copies = Copies(*shared, copy_s=limits.image_s)
        self._kept = Kept(*shared, self._copies, self._guests, copy_s=limits.image_s)
        self._moves = Moves(*shared, move_s=limits.move_s)

    async def node_name(self) -> str:
        """What the host calls itself, by which others reach it."""
        return (await self._facts.inspect()).name

    async def inspect(self) -> HostFacts:
        return await self._facts.inspect(anew=True)

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        return await self._guests.start(spec, key=key)

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        await self._guests.stop(guest_id, grace_s=grace_s)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        await self._guests.reboot(guest_id, force=force)

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
        side = await self._connect(target)
        try:
            await self._moves.migrate(guest_id, side, moves)
        finally:
            await side.close()

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
        await self._kept.revert(guest_id, snapshot_id, disks, with_memory=with_memory, key=key)

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        await self._kept.forget(guest_id, snapshot_id, disks)

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
        guest = await self.observer.find(guest_id)
        return None if guest is None else guest.status()

    async def list_guests(self) -> list[GuestStatus]:
        return [guest.status() for guest in await self.observer.all()]

    async def survey_strangers(self) -> list[Stranger]:
        return await adoption.survey(self.observer, self.disks)

    async def adopt_guest(self, stranger: str, adoption_: Adoption, *, key: UUID) -> None:
        await adoption.adopt(self.client, self.observer, stranger, adoption_, key=key)

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await adoption.disown(self.client, self.observer, guest_id)

    async def console(self, guest_id: UUID) -> Console:
        """Where VMConnect goes: RDP, whose first blob names the machine. It is no VNC."""
        guest = await self.observer.running(guest_id, verb="console", limit_s=WAIT_S)
        host = self.client.route.host
        return Console(url=f"rdp://{host}:{VMCONNECT_PORT}?vmid={guest.vm_id}", protocol="rdp")

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        raise Refused(NO_HOOKS)

    async def host_stats(self) -> HostStats:
        return await self._facts.host_stats()

    async def guest_stats(self) -> list[GuestStats]:
        return await self._facts.guest_stats()

    async def close(self) -> None:
        self._forget(self)
        await self.client.close()

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return await self.disks.open_pool(pool)

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self.disks.create(pool, disk)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return await self.disks.grow(pool, volume_id, size_bytes)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self.disks.remove(pool, volume_id)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        return await self.disks.keep_image(pool, image)

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return await self.disks.list_images(pool)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        return await self.disks.drop_image(pool, image_id)

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        return await self.disks.find(pool, volume_id)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self.disks.listed(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await self.disks.facts(pool)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        return await self._copies.snapshot(pool, volume_id, snapshot_id)

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        await self._copies.remove(pool, snapshot_id)

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        return await self._copies.find(pool, snapshot_id)

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._copies.listed(pool)

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
        return await self._moves.move_disk(guest_id, volume_id, pool, self)

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        return await self._copies.export(source, path)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._copies.import_disk(pool, disk)

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self.disks.adopt(pool, path, volume_id)

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self.disks.disown(pool, volume_id)
