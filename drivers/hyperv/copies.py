"""Snapshots of disks, and what else makes a disk of another: every copy is a VHDX of its own.

The disk of a guest that runs is held still by a checkpoint: the guest writes to a differencing
disk meanwhile, and what lies beneath is copied. Then the checkpoint goes, and Hyper-V merges. A
checkpoint bears the snapshot's id, so that one that a crash left is found and taken away.
"""

from __future__ import annotations

import asyncio
import os
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    PoolSpec,
    SnapshotStatus,
)
from drivers.hyperv import errors, places
from drivers.hyperv.client import Client
from drivers.hyperv.disks import VHDX, Disks, as_sent
from drivers.hyperv.files import Files, listing, move
from drivers.hyperv.observe import Observer
from drivers.hyperv.places import place_of
from drivers.hyperv.translate import OFF, Guest, by_id
from drivers.hyperv.words import Statement, ask, cmd, do
from drivers.kit import images

CHECKPOINT = "sagastack "


class Copies:
    def __init__(
        self, client: Client, files: Files, disks: Disks, observer: Observer, *, copy_s: float
    ) -> None:
        self._client, self._files, self._disks = client, files, disks
        self._observer, self._copy_s = observer, copy_s

    async def snapshot(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> SnapshotStatus:
        doing = f"snapshot disk {volume_id}"
        kept = await self.find(pool, snapshot_id)
        disk = await self._disks.find(pool, volume_id)
        guest = await self._user(disk.path) if disk else None
        if kept is not None:
            if guest is not None:
                await self.let_go(guest, snapshot_id, doing)
            return kept
        if disk is None:
            raise Refused(f"{doing}: it is not in pool {pool.url}")
        if guest is None:
            return await self._keep(pool, disk.path, snapshot_id, doing)
        try:
            still = await self.hold(guest, disk.path, volume_id, snapshot_id, doing)
            return await self._keep(pool, still, snapshot_id, doing)
        finally:
            await self.let_go(guest, snapshot_id, doing)

    async def hold(
        self,
        guest: Guest,
        path: str,
        volume_id: UUID,
        snapshot_id: UUID,
        doing: str,
        *,
        kind: str = "",
    ) -> str:
        """Lay our checkpoint over the disk, unless a lost call has; gives what it holds still.

        `kind` is Hyper-V's: Standard with the guest's memory, Production without, where the guest
        brings its files into order first if it can. Empty is what the machine has.
        """
        vm, name = by_id(guest.vm_id), f"{CHECKPOINT}{snapshot_id}"
        await self._settled(guest)
        found = ask(vm, cmd("Get-VMCheckpoint", quiet=True, Name=name), properties=("Name",))
        if not (await self._client.ask(found, doing=doing))[0]:
            steps = [do(vm, cmd("Set-VM", CheckpointType=kind))] if kind else []
            steps.append(do(vm, cmd("Checkpoint-VM", SnapshotName=name)))
            await self._client.order(*steps, about=volume_id, doing=doing, timeout_s=self._copy_s)
        held = await self._settled(guest)
        seat = held.seat_at(path) if held is not None else None
        if seat is None:
            raise Unavailable(f"{doing}: its guest has just let it go: ask again")
        over = (await self._disks.look(seat.path)).get(seat.path.lower(), {})
        return str(over.get("ParentPath") or path)

    async def _keep(
        self, pool: PoolSpec, path: str, snapshot_id: UUID, doing: str
    ) -> SnapshotStatus:
        place = place_of(pool)
        new, final = place.incoming(snapshot_id), place.snapshot(snapshot_id)
        try:
            await self._made(_copy(path, new), move(new, final), about=snapshot_id, doing=doing)
        except errors.CommandFailed as failed:
            await self._files.gone(new, about=snapshot_id, doing=doing)
            if not await self._disks.is_there(final):
                raise errors.of_command(failed, doing=doing) from failed
        kept = await self.find(pool, snapshot_id)
        if kept is None:
            raise Unavailable(f"{doing}: what was kept is not there")
        return kept

    async def let_go(self, guest: Guest, snapshot_id: UUID, doing: str) -> None:
        """Take our checkpoint away, and wait until its disks are one again."""
        vm, name = by_id(guest.vm_id), f"{CHECKPOINT}{snapshot_id}"
        gone = do(vm, cmd("Get-VMCheckpoint", quiet=True, Name=name), cmd("Remove-VMCheckpoint"))
        await self._client.order(gone, about=snapshot_id, doing=doing, timeout_s=self._copy_s)
        await self._settled(guest)

    async def _settled(self, guest: Guest) -> Guest | None:
        """The guest once nothing of it is being merged or moved."""
        if guest.note is None:
            return guest
        return await self._observer.idle(guest.note.guest_id, limit_s=self._copy_s)

    async def _user(self, path: str) -> Guest | None:
        """The guest of this host that has the disk open."""
        for guest in await self._observer.all():
            if guest.state != OFF and guest.seat_at(path) is not None:
                return guest
        return None

    async def remove(self, pool: PoolSpec, snapshot_id: UUID) -> None:
        path = place_of(pool).snapshot(snapshot_id)
        await self._files.gone(path, about=snapshot_id, doing=f"remove snapshot {snapshot_id}")

    async def find(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        for one in await self.listed(pool, f"{snapshot_id}.vhdx"):
            return one
        return None

    async def listed(self, pool: PoolSpec, wanted: str = "*.vhdx") -> list[SnapshotStatus]:
        told = await self._client.ask(
            listing(place_of(pool).inside("snapshots"), wanted),
            doing=f"list snapshots of pool {pool.url}",
        )
        facts = await self._disks.look(*(one["FullName"] for one in told[0]))
        return [
            SnapshotStatus(
                snapshot_id=places.id_in(one["Name"]),
                path=one["FullName"],
                size_bytes=int(facts.get(one["FullName"].lower(), {}).get("Size", 0)),
                used_bytes=int(one["Length"]),
                image_format=VHDX,
            )
            for one in told[0]
        ]

    async def revert(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> DiskStatus:
        doing = f"revert disk {volume_id}"
        disk, kept = await self._disks.find(pool, volume_id), await self.find(pool, snapshot_id)
        if disk is None or kept is None:
            raise Refused(f"{doing}: it, or snapshot {snapshot_id}, is not in pool {pool.url}")
        if (guest := await self._user(disk.path)) is not None:
            raise Refused(f"{doing}: guest {guest.name} uses it: stop it first")
        larger = disk.size_bytes if disk.size_bytes > kept.size_bytes else 0
        await self.put_back(kept.path, disk.path, volume_id, doing, grown_to=larger)
        return await self._disks.status(disk.path, volume_id)

    async def put_back(
        self, kept: str, path: str, volume_id: UUID, doing: str, *, grown_to: int = 0
    ) -> None:
        """Let a disk that no guest uses be what is kept; it rests on no image from then on."""
        place = places.place_around(path)
        told = (await self._disks.look(path)).get(path.lower(), {})
        new = place.incoming(volume_id)
        steps = [_copy(kept, new)]
        if grown_to:
            steps.append(_grown(new, grown_to))
        steps.append(move(new, path, over=True))
        try:
            await self._made(*steps, about=volume_id, doing=doing)
        except errors.CommandFailed as failed:
            await self._files.gone(new, about=volume_id, doing=doing)
            if failed.hresult == errors.IN_USE:
                raise Refused(f"{doing}: a guest uses it: {failed.message}") from failed
            raise errors.of_command(failed, doing=doing) from failed
        await self._disks.no_longer_needed(place, told.get("ParentPath") or "", volume_id)

    async def lay(self, source: str, target: str, about: UUID, doing: str) -> None:
        """A copy of a disk that stands alone, under its name once it is whole."""
        new = places.place_around(source).incoming(about)
        try:
            await self._made(_copy(source, new), move(new, target), about=about, doing=doing)
        except errors.CommandFailed as failed:
            await self._files.gone(new, about=about, doing=doing)
            raise errors.of_command(failed, doing=doing) from failed

    async def copy(self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        if (there := await self._disks.find(pool, disk.volume_id)) is not None:
            return there
        doing = f"copy {source.disk_id} to disk {disk.volume_id}"
        found = await self._there(source, doing)
        new = place_of(pool).incoming(disk.volume_id)
        steps = [_copy(found.path, new)]
        if disk.size_bytes > found.size_bytes:
            steps.append(_grown(new, disk.size_bytes))
        return await self._disks.name(pool, disk.volume_id, new, *steps, doing=doing)

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        if (there := await self._disks.find(pool, disk.volume_id)) is not None:
            return there
        doing = f"import disk {disk.volume_id}"
        if disk.image is None:
            raise Refused(f"{doing}: there is no image to import")
        new, steps = place_of(pool).incoming(disk.volume_id), []
        async with as_sent(disk.image) as local:
            await self._files.send(local, new, about=disk.volume_id)
        if disk.size_bytes > disk.image.virtual_bytes:
            steps.append(_grown(new, disk.size_bytes))
        return await self._disks.name(pool, disk.volume_id, new, *steps, doing=doing)

    async def export(self, source: DiskPlace, path: str) -> ImageFacts:
        doing = f"export {source.disk_id}"
        found = await self._there(source, doing)
        new, local = place_of(source.pool).incoming(source.disk_id), f"{path}.vhdx"
        try:
            await self._made(_copy(found.path, new), about=source.disk_id, doing=doing)
            await self._files.fetch(new, local)
            made = await images.convert(local, VHDX, path, "qcow2")
        except errors.CommandFailed as failed:
            raise errors.of_command(failed, doing=doing) from failed
        finally:
            await asyncio.to_thread(_unlink, local)
            await self._files.gone(new, about=source.disk_id, doing=doing)
        return ImageFacts(
            image_format="qcow2", virtual_bytes=made.virtual_bytes, file_bytes=made.file_bytes
        )

    async def _there(self, source: DiskPlace, doing: str) -> DiskStatus | SnapshotStatus:
        found: DiskStatus | SnapshotStatus | None
        if source.is_snapshot:
            found = await self.find(source.pool, source.disk_id)
        else:
            found = await self._disks.find(source.pool, source.disk_id)
        if found is None:
            what = "snapshot" if source.is_snapshot else "disk"
            raise Refused(f"{doing}: there is no such {what} in pool {source.pool.url}")
        if not source.is_snapshot and (guest := await self._user(found.path)) is not None:
            raise Refused(f"{doing}: guest {guest.name} uses it")
        return found

    async def _made(self, *steps: Statement, about: UUID, doing: str) -> None:
        await self._client.raw(*steps, about=about, doing=doing, timeout_s=self._copy_s)


def _copy(source: str, new: str) -> Statement:
    return do(cmd("Convert-VHD", Path=source, DestinationPath=new, VHDType="Dynamic"))


def _grown(path: str, size_bytes: int) -> Statement:
    return do(cmd("Resize-VHD", Path=path, SizeBytes=-(-size_bytes // 4096) * 4096))


def _unlink(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)
