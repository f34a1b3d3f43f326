"""Disks as files in a folder of the host: `<volume_id>.qcow2`, thin clones of images, or raw.

The folder is laid out so that nothing half-made can be taken for a disk:
`.incoming/` holds what is being written, `images/` each template's image once, `snapshots/` what
was kept of disks, and the folder itself finished disks only. A file is written under `.incoming/`,
flushed, and then renamed; one that a running guest moves to has a mark there until it is whole.
Names come from ids and never from users, so no name can lead out of the pool.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import unquote, urlsplit
from uuid import UUID

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolFacts, PoolSpec
from drivers.libvirt.shell import Output, Shell

FORMATS = ("qcow2", "raw")
DISC = "iso"
QCOW2_MAGIC = "514649fb"
SPARE_BYTES = 16 << 20
SECTOR_BYTES = 512

# What a crash left half-written is swept a day later, when nobody can be writing it any more.
OPEN = """
mkdir -p -- "$1/images" "$1/snapshots" "$1/.incoming" || exit 1
find "$1/.incoming" -type f -mmin +1440 -delete
"""
OPEN_MOUNTED = f'[ -d "$1" ] || {{ echo "no folder $1" >&2; exit 3; }}\n{OPEN}'
FACTS = 'stat -f -c "%S %b %a" -- "$1"'
LIST = """
[ -d "$1" ] || { echo "no folder $1" >&2; exit 3; }
cd -- "$1/$2" 2>/dev/null || exit 0
shift 2
[ $# -gt 0 ] || set -- *
newline="
"
for file in "$@"; do
  case "$file" in *"$newline"*) continue; esac
  [ -f "$file" ] && [ ! -L "$file" ] || continue
  [ ! -e ".incoming/${file%.FORM}.moving" ] || continue
  sizes=$(stat -c "%s %b" -- "./$file") || continue
  head=$(od -An -v -tx1 -N32 -- "./$file" | tr -d " \\n")
  echo "$sizes ${head:--} $file"
done
"""
CREATE = """
new=$(mktemp "$1/.incoming/$2.XXXXXX") || exit 1
if [ -n "$4" ]; then
  qemu-img create -q -f FORM -b "$4" -F FORM -- "$new" "$3"
else
  qemu-img create -q -f FORM -- "$new" "$3"
fi || { rm -f -- "$new"; exit 1; }
sync -- "$new" && mv -nT -- "$new" "$1/$2.FORM" && rm -f -- "$new" && sync -- "$1"
"""
# A raw file rests on no other: a clone is a copy, as sparse as its image.
COPY_RAW = """
new=$(mktemp "$1/.incoming/$2.XXXXXX") || exit 1
if [ -n "$4" ]; then
  cp --reflink=auto --sparse=always -- "$4" "$new"
fi && truncate -s "$3" -- "$new" || { rm -f -- "$new"; exit 1; }
sync -- "$new" && mv -nT -- "$new" "$1/$2.FORM" && rm -f -- "$new" && sync -- "$1"
"""
# A file system that is all of a raw file grows with it.
GROW = """
qemu-img resize -q -f FORM -- "$1" "$2" || exit 1
case "$(blkid -p -o value -s TYPE -- "$1" 2>/dev/null)" in
  ext[234])
    e2fsck -fp -- "$1" >/dev/null || [ $? -le 2 ] || exit 1
    resize2fs "$1" >/dev/null 2>&1 ;;
esac
"""
# Not a clone but a copy of its image, or blank: laid out as far as `$5` says.
LAY_OUT = """
new=$(mktemp "$1/.incoming/$2.XXXXXX") || exit 1
if [ -n "$4" ]; then
  qemu-img convert -f FORM -O FORM -o "preallocation=$5" -- "$4" "$new" &&
  qemu-img resize -q -f FORM "--preallocation=$5" -- "$new" "$3"
else
  qemu-img create -q -f FORM -o "preallocation=$5" -- "$new" "$3"
fi || { rm -f -- "$new"; exit 1; }
sync -- "$new" && mv -nT -- "$new" "$1/$2.FORM" && rm -f -- "$new" && sync -- "$1"
"""
CONVERT = """
new=$(mktemp "$1/.incoming/$2.XXXXXX") || exit 1
qemu-img convert -f "$3" -O FORM -- "$4" "$new" || { rm -f -- "$new"; exit 1; }
sync -- "$new" && mv -T -- "$new" "$1/images/$2.FORM" && sync -- "$1/images"
"""
KEEP = """
new=$(mktemp "$1/.incoming/$2.XXXXXX") || exit 1
cp --reflink=auto -- "$4" "$new" || { rm -f -- "$new"; exit 1; }
sync -- "$new" && mv -T -- "$new" "$1/images/$2.$3" && sync -- "$1/images"
"""
# The name of what a qcow2 file rests on is in its first cluster (docs/interop/qcow2.txt).
DROP = """
for file in "$1"/*.FORM "$1"/.incoming/*; do
  [ -f "$file" ] || continue
  head -c 65536 -- "$file" | grep -aqF -- "/images/$2." && exit 5
done
rm -f -- "$1/images/$2.FORM" "$1/images/$2.iso" && sync -- "$1/images"
"""
REMOVE = """
[ -d "$1" ] || { echo "no folder $1" >&2; exit 3; }
if [ -e "$1/$2.FORM" ]; then
  said=$(qemu-img info -- "$1/$2.FORM" 2>&1 >/dev/null) ||
    case "$said" in *lock*) echo "$said" >&2; exit 4; esac
fi
find "$1" -maxdepth 1 -type l -lname "$1/$2.FORM" -delete
rm -f -- "$1/$2.FORM" "$1/.incoming/$2".* "$1/.firmware/$2".* && sync -- "$1"
"""
# A file that a guest is about to be moved to: a rest of an earlier try goes, a whole disk stays.
EXPECT = """
mark="$1/.incoming/$2.moving"
if [ -e "$1/$2.FORM" ] && [ ! -e "$mark" ]; then exit 5; fi
mkdir -p -- "$1/.incoming" && : >"$mark" && sync -- "$1/.incoming" && rm -f -- "$1/$2.FORM"
"""
EXPECTED = '[ -e "$1/$2.FORM" ] && [ -e "$1/.incoming/$2.moving" ]'
ARRIVED = 'sync -- "$1/$2.FORM" "$1" && rm -f -- "$1/.incoming/$2.moving"'
ABANDON = """
mark="$1/.incoming/$2.moving"
[ ! -e "$mark" ] || { rm -f -- "$1/$2.FORM" && rm -f -- "$mark"; }
"""
# An image that is renamed leaves a link, by which a guest that runs from it finds it again.
RENAME = """
if [ -e "$3" ] && [ ! -L "$3" ]; then exit 0; fi
if [ ! -f "$2" ] || [ -L "$2" ]; then echo "there is no image $2" >&2; exit 1; fi
rm -f -- "$3" && mv -nT -- "$2" "$3" && ln -s -- "$3" "$2" && sync -- "$1"
"""
# What qemu-img calls the kinds of disks that are not thin.
PREALLOCATION = {"sparse": "metadata", "fat": "falloc"}
NO_FOLDER, IN_USE, IN_THE_WAY = 3, 4, 5


class Disks:
    """The disks that one host reaches through its shell."""

    def __init__(self, shell: Shell, *, where: str, image_s: float, form: str = "qcow2") -> None:
        self._shell = shell
        self.form = form
        self._where = where
        self._image_s = image_s
        self._images: dict[str, asyncio.Lock] = {}

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        """Make the folders. A mount point that is not there may be a mount that is not up."""
        folder = pool_folder(pool)
        done = await self.sh(OPEN_MOUNTED if is_shared(pool) else OPEN, folder)
        if done.code:
            text = f"pool {pool.url} on {self._where}: {done.complaint}"
            raise (Unavailable(text) if is_shared(pool) else Refused(text))
        return await self.facts(pool)

    async def facts(self, pool: PoolSpec) -> PoolFacts:
        done = await self.sh(FACTS, pool_folder(pool))
        if done.code:
            raise Unavailable(f"pool {pool.url} on {self._where}: {done.complaint}")
        unit, blocks, free = (int(word) for word in done.stdout.split())
        return PoolFacts(capacity_bytes=unit * blocks, used_bytes=unit * (blocks - free))

    async def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        found = await self.listing(pool, f"{volume_id}.{self.form}")
        return found[0] if found else None

    async def list_all(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self.listing(pool)

    async def create(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        if (there := await self.find(pool, disk.volume_id)) is not None:
            return there
        facts, folder = await self.facts(pool), pool_folder(pool)
        if disk.size_bytes > facts.capacity_bytes:
            raise Refused(
                f"disk {disk.volume_id}: {disk.size_bytes} bytes do not fit in pool {pool.url}, "
                f"which has {facts.capacity_bytes} in all"
            )
        if facts.capacity_bytes - facts.used_bytes < SPARE_BYTES:
            raise self._full(pool, facts, f"disk {disk.volume_id}")
        base = await self._base(pool, disk, key=key) if disk.image is not None else ""
        size = str(whole_sectors(disk.size_bytes))
        words = (folder, str(disk.volume_id), size, base)
        laid = PREALLOCATION.get(disk.provisioning)
        if laid is None or self.form == "raw":
            script = COPY_RAW if self.form == "raw" else CREATE
            done = await self.sh(script, *words, timeout_s=self._image_s)
        else:
            done = await self.sh(LAY_OUT, *words, laid, timeout_s=self._image_s)
        if done.code:
            raise await self.failed(done, pool, f"create disk {disk.volume_id}")
        made = await self.find(pool, disk.volume_id)
        if made is None:
            raise Unavailable(f"disk {disk.volume_id} is not in pool {pool.url} after its making")
        return made

    async def resize(
        self,
        pool: PoolSpec,
        volume_id: UUID,
        *,
        size_bytes: int,
        live: Callable[[str, int], Awaitable[bool]],
    ) -> DiskStatus:
        """Grow. `live` grows a disk that a guest of this host holds, and says if it did."""
        size_bytes = whole_sectors(size_bytes)
        there = await self.find(pool, volume_id)
        if there is None:
            raise Refused(f"disk {volume_id} is not in pool {pool.url}: nothing to resize")
        if size_bytes < there.size_bytes:
            raise Refused(
                f"disk {volume_id} has {there.size_bytes} bytes: it cannot shrink to {size_bytes}"
            )
        if size_bytes > there.size_bytes and not await live(there.path, size_bytes):
            done = await self.sh(GROW, there.path, str(size_bytes))
            if done.code:
                raise await self.failed(done, pool, f"resize disk {volume_id}")
        return await self.find(pool, volume_id) or there

    async def remove(self, pool: PoolSpec, volume_id: UUID) -> None:
        """QEMU's own lock on the image tells of users on other hosts of a shared pool."""
        done = await self.sh(REMOVE, pool_folder(pool), str(volume_id))
        if done.code == IN_USE:
            raise Refused(f"disk {volume_id} in pool {pool.url} is in use: {done.complaint}")
        if done.code:
            raise await self.failed(done, pool, f"remove disk {volume_id}")

    async def expect(self, pool: PoolSpec, volume_id: UUID) -> None:
        """Mark the file that a running guest's disk moves to as half made."""
        done = await self.sh(EXPECT, pool_folder(pool), str(volume_id))
        if done.code == IN_THE_WAY:
            raise Refused(f"disk {volume_id} lies in pool {pool.url} already: remove it first")
        if done.code:
            raise await self.failed(done, pool, f"move disk {volume_id}")

    async def is_expected(self, pool: PoolSpec, volume_id: UUID) -> bool:
        """Whether the file that was marked as half made is there."""
        done = await self.sh(EXPECTED, pool_folder(pool), str(volume_id))
        return not done.code

    async def abandon(self, pool: PoolSpec, volume_id: UUID) -> None:
        """Remove what was expected and never became whole."""
        done = await self.sh(ABANDON, pool_folder(pool), str(volume_id))
        if done.code:
            raise await self.failed(done, pool, f"give up moving disk {volume_id}")

    async def arrived(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus:
        done = await self.sh(ARRIVED, pool_folder(pool), str(volume_id))
        made = None if done.code else await self.find(pool, volume_id)
        if made is None:
            raise Unavailable(f"disk {volume_id} is not in pool {pool.url} after its move")
        return made

    async def adopt(self, pool: PoolSpec, path: str, volume_id: UUID) -> DiskStatus:
        """Give a stranger's image the name of a disk of ours."""
        folder = pool_folder(pool)
        if (there := await self.find(pool, volume_id)) is not None:
            return there
        name = path.removeprefix(f"{folder}/")
        found = await self.listing(pool, name) if "/" not in name else []
        if not found:
            raise Refused(f"there is no image {path} in pool {pool.url}")
        if found[0].image_format != self.form or found[0].volume_id is not None:
            raise Refused(f"image {path} is {found[0].image_format}, or a disk of ours already")
        await self._rename(pool, path, f"{folder}/{volume_id}.{self.form}")
        made = await self.find(pool, volume_id)
        if made is None:
            raise Unavailable(f"image {path} is not in pool {pool.url} after its renaming")
        return made

    async def disown(self, pool: PoolSpec, volume_id: UUID) -> None:
        """Give a disk of ours a name that is nobody's."""
        if (there := await self.find(pool, volume_id)) is not None:
            left = f"{pool_folder(pool)}/unmanaged-{volume_id}.{self.form}"
            await self._rename(pool, there.path, left)

    async def _rename(self, pool: PoolSpec, path: str, to: str) -> None:
        done = await self.sh(RENAME, pool_folder(pool), path, to)
        if done.code:
            raise await self.failed(done, pool, f"rename {path}")

    async def _base(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> str:
        """The template's image in this pool, brought there the first time somebody wants it."""
        assert disk.image is not None
        image = disk.image
        path = await self.keep(pool, image, key=key)
        there = await self.listing(pool, f"images/{image.image_id}.{self.form}")
        if there and there[0].size_bytes > disk.size_bytes:
            raise Refused(
                f"disk {disk.volume_id}: {disk.size_bytes} bytes are less than the "
                f"{there[0].size_bytes} of its image {image.image_id}"
            )
        return path

    async def keep(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        """The image's own file in this pool; a disc is read as it is, and not as qcow2."""
        suffix = DISC if image.image_format == DISC else self.form
        path = image_path(pool, image.image_id, suffix)
        async with self._images.setdefault(path, asyncio.Lock()):
            if not await self.listing(pool, f"images/{image.image_id}.{suffix}"):
                await self._bring(pool, image, key=key)
        return path

    async def images(self, pool: PoolSpec) -> list[UUID]:
        """The images that are kept, by their ids; a file of another name is nobody's."""
        found = []
        for one in await self.listing(pool, inside="images"):
            stem = (
                one.path.rpartition("/")[2].removesuffix(f".{DISC}").removesuffix(f".{self.form}")
            )
            with suppress(ValueError):
                found.append(UUID(stem))
        return found

    async def drop(self, pool: PoolSpec, image_id: UUID) -> bool:
        """Remove an image that no disk rests on; False if one does."""
        path = image_path(pool, image_id, self.form)
        async with self._images.setdefault(path, asyncio.Lock()):
            done = await self.sh(DROP, pool_folder(pool), str(image_id), timeout_s=self._image_s)
        if done.code and done.code != IN_THE_WAY:
            raise await self.failed(done, pool, f"remove image {image_id}")
        return not done.code

    async def _bring(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> None:
        folder = pool_folder(pool)
        if image.image_format not in (*FORMATS, DISC):
            raise Refused(f"image {image.image_id}: {image.image_format!r} is not {FORMATS}")
        scratch = f"{folder}/.incoming/{image.image_id}.{key}.source"
        try:
            source = await self._shell.reach(image.path, scratch, timeout_s=self._image_s)
            if image.image_format != DISC:
                await self.check_image(image, source)
            names = (str(image.image_id), image.image_format, source)
            script = KEEP if image.image_format == DISC else CONVERT
            done = await self.sh(script, folder, *names, timeout_s=self._image_s)
            if done.code:
                raise await self.failed(done, pool, f"copy image {image.image_id}")
        finally:
            await self._shell.run("rm", "-f", "--", scratch)

    async def check_image(self, image: ImageSource, path: str) -> int:
        """The bytes that a guest sees of it.

        A file that draws on other files of the host would hand those to the guest: refuse.
        """
        info = ("qemu-img", "info", "-U", "--output=json", "-f", image.image_format, "--")
        done = await self._shell.run(*info, path)
        if done.code:
            raise Refused(f"image {image.image_id} is no {image.image_format}: {done.complaint}")
        facts = json.loads(done.stdout)
        special = facts.get("format-specific", {}).get("data", {})
        for part, found in (
            ("a backing file", facts.get("backing-filename")),
            ("an external data file", special.get("data-file")),
            ("encryption", facts.get("encrypted")),
        ):
            if found:
                raise Refused(f"image {image.image_id} has {part}: give one that stands alone")
        return int(facts["virtual-size"])

    async def listing(self, pool: PoolSpec, *names: str, inside: str = "") -> list[DiskStatus]:
        """These files, or all of them, in the pool's folder or in one `inside` it."""
        folder = pool_folder(pool)
        done = await self.sh(LIST, folder, inside, *names)
        if done.code:
            raise Unavailable(f"pool {pool.url} on {self._where}: {done.complaint}")
        where = f"{folder}/{inside}" if inside else folder
        return [read_listing(line, where, self.form) for line in done.stdout.splitlines()]

    async def failed(self, done: Output, pool: PoolSpec, doing: str) -> DriverError:
        """Which error a command's complaint is."""
        said = f"{done.stderr}\n{done.stdout}"
        if "No space left" in said or "Disk quota exceeded" in said:
            return self._full(pool, await self.facts(pool), doing)
        text = f"{doing} in pool {pool.url} on {self._where}: {done.complaint}"
        waits = ("lock", "Stale file handle", "Input/output error", "endpoint is not connected")
        if done.code == NO_FOLDER or any(words in said for words in waits):
            return Unavailable(text)
        return Refused(text)

    def _full(self, pool: PoolSpec, facts: PoolFacts, doing: str) -> DriverError:
        free = facts.capacity_bytes - facts.used_bytes
        return Unavailable(f"{doing}: pool {pool.url} on {self._where} has {free} bytes free")

    async def sh(self, script: str, *arguments: str, timeout_s: float = 60.0) -> Output:
        """A script says FORM where it means the format of disks, which is how their names end."""
        words = script.replace("FORM", self.form)
        return await self._shell.run("sh", "-uc", words, "sh", *arguments, timeout_s=timeout_s)

    def path(self, pool: PoolSpec, volume_id: UUID) -> str:
        return f"{pool_folder(pool)}/{volume_id}.{self.form}"


def image_path(pool: PoolSpec, image_id: UUID, suffix: str) -> str:
    return f"{pool_folder(pool)}/images/{image_id}.{suffix}"


def whole_sectors(size_bytes: int) -> int:
    return -(-size_bytes // SECTOR_BYTES) * SECTOR_BYTES


def is_shared(pool: PoolSpec) -> bool:
    """`SharedMountPoint://` is the operator's word that every host mounts the same folder."""
    return urlsplit(pool.url).scheme.lower() == "sharedmountpoint"


def pool_folder(pool: PoolSpec) -> str:
    """The folder of a pool. Refused: a kind of pool that this driver cannot keep disks in."""
    url = urlsplit(pool.url)
    folder = unquote(url.path).rstrip("/")
    local = url.hostname in (None, "", "localhost") or is_shared(pool)
    if url.scheme.lower() not in ("", "file", "filesystem", "sharedmountpoint") or not local:
        raise Refused(f"pool {pool.url}: use file:///folder or SharedMountPoint:///folder")
    if not folder.startswith("/") or ".." in folder.split("/") or not folder.isprintable():
        raise Refused(f"pool {pool.url}: {folder!r} is not an absolute folder")
    return folder


def read_listing(line: str, folder: str, form: str = "qcow2") -> DiskStatus:
    """One line of `LIST`: file bytes, blocks, the first 32 bytes in hex, the name.

    In a qcow2 header the disk's size is the big-endian number at byte 24 (QEMU's
    docs/interop/qcow2.txt).
    """
    size, blocks, head, name = line.split(" ", 3)
    # What a guest writes at the beginning of a raw disk is never taken for a header.
    is_qcow2 = form == "qcow2" and head.startswith(QCOW2_MAGIC) and len(head) == 64
    stem = name.removesuffix(f".{form}")
    try:
        volume_id = UUID(stem) if name.endswith(f".{form}") else None
    except ValueError:
        volume_id = None
    if volume_id is not None and str(volume_id) != stem:
        volume_id = None
    return DiskStatus(
        volume_id=volume_id,
        path=f"{folder}/{name}",
        size_bytes=int(head[48:64], 16) if is_qcow2 else int(size),
        used_bytes=int(blocks) * SECTOR_BYTES,
        image_format="qcow2" if is_qcow2 else "raw",
    )
