"""Snapshots and other copies: raw files of their own, in the repository of what they are made of.

A guest that uses its disk is paused for as long as its host copies it: the agents have no way to
keep a disk that is written to. A pause that a dead controller left behind ends when the snapshot is
asked for again, or undone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

from drivers.contract.compute import Power
from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    PoolSpec,
    SnapshotStatus,
)
from drivers.kit import images
from drivers.oraclevm import files
from drivers.oraclevm.dialect import Dialect, Seen
from drivers.oraclevm.disks import RAW, Disks
from drivers.oraclevm.repo import OURS, Repo, split

SNAPSHOTS = f"{OURS}/snapshots"
LIVE = "live-"
RESUME_S = 20.0


class Copies:
    """The copies that one host makes."""

    def __init__(self, dialect: Dialect, disks: Disks) -> None:
        self._dialect, self._disks = dialect, disks

    async def keep(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> SnapshotStatus:
        if (there := await self.find(pool, snapshot_id)) is not None:
            return there
        repo, disk = await self._disks.repo(pool), await self._disks.must_find(pool, volume_id)
        users, within = await self._dialect.using(disk.path), split(disk.path)[1]
        if users and not self._dialect.copies_on_host:
            raise Refused(
                f"disk {volume_id} is in use by {users[0].name}, and an agent of Oracle VM 2.x "
                "neither pauses a guest nor copies what it uses: stop it first"
            )
        note = f"{LIVE}{volume_id}." if users else ""
        final = repo.snapshot(snapshot_id)
        async with files.incoming(repo, snapshot_id, final, note=note) as made:
            if users:
                await files.lay_out(repo, made, 0)
            await self._while_still(users, repo, within, made)
        found = await self.find(pool, snapshot_id)
        if found is None:
            raise Unavailable(f"snapshot {snapshot_id} is not in pool {pool.url} after its making")
        return found

    async def _while_still(self, users: list[Seen], repo: Repo, within: str, made: str) -> None:
        try:
            for one in users:
                await self._dialect.pause(one)
            await self._disks.copy(repo, within, repo, made)
        finally:
            await self._resume(users)

    async def _resume(self, guests: list[Seen]) -> None:
        """Every one of them, whatever happened; the last error is told."""
        failed: DriverError | None = None
        for one in guests:
            try:
                async with asyncio.timeout(RESUME_S):
                    await self._dialect.unpause(one)
            except DriverError as error:
                failed = error
            except TimeoutError:
                failed = Unavailable(f"guest {one.name} is paused still: its agent does not answer")
        if failed is not None:
            raise failed

    async def forget(self, pool: PoolSpec, snapshot_id: UUID) -> None:
        repo = await self._disks.repo(pool)
        for note in await files.drop_incoming(repo, snapshot_id):
            if note.startswith(LIVE):
                await self._wake(pool, UUID(note.removeprefix(LIVE).partition(".")[0]))
        await files.remove(repo, repo.snapshot(snapshot_id))

    async def _wake(self, pool: PoolSpec, volume_id: UUID) -> None:
        disk = await self._disks.find(pool, volume_id)
        if disk is not None:
            users = await self._dialect.using(disk.path)
            await self._resume([one for one in users if one.power is Power.PAUSED])

    async def find(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        repo = await self._disks.repo(pool)
        return await _status(repo, f"{snapshot_id}.img")

    async def list_all(self, pool: PoolSpec) -> list[SnapshotStatus]:
        repo = await self._disks.repo(pool)
        found = [await _status(repo, name) for name in await files.names(repo, SNAPSHOTS, ".img")]
        return [one for one in found if one is not None]

    async def revert(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> DiskStatus:
        repo, disk = await self._disks.repo(pool), await self._disks.must_find(pool, volume_id)
        await self._disks.require_unused(disk.path)
        if await self.find(pool, snapshot_id) is None:
            raise Refused(f"there is no snapshot {snapshot_id} in pool {pool.url}")
        within, kept = split(disk.path)[1], repo.snapshot(snapshot_id)
        async with files.incoming(repo, volume_id, within, over=True) as made:
            await self._disks.copy(repo, kept, repo, made)
            await files.lay_out(repo, made, disk.size_bytes)
        return await self._disks.must_find(pool, volume_id)

    async def copy(self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        if (there := await self._disks.find(pool, disk.volume_id)) is not None:
            return there
        origin, within = await self._source(source)
        repo = await self._disks.repo(pool)
        final = self._dialect.layout.disk(repo.id, disk.volume_id)
        async with files.incoming(repo, disk.volume_id, final) as made:
            await self._disks.copy(origin, within, repo, made)
            await files.lay_out(repo, made, disk.size_bytes)
        return await self._disks.must_find(pool, disk.volume_id)

    async def export(self, source: DiskPlace, path: str) -> ImageFacts:
        origin, within = await self._source(source)
        made = await images.convert(str(origin.file(within)), RAW, path, "qcow2")
        return ImageFacts(
            image_format=made.image_format,
            virtual_bytes=made.virtual_bytes,
            file_bytes=made.file_bytes,
        )

    async def _source(self, source: DiskPlace) -> tuple[Repo, str]:
        """Where it lies. Refused: it is not there, or a guest of this host uses it."""
        repo = await self._disks.repo(source.pool)
        if source.is_snapshot:
            if await self.find(source.pool, source.disk_id) is None:
                raise Refused(f"there is no snapshot {source.disk_id} in pool {source.pool.url}")
            return repo, repo.snapshot(source.disk_id)
        disk = await self._disks.must_find(source.pool, source.disk_id)
        await self._disks.require_unused(disk.path)
        return repo, split(disk.path)[1]


async def _status(repo: Repo, name: str) -> SnapshotStatus | None:
    found = await files.size(repo, f"{SNAPSHOTS}/{name}")
    if found is None:
        return None
    snapshot_id = None
    with suppress(ValueError):
        snapshot_id = UUID(name.removesuffix(".img"))
    return SnapshotStatus(
        snapshot_id=snapshot_id,
        path=repo.path(f"{SNAPSHOTS}/{name}"),
        size_bytes=found[0],
        used_bytes=found[1],
        image_format=RAW,
    )
