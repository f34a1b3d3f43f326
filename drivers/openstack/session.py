"""One compute host of a region, connected: the contract's verbs, each handed to its file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit
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
from drivers.openstack import address, hosts
from drivers.openstack.address import Region
from drivers.openstack.adoption import Strangers, names_of
from drivers.openstack.cloud import Cloud
from drivers.openstack.errors import Invalid
from drivers.openstack.guests import Guests
from drivers.openstack.kind import CANNOT
from drivers.openstack.plugs import Plugs
from drivers.openstack.translate import guest_status, volumes_of

# What a region may offer of a server, the best first, and how to speak at the address.
CONSOLES = (
    ("vnc", "novnc", "html"),
    ("spice", "spice-html5", "html"),
    ("serial", "serial", "serial"),
)


class OpenStackSession:
    """A host is where its servers are; all else is the region's, and shared with its others."""

    def __init__(
        self,
        region: Region,
        cloud: Cloud,
        version: str,
        *,
        forget: Callable[[OpenStackSession], Awaitable[None]],
    ) -> None:
        self._region, self._cloud, self._version = region, cloud, version
        self._forget = forget
        self._guests = Guests(cloud, region.host)
        self._plugs = Plugs(cloud, self._guests)
        self._strangers = Strangers(cloud, self._guests)
        self._facts: HostFacts | None = None

    async def inspect(self) -> HostFacts:
        self._facts = await hosts.facts(self._cloud.client, self._region.host, self._version)
        return self._facts

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        known = self._facts or await self.inspect()
        memory_bytes = spec.memory_mib * hosts.MIB
        if spec.cpu_count > known.cpu_count or memory_bytes > known.memory_bytes:
            raise Refused(
                f"guest {spec.guest_id} wants {spec.cpu_count} cores and {spec.memory_mib} MiB; "
                f"{known.name} has {known.cpu_count} and {known.memory_bytes // hosts.MIB} in all"
            )
        return await self._guests.start(spec, key=key, network=self._region.network)

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
        there = address.read(target)
        if moves:
            raise Refused(CANNOT["storage_migration"])
        if (there.keystone, there.name) != (self._region.keystone, self._region.name):
            raise Refused(f"guest {guest_id} cannot leave its region for {there.name}")
        if not there.host or not self._region.host:
            raise Refused("only between compute hosts does a guest move: a region is one host here")
        await self._guests.migrate(guest_id, there.host)

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        raise Refused(CANNOT["grow_guest"])

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        raise Refused(CANNOT["snapshot_guest"])

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        raise Refused(CANNOT["revert_guest"])

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        raise Refused(CANNOT["forget_snapshot"])

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        await self._plugs.attach_disk(guest_id, disk)

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        raise Refused(CANNOT["limit_disk"])

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        await self._plugs.detach_disk(guest_id, volume_id)

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        await self._plugs.attach_nic(guest_id, nic, self._region.network)

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        await self._plugs.detach_nic(guest_id, nic_id)

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        return await self._guests.find(guest_id)

    async def list_guests(self) -> list[GuestStatus]:
        """Two listings, however many guests there are."""
        rows = await self._guests.listing()
        called = names_of(rows)
        volumes = await self._cloud.volumes.some({v for row in rows for v in volumes_of(row)})
        return [guest_status(row, volumes, called[row["id"]]) for row in rows]

    async def survey_strangers(self) -> list[Stranger]:
        return await self._strangers.survey()

    async def adopt_guest(self, stranger: str, adoption: Adoption, *, key: UUID) -> None:
        await self._strangers.adopt(stranger, adoption, key=key)

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await self._strangers.disown(guest_id)

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._cloud.disks.adopt(pool, path, volume_id, key=key)

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._cloud.disks.disown(pool, volume_id)

    async def console(self, guest_id: UUID) -> Console:
        """A page, or a serial line, at Nova's proxy; its token is good for ten minutes or so.

        Nova says only by a refusal which kinds a region has.
        """
        doing, why = f"open the console of guest {guest_id}", ""
        row = await self._guests.running(guest_id, doing)
        path = f"/servers/{row['id']}/remote-consoles"
        for protocol, kind, how in CONSOLES:
            asked = {"remote_console": {"protocol": protocol, "type": kind}}
            try:
                said = await self._cloud.client.post("compute", path, doing, asked)
            except Invalid as unavailable:
                why = why or str(unavailable)
                continue
            url: str = said["remote_console"]["url"]
            return Console(url=url, protocol=how, token=_token(url))
        raise Refused(
            f"{why}: the region offers none of {', '.join(one for _, one, _ in CONSOLES)}"
        )

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        raise Refused(CANNOT["run_hook"])

    async def host_stats(self) -> HostStats:
        return await hosts.stats(self._cloud.client, self._region.host)

    async def guest_stats(self) -> list[GuestStats]:
        return await hosts.guest_stats(self._cloud, await self._guests.listing())

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return await self._cloud.disks.open_pool(pool)

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._cloud.disks.create(pool, disk, key=key)

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        return await self._cloud.disks.keep_image(pool, image)

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        return await self._cloud.disks.images(pool)

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        return await self._cloud.disks.drop_image(pool, image_id)

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        return await self._cloud.disks.resize(pool, volume_id, size_bytes=size_bytes)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._cloud.disks.remove(pool, volume_id)

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        return await self._cloud.disks.find(pool, volume_id)

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self._cloud.disks.listing(pool)

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return await self._cloud.disks.facts(pool)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        return await self._cloud.copies.keep(pool, volume_id, snapshot_id, key=key)

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        await self._cloud.copies.forget(pool, snapshot_id)

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        return await self._cloud.copies.find(pool, snapshot_id)

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._cloud.copies.listing(pool)

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        return await self._cloud.copies.revert(pool, volume_id, snapshot_id)

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        return await self._cloud.copies.copy(source, pool, disk, key=key)

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        doing = f"move disk {volume_id} to pool {pool.url}"
        row = await self._plugs.volume_of(guest_id, volume_id, doing)
        return await self._cloud.copies.move(volume_id, row, pool)

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        return await self._cloud.copies.export(source, path, key=key)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        return await self._cloud.disks.bring(pool, disk, key=key)

    async def close(self) -> None:
        await self._forget(self)


def _token(url: str) -> str:
    """What opens the address: a parameter of it, or for noVNC of the path that it names."""
    given = parse_qs(urlsplit(url).query)
    inner = given.get("path", [""])[0]
    found = given.get("token") or parse_qs(urlsplit(inner).query or inner).get("token")
    return found[0] if found else ""
