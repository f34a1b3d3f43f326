"""What every primary-storage driver promises about pools and disks.

The rules of `drivers.contract.compute` hold: the key is the same for a retry and for the undo,
and removing what is gone is success. A disk is named by `volume_id`; the driver keeps that id on
the backend (in the file's or the volume's name) so that `list_disks` finds orphans.

A snapshot is a copy that stands alone: it lies in the pool of its disk, apart from it, and neither
needs the other. The disk of a running guest is named to a session of the host where it runs.
Whatever copies may be cut off at any byte: nothing is ever seen under its name before it is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """A primary storage pool as its URL names it, for example `file:///var/lib/pool`."""

    pool_id: UUID
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    capacity_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """A template's image as the controller holds it: a local path and what it really is.

    Of an appliance (`ova`) it is one disk, the `part`th; each has an `image_id` of its own.
    """

    image_id: UUID
    path: str
    image_format: str
    virtual_bytes: int
    part: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """A disk to be made: blank, or a clone of `image`. `size_bytes` is what the guest sees.

    `provisioning` is how much of it is laid out at once: `thin` nothing, `sparse` its tables,
    `fat` all of its room. One that is not thin stands alone, whatever it is made of; what is
    copied or imported always does, and is thin.
    """

    volume_id: UUID
    size_bytes: int
    image: ImageSource | None = None
    provisioning: str = "thin"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStatus:
    """A disk that is really there. `volume_id` is None for a stranger's file."""

    volume_id: UUID | None
    path: str
    size_bytes: int
    used_bytes: int
    image_format: str = "qcow2"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlace:
    """A disk in its pool, or a snapshot in its pool."""

    pool: PoolSpec
    disk_id: UUID
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotStatus:
    """A snapshot that is really there. `snapshot_id` is None for a stranger's file."""

    snapshot_id: UUID | None
    path: str
    size_bytes: int
    used_bytes: int
    image_format: str = "qcow2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image file as the controller has it now. `virtual_bytes` is what a guest would see."""

    image_format: str
    virtual_bytes: int
    file_bytes: int


@runtime_checkable
class Storage(Protocol):
    """Primary storage reached through one connected host."""

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        """Make the pool usable from this host. Refused: the URL can never work here."""

    async def create_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        """Make the disk; the same id again answers with the disk that is there.

        Refused: too large for the pool, or the image is no image. Unavailable: the pool is full
        now or out of reach. A half-written disk is never left under its final name.
        """

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        """Grow a disk. Refused: smaller than it is."""

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        """Remove the disk. Refused: a guest uses it."""

    async def keep_image(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        """Bring an image into the pool, where disks are cloned from it or a drive reads it.

        Answers with its path there. What is there already is not brought again, and a disc (of
        format `iso`) is kept as it is. Refused: it is no image.
        """

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        """Every image that was brought into the pool and is there still."""

    async def drop_image(self, pool: PoolSpec, image_id: UUID, *, key: UUID) -> bool:
        """Keep an image in the pool no longer; gone already is success.

        False if it stays, because a disk rests on it or a guest of this host reads it.
        """

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None: ...

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        """Every disk in the pool, strangers included; cached template images are not disks."""

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts: ...

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        """Keep the disk as it is at one moment; the same id again answers with what was kept.

        A guest of this host that uses the disk runs on. Refused: there is no such disk.
        Unavailable: a guest of another host uses it, or something else copies it now.
        """

    async def remove_snapshot(self, pool: PoolSpec, snapshot_id: UUID, *, key: UUID) -> None:
        """Remove the snapshot, and what was half made of it."""

    async def find_snapshot(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None: ...

    async def list_snapshots(self, pool: PoolSpec) -> list[SnapshotStatus]:
        """Every snapshot in the pool, strangers included."""

    async def revert_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        """Let the disk hold what the snapshot holds. It never shrinks: what it is larger is zeros.

        Refused: a guest uses the disk, or there is no such disk or snapshot.
        """

    async def copy_disk(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        """Make `disk` with the bytes of a snapshot, or of a disk that no guest uses.

        It needs neither its source nor an image, is never smaller than the source, and the same id
        again answers with the disk that is there. Refused: a guest uses the source.
        """

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, *, key: UUID
    ) -> DiskStatus:
        """Let a guest that runs here go on from a copy of its disk in `pool`.

        What the disk was made of stays behind, for `remove_disk`. Refused and Unavailable leave
        the guest with the disk that it had, and nothing in `pool`.
        """

    async def export_disk(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        """Write a snapshot, or a disk that no guest uses, as a qcow2 file of the controller's.

        The file needs no other; one that is there is replaced. Refused: a guest uses the disk.
        """

    async def import_disk(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        """Make a disk of its own from `disk.image`: unlike a clone it is nobody's base.

        Otherwise as `create_disk`, and the image may be of any format that qemu-img reads.
        """

    async def adopt_disk(
        self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID
    ) -> DiskStatus:
        """Know a stranger's image in the pool as a disk of ours; a guest that uses it runs on.

        Adopted already is success. Refused: no such image in the pool, or no qcow2.
        """

    async def disown_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        """Know a disk no longer: its image stays, as a stranger's. Gone is success."""
