"""Snapshots of disks, disks made of others, and images out.

A VDI.snapshot shares blocks with its disk below, and neither needs the other: each may be destroyed
alone. A way back exchanges the disk for a clone of what was kept.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from uuid import UUID

from drivers.contract.errors import Refused
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    PoolSpec,
    SnapshotStatus,
)
from drivers.kit import images
from drivers.xapi import marks, transfer, vdis
from drivers.xapi.disks import FORMAT, Disks, status
from drivers.xapi.marks import Kind
from drivers.xapi.repositories import Repository
from drivers.xapi.vdis import Vdi


def snapshot_status(vdi: Vdi, repository: Repository) -> SnapshotStatus:
    return SnapshotStatus(
        snapshot_id=vdi.mark.id if vdi.mark is not None else None,
        path=vdis.path(vdi, repository.uuid),
        size_bytes=vdi.size_bytes,
        used_bytes=vdi.used_bytes,
        image_format=FORMAT,
    )


class Copies:
    """What one host copies between VDIs."""

    def __init__(self, disks: Disks) -> None:
        self._disks, self._line = disks, disks.line

    async def keep(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> SnapshotStatus:
        async with self._line.turn(Kind.SNAPSHOT, snapshot_id):
            if (there := await self.find(pool, snapshot_id)) is not None:
                return there
            repository, disk = await self._disks.need(pool, volume_id, "snapshot")
            await self._line.settle(disk.record, doing=f"snapshot disk {volume_id}")
            made: list[Vdi] = []

            async def claim(ref: str) -> None:
                of = str(volume_id)
                made.append(await vdis.claim(self._line, ref, Kind.SNAPSHOT, snapshot_id, of=of))

            note = f"snapshot {snapshot_id}"
            await self._line.run_once(note, "VDI.snapshot", disk.ref, {}, claim=claim)
            return snapshot_status(made[-1], repository)

    async def forget(self, pool: PoolSpec, snapshot_id: UUID) -> None:
        repository = await self._disks.repositories.get(pool)
        async with self._line.turn(Kind.SNAPSHOT, snapshot_id):
            vdi = await vdis.find(self._line, repository.ref, Kind.SNAPSHOT, snapshot_id)
            if vdi is not None:
                await self._line.settle(vdi.record, doing=f"remove snapshot {snapshot_id}")
                await vdis.destroy(self._line, vdi.ref)

    async def find(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        repository = await self._disks.repositories.get(pool)
        vdi = await vdis.find(self._line, repository.ref, Kind.SNAPSHOT, snapshot_id)
        return None if vdi is None else snapshot_status(vdi, repository)

    async def list_all(self, pool: PoolSpec) -> list[SnapshotStatus]:
        repository = await self._disks.repositories.get(pool)
        found = []
        for ref, record in (await vdis.everything(self._line, repository.ref)).items():
            mark = marks.read(record)
            is_ours = mark is not None and mark.kind is Kind.SNAPSHOT
            is_strange = record["is_a_snapshot"] and marks.meant(record) is None
            if is_ours or is_strange:
                found.append(snapshot_status(Vdi(ref, record, mark), repository))
        return found

    async def revert(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> DiskStatus:
        repository, disk = await self._disks.need(pool, volume_id, "revert")
        kept = await vdis.find(self._line, repository.ref, Kind.SNAPSHOT, snapshot_id)
        if kept is None:
            raise Refused(f"revert disk {volume_id}: there is no snapshot {snapshot_id}")
        async with self._line.turn(Kind.VOLUME, volume_id):
            made = await exchange(self._disks, disk, kept, volume_id)
        return status(made, repository)

    async def copy(self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        repository = await self._disks.repositories.get(pool)
        async with self._line.turn(Kind.VOLUME, disk.volume_id):
            there = await vdis.find(
                self._line, repository.ref, Kind.VOLUME, disk.volume_id, thorough=False
            )
            if there is not None:
                return status(there, repository)
            vdi = await self._source(source, f"copy {source.disk_id} to disk {disk.volume_id}")
            size_bytes = max(vdis.whole_grains(disk.size_bytes), vdi.size_bytes)
            ref = await self._disks.copied(
                repository, Kind.VOLUME, disk.volume_id, vdi.ref, size_bytes
            )
            made = await vdis.claim(self._line, ref, Kind.VOLUME, disk.volume_id)
        return status(made, repository)

    async def export(self, source: DiskPlace, path: str) -> ImageFacts:
        vdi = await self._source(source, f"export {source.disk_id}")
        folder = str(Path(path).parent)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".xapi-") as scratch:
            vhd = str(Path(scratch) / "disk.vhd")
            address = await self._disks.address()
            await transfer.download(self._line, address, vdi.ref, vhd)
            found = await images.convert(vhd, "vhd", path, "qcow2")
        size = (await asyncio.to_thread(Path(path).stat)).st_size
        return ImageFacts(image_format="qcow2", virtual_bytes=found.virtual_bytes, file_bytes=size)

    async def _source(self, source: DiskPlace, doing: str) -> Vdi:
        """What is to be copied, if it is there and no guest writes to it."""
        repository = await self._disks.repositories.get(source.pool)
        kind = Kind.SNAPSHOT if source.is_snapshot else Kind.VOLUME
        vdi = await vdis.find(self._line, repository.ref, kind, source.disk_id)
        if vdi is None:
            raise Refused(f"{doing}: {kind} {source.disk_id} is not in pool {source.pool.url}")
        await self._line.settle(vdi.record, doing=doing)
        if kind is Kind.VOLUME:
            await vdis.need_unused(self._line, vdi, f"{doing}: it")
        return vdi


async def exchange(disks: Disks, disk: Vdi, kept: Vdi, volume_id: UUID) -> Vdi:
    """Let a clone of what was kept be the disk from now on, as large as the disk was."""
    line = disks.line
    await vdis.need_unused(line, disk, f"disk {volume_id}")
    generation = (disk.mark.generation if disk.mark else 0) + 1
    made: list[Vdi] = []

    async def claim(ref: str) -> None:
        await disks.grow(ref, disk.size_bytes)
        base = disk.mark.base if disk.mark else ""
        made.append(
            await vdis.claim(line, ref, Kind.VOLUME, volume_id, base=base, generation=generation)
        )

    note = f"revert {volume_id} to {kept.record['uuid']} as {generation}"
    await line.run_once(note, "VDI.clone", kept.ref, {}, claim=claim)
    await vdis.destroy(line, disk.ref)
    return made[-1]
