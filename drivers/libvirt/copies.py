"""Copies of disks: snapshots, disks made from them, disks in other pools, images in and out.

A copy stands alone: `qemu-img convert` leaves no backing file behind. It is written under
`.incoming/`, flushed, and only then gets its name. QEMU's own lock on an image tells of a guest
on another host that writes into it: such a disk is never copied under its feet.
"""

from __future__ import annotations

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
from drivers.libvirt.disks import (
    FORMATS,
    IN_USE,
    Disks,
    pool_folder,
    whole_sectors,
)
from drivers.libvirt.shell import Output, Shell

# Folder, stem of the scratch file, source, its format, size to grow to or "", final path, and
# whether it may replace what is there.
COPY = """
new=$(mktemp "$1/.incoming/$2.XXXXXX") || exit 1
qemu-img convert -f "$4" -O FORM -- "$3" "$new" || { rm -f -- "$new"; exit 1; }
if [ -n "$5" ]; then
  qemu-img resize -q -f FORM -- "$new" "$5" || { rm -f -- "$new"; exit 1; }
fi
sync -- "$new"
"""
NAMED = 'mkdir -p -- "${6%/*}" && mv -nT -- "$new" "$6" && rm -f -- "$new" && sync -- "${6%/*}"'
REPLACED = """
said=$(qemu-img info -- "$6" 2>&1 >/dev/null) ||
  case "$said" in *lock*) rm -f -- "$new"; echo "$said" >&2; exit 4; esac
mv -T -- "$new" "$6" && sync -- "${6%/*}"
"""
FINISH = """
mkdir -p -- "$1/snapshots" && sync -- "$2" && mv -nT -- "$2" "$1/snapshots/$3.FORM" &&
rm -f -- "$2" && sync -- "$1/snapshots"
"""
FORGET = 'rm -f -- "$1/snapshots/$2.FORM" "$1/.incoming/$2".* && sync -- "$1"'


class Copies:
    """What one host copies between files of its pools, while no guest writes into them."""

    def __init__(self, disks: Disks, shell: Shell, *, copy_s: float) -> None:
        self._disks, self._shell, self._copy_s = disks, shell, copy_s

    async def find(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        found = await self._list(pool, f"{snapshot_id}.{self._disks.form}")
        return found[0] if found else None

    async def list_all(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._list(pool)

    async def keep(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> None:
        """A snapshot of a disk that no guest uses."""
        source = DiskPlace(pool=pool, disk_id=volume_id)
        final = f"{pool_folder(pool)}/snapshots/{snapshot_id}.{self._disks.form}"
        await self._copy(source, pool, snapshot_id, final, doing=f"snapshot disk {volume_id}")

    async def finish(self, pool: PoolSpec, snapshot_id: UUID, written: str) -> None:
        """Give what a running guest has written its name."""
        done = await self._sh(FINISH, pool_folder(pool), written, str(snapshot_id))
        if done.code:
            raise await self._disks.failed(done, pool, f"keep snapshot {snapshot_id}")

    async def forget(self, pool: PoolSpec, snapshot_id: UUID) -> None:
        done = await self._sh(FORGET, pool_folder(pool), str(snapshot_id))
        if done.code:
            raise await self._disks.failed(done, pool, f"remove snapshot {snapshot_id}")

    async def revert(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> DiskStatus:
        source = DiskPlace(pool=pool, disk_id=snapshot_id, is_snapshot=True)
        doing = f"revert disk {volume_id}"
        there = await self._disks.find(pool, volume_id)
        if there is None:
            raise Refused(f"{doing}: it is not in pool {pool.url}")
        await self._copy(
            source, pool, volume_id, there.path,
            size_bytes=there.size_bytes, over=True, doing=doing,
        )  # fmt: skip
        return await self._disks.find(pool, volume_id) or there

    async def copy(self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        if (there := await self._disks.find(pool, disk.volume_id)) is not None:
            return there
        doing = f"copy {source.disk_id} to disk {disk.volume_id}"
        final = self._disks.path(pool, disk.volume_id)
        await self._copy(
            source, pool, disk.volume_id, final,
            size_bytes=whole_sectors(disk.size_bytes), doing=doing,
        )  # fmt: skip
        return await self._made(pool, disk.volume_id)

    async def bring(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        """A disk of its own from an image of the controller's."""
        if (there := await self._disks.find(pool, disk.volume_id)) is not None:
            return there
        image, folder = disk.image, pool_folder(pool)
        if image is None:
            raise Refused(f"disk {disk.volume_id}: say which image it is made of")
        if image.image_format not in FORMATS:
            raise Refused(f"image {image.image_id}: {image.image_format!r} is not {FORMATS}")
        scratch = f"{folder}/.incoming/{disk.volume_id}.{key}.source"
        try:
            source = await self._shell.reach(image.path, scratch, timeout_s=self._copy_s)
            virtual_bytes = await self._disks.check_image(image, source)
            size_bytes = whole_sectors(disk.size_bytes)
            grown = str(size_bytes) if size_bytes > virtual_bytes else ""
            words = (source, image.image_format, grown, self._disks.path(pool, disk.volume_id))
            done = await self._sh(COPY + NAMED, folder, str(disk.volume_id), *words)
            if done.code:
                raise await self._disks.failed(done, pool, f"import disk {disk.volume_id}")
        finally:
            await self._shell.run("rm", "-f", "--", scratch)
        return await self._made(pool, disk.volume_id)

    async def export(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        folder, doing = pool_folder(source.pool), f"export {source.disk_id}"
        there = await self._there(source, doing)
        scratch = f"{folder}/.incoming/{source.disk_id}.{key}.export"
        try:
            convert = ("qemu-img", "convert", "-f", there.image_format, "-O", "qcow2", "--")
            done = await self._shell.run(*convert, there.path, scratch, timeout_s=self._copy_s)
            if done.code:
                raise await self._disks.failed(done, source.pool, doing)
            size = await self._shell.run("stat", "-c", "%s", "--", scratch)
            await self._shell.fetch(scratch, path, timeout_s=self._copy_s)
        finally:
            await self._shell.run("rm", "-f", "--", scratch)
        return ImageFacts(
            image_format="qcow2",
            virtual_bytes=there.size_bytes,
            file_bytes=int(size.stdout or "0"),
        )

    async def _copy(
        self,
        source: DiskPlace,
        pool: PoolSpec,
        made: UUID,
        final: str,
        *,
        size_bytes: int = 0,
        over: bool = False,
        doing: str,
    ) -> None:
        there = await self._there(source, doing)
        grown = str(size_bytes) if size_bytes > there.size_bytes else ""
        script = COPY + (REPLACED if over else NAMED)
        words = (pool_folder(pool), str(made), there.path, there.image_format, grown, final)
        done = await self._sh(script, *words)
        if done.code == IN_USE:
            raise Refused(f"{doing}: a guest uses it: {done.complaint}")
        if done.code:
            raise await self._disks.failed(done, pool, doing)

    async def _there(self, source: DiskPlace, doing: str) -> DiskStatus | SnapshotStatus:
        """What is to be copied, if it is there."""
        there: DiskStatus | SnapshotStatus | None
        if source.is_snapshot:
            there = await self.find(source.pool, source.disk_id)
        else:
            there = await self._disks.find(source.pool, source.disk_id)
        if there is None:
            what = "snapshot" if source.is_snapshot else "disk"
            raise Refused(f"{doing}: {what} {source.disk_id} is not in pool {source.pool.url}")
        return there

    async def _made(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus:
        made = await self._disks.find(pool, volume_id)
        if made is None:
            raise Refused(f"disk {volume_id} is not in pool {pool.url} after its making")
        return made

    async def _list(self, pool: PoolSpec, *names: str) -> list[SnapshotStatus]:
        return [
            SnapshotStatus(
                snapshot_id=disk.volume_id,
                path=disk.path,
                size_bytes=disk.size_bytes,
                used_bytes=disk.used_bytes,
                image_format=disk.image_format,
            )
            for disk in await self._disks.listing(pool, *names, inside="snapshots")
        ]

    async def _sh(self, script: str, *words: str) -> Output:
        return await self._disks.sh(script, *words, timeout_s=self._copy_s)
