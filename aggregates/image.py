"""What templates and ISOs have in common: an image, and the copies of it in zones.

An image exists once it is registered. A copy serves one zone, or every zone; each has a state of
its own, and the image can be used in a zone whose copy is ready. `speak` makes a noun's events
from those that are written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import new_class
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec.structs import replace

from aggregates.appliance import Appliance
from aggregates.base import Aggregate, Event, event
from aggregates.errors import NotAllowed

E = TypeVar("E", bound=Event)


class ImageState(StrEnum):
    """What lists show as the status of a copy."""

    DOWNLOADING = "Downloading"
    CREATING = "Creating"
    COPYING = "Copying"
    AWAITED = "Not Uploaded"
    UPLOADING = "Uploading"
    READY = "Download Complete"
    FAILED = "Download Error"
    REMOVING = "Removing"


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """An image in one zone; without a zone it is the one that serves them all.

    `path` is where it lies or shall lie: in the controller's data folder, unless it is absolute.
    `job_id` is the saga that works on it now.
    """

    zone_id: UUID | None = None
    state: ImageState = ImageState.DOWNLOADING
    path: str = ""
    why: str = ""
    job_id: UUID | None = None

    @property
    def is_ready(self) -> bool:
        return self.state is ImageState.READY


class Image(Aggregate):
    """`real_format` and the sizes are known once it was looked at; `source_id` is what it was
    made from: a volume or a snapshot. An `appliance` has disks and words of its own, which rule
    its guests if `deploy_as_is`."""

    name: str
    display_text: str
    account_id: UUID
    domain_id: UUID
    hypervisor: str
    image_format: str
    url: str
    os_type_id: UUID | None = None
    copies: list[Copy] = msgspec.field(default_factory=list)
    checksum: str = ""
    is_public: bool = False
    is_featured: bool = False
    is_extractable: bool = False
    is_bootable: bool = True
    password_enabled: bool = False
    ssh_key_enabled: bool = False
    requires_hvm: bool = True
    is_dynamically_scalable: bool = False
    template_type: str = "USER"
    template_tag: str = ""
    bits: int = 64
    arch: str = "x86_64"
    details: dict[str, str] = msgspec.field(default_factory=dict)
    sort_key: int = 0
    source_id: UUID | None = None
    shared_with: list[UUID] = msgspec.field(default_factory=list)
    user_data_id: UUID | None = None
    user_data_policy: str = ""
    real_format: str = ""
    size_bytes: int = 0
    physical_bytes: int = 0
    appliance: Appliance | None = None
    deploy_as_is: bool = False

    @property
    def parts(self) -> list[int]:
        """Which disks of it hold something: an appliance may have several."""
        disks = () if self.appliance is None else self.appliance.disks
        return [number for number, disk in enumerate(disks) if disk.file] or [0]

    def part_bytes(self, part: int) -> int:
        """What a disk that is made of one of its parts has at least."""
        return self.size_bytes if self.appliance is None else self.appliance.disks[part].size_bytes

    @property
    def is_ready(self) -> bool:
        """Is there any copy to make something of?"""
        return any(copy.is_ready for copy in self.copies)

    @property
    def state(self) -> ImageState:
        """That of its best copy."""
        ready = next((copy for copy in self.copies if copy.is_ready), None)
        return ready.state if ready else self.copies[0].state if self.copies else ImageState.FAILED

    @property
    def path(self) -> str:
        """Where a whole copy lies, of whichever zone; empty while there is none."""
        return next((copy.path for copy in self.copies if copy.is_ready), "")

    @property
    def zone_ids(self) -> list[UUID]:
        """The zones that it is in; empty when one copy serves them all."""
        if any(copy.zone_id is None for copy in self.copies):
            return []
        return [copy.zone_id for copy in self.copies if copy.zone_id is not None]

    @property
    def is_everywhere(self) -> bool:
        return any(copy.zone_id is None for copy in self.copies)

    def copy_of(self, zone_id: UUID | None) -> Copy | None:
        """The copy of exactly this zone."""
        return next((copy for copy in self.copies if copy.zone_id == zone_id), None)

    def copy_in(self, zone_id: UUID | None) -> Copy | None:
        """The copy that serves a zone: its own, or that of every zone."""
        return self.copy_of(zone_id) or self.copy_of(None)

    def ready_in(self, zone_id: UUID | None) -> Copy:
        """The whole copy that serves a zone; without a zone, any whole copy."""
        found = self.copy_in(zone_id) if zone_id is not None else None
        if zone_id is None:
            found = next((copy for copy in self.copies if copy.is_ready), None)
        if found is None or not found.is_ready:
            state = "not there" if found is None else f"{found.state} {found.why}".strip()
            where = f"in zone {zone_id}" if zone_id else "in any zone"
            raise NotAllowed(
                f"{self.KIND} {self.name} is not ready {where} ({state}): "
                "wait for it, copy it there, or choose another"
            )
        return found

    def with_copies(self, changed: Iterable[Copy]) -> list[Copy]:
        """Its copies, with these in the place of those of the same zones."""
        by_zone = {copy.zone_id: copy for copy in self.copies}
        by_zone |= {copy.zone_id: copy for copy in changed}
        return list(by_zone.values())


class ImageRegistered(Event, frozen=True, kw_only=True):
    """It was asked for in these zones, or for all; what becomes of it there is told by copies."""

    name: str
    display_text: str
    account_id: UUID
    domain_id: UUID
    hypervisor: str
    image_format: str
    url: str
    os_type_id: UUID | None
    zone_ids: list[UUID]
    checksum: str
    is_public: bool
    is_featured: bool
    is_extractable: bool
    is_bootable: bool = True
    password_enabled: bool
    ssh_key_enabled: bool
    requires_hvm: bool
    is_dynamically_scalable: bool
    template_type: str
    template_tag: str
    bits: int
    arch: str
    details: dict[str, str]
    job_id: UUID | None
    source_id: UUID | None = None
    deploy_as_is: bool = False


class ImageReady(Event, frozen=True, kw_only=True):
    """These copies are whole: `size_bytes` is what a guest sees, `physical_bytes` what one takes.

    Without zones, every copy that was still to come is; `path` is where one lies of which nothing
    was told before.
    """

    real_format: str
    size_bytes: int
    physical_bytes: int
    checksum: str
    path: str = ""
    zone_ids: list[UUID | None] = msgspec.field(default_factory=list)
    appliance: Appliance | None = None

    def apply(self, row: Any, at_ms: int) -> None:
        for name in ("real_format", "size_bytes", "physical_bytes", "checksum"):
            setattr(row, name, getattr(self, name))
        row.appliance = self.appliance or row.appliance
        path_of = {copy.zone_id: copy.path for copy in row.copies}
        whole = [
            Copy(zone_id=zone_id, path=path_of.get(zone_id, self.path), state=ImageState.READY)
            for zone_id in self.zone_ids or list(path_of) or [None]
        ]
        row.copies = row.with_copies(whole)


class ImageCopyBegun(Event, frozen=True, kw_only=True):
    """A job brings these copies or moves whole ones, or somebody is awaited who does."""

    copies: list[Copy]

    def apply(self, row: Any, at_ms: int) -> None:
        row.copies = row.with_copies(self.copies)


class ImageFailed(Event, frozen=True, kw_only=True):
    """No image could be had; it stays so that its owner can read why."""

    why: str

    def apply(self, row: Any, at_ms: int) -> None:
        failed = [
            Copy(zone_id=copy.zone_id, path=copy.path, state=ImageState.FAILED, why=self.why)
            for copy in row.copies
            if not copy.is_ready
        ]
        row.copies = row.with_copies(failed)


class ImageRemovalStarted(Event, frozen=True, kw_only=True):
    """From here on nothing is made from it in these zones, or in any if none is named."""

    job_id: UUID
    zone_ids: list[UUID | None] = msgspec.field(default_factory=list)

    def apply(self, row: Any, at_ms: int) -> None:
        going = [
            replace(copy, state=ImageState.REMOVING, job_id=self.job_id)
            for copy in row.copies
            if not self.zone_ids or copy.zone_id in self.zone_ids
        ]
        row.copies = row.with_copies(going)


class ImageCopiesRemoved(Event, frozen=True, kw_only=True):
    """It is no more in these zones, and still in others."""

    zone_ids: list[UUID | None]

    def apply(self, row: Any, at_ms: int) -> None:
        row.copies = [copy for copy in row.copies if copy.zone_id not in self.zone_ids]


class ImageMoved(Event, frozen=True, kw_only=True):
    """Its copy in that zone lies somewhere else, as whole as it was."""

    zone_id: UUID | None
    path: str

    def apply(self, row: Any, at_ms: int) -> None:
        there = Copy(zone_id=self.zone_id, path=self.path, state=ImageState.READY)
        row.copies = row.with_copies([there])


class ImageUpdated(Event, frozen=True, kw_only=True):
    """What its owner says about it; the image is not touched."""

    name: str
    display_text: str
    os_type_id: UUID | None
    is_bootable: bool = True
    password_enabled: bool
    ssh_key_enabled: bool
    requires_hvm: bool
    is_dynamically_scalable: bool
    template_type: str
    template_tag: str
    arch: str
    sort_key: int
    details: dict[str, str]


class ImageShared(Event, frozen=True, kw_only=True):
    """Who besides its owner may use it: everybody, or the accounts in `shared_with`."""

    is_public: bool
    is_featured: bool
    is_extractable: bool
    shared_with: list[UUID]


class ImageUserDataLinked(Event, frozen=True, kw_only=True):
    """What its guests are told, and whether a deploy may say something else."""

    user_data_id: UUID | None
    user_data_policy: str


class ImageRemoved(Event, frozen=True, kw_only=True):
    """The last copy is gone. What was made from it lives on."""


@dataclass(frozen=True, slots=True)
class Words:
    """The events of one kind of image."""

    registered: type[ImageRegistered]
    ready: type[ImageReady]
    copy_begun: type[ImageCopyBegun]
    failed: type[ImageFailed]
    removal_started: type[ImageRemovalStarted]
    copies_removed: type[ImageCopiesRemoved]
    moved: type[ImageMoved]
    updated: type[ImageUpdated]
    shared: type[ImageShared]
    user_data_linked: type[ImageUserDataLinked]
    removed: type[ImageRemoved]


WORDS: dict[str, Words] = {}


def speak(row: type[Image]) -> Words:
    """Give a kind of image its events: `template.registered`, `iso.registered`, ..."""

    def of(base: type[E], verb: str, **how: Any) -> type[E]:
        name = base.__name__.replace("Image", row.__name__, 1)
        made = new_class(
            name,
            (base,),
            {"frozen": True, "kw_only": True},
            lambda space: space.update({"__module__": row.__module__, "__doc__": base.__doc__}),
        )
        return cast(type[E], event(f"{row.KIND}.{verb}", **how)(made))

    WORDS[row.KIND] = Words(
        registered=of(ImageRegistered, "registered", creates=row),
        ready=of(ImageReady, "ready"),
        copy_begun=of(ImageCopyBegun, "copy_begun"),
        failed=of(ImageFailed, "failed"),
        removal_started=of(ImageRemovalStarted, "removal_started"),
        copies_removed=of(ImageCopiesRemoved, "copies_removed"),
        moved=of(ImageMoved, "moved"),
        updated=of(ImageUpdated, "updated"),
        shared=of(ImageShared, "shared"),
        user_data_linked=of(ImageUserDataLinked, "user_data_linked"),
        removed=of(ImageRemoved, "removed", removes=True),
    )
    return WORDS[row.KIND]
