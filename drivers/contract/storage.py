"""What every primary-storage driver promises about pools and disks.

The rules of `drivers.contract.compute` hold: the key is the same for a retry and for the undo,
and removing what is gone is success. A disk is named by `volume_id`; the driver keeps that id on
the backend (in the file's or the volume's name) so that `list_disks` finds orphans.
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
    """A template's image as the controller holds it: a local path and what it really is."""

    image_id: UUID
    path: str
    image_format: str
    virtual_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """A disk to be made: blank, or a thin clone of `image`. `size_bytes` is what the guest sees."""

    volume_id: UUID
    size_bytes: int
    image: ImageSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStatus:
    """A disk that is really there. `volume_id` is None for a stranger's file."""

    volume_id: UUID | None
    path: str
    size_bytes: int
    used_bytes: int
    image_format: str = "qcow2"


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

    async def find_disk(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None: ...

    async def list_disks(self, pool: PoolSpec) -> list[DiskStatus]:
        """Every disk in the pool, strangers included; cached template images are not disks."""

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts: ...
