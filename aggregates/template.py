"""A template: an image that root disks are made from. It exists once it is registered; it is ready
once its image is here and has been looked at."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event


class TemplateState(StrEnum):
    """What listTemplates shows as its status."""

    DOWNLOADING = "Downloading"
    READY = "Download Complete"
    FAILED = "Download Error"
    REMOVING = "Removing"


@aggregate("template")
class Template(Aggregate):
    """`path` is where the image lies; `zone_ids` empty means every zone.

    `job_id` is the saga that works on it now: the download, or the removal.
    """

    name: str
    display_text: str
    account_id: UUID
    domain_id: UUID
    hypervisor: str
    image_format: str
    url: str
    os_type_id: UUID | None = None
    zone_ids: list[UUID] = msgspec.field(default_factory=list)
    checksum: str = ""
    is_public: bool = False
    is_featured: bool = False
    is_extractable: bool = False
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
    shared_with: list[UUID] = msgspec.field(default_factory=list)
    state: TemplateState = TemplateState.DOWNLOADING
    status_text: str = ""
    path: str = ""
    real_format: str = ""
    size_bytes: int = 0
    physical_bytes: int = 0
    job_id: UUID | None = None

    @property
    def is_ready(self) -> bool:
        return self.state is TemplateState.READY


@event("template.registered", creates=Template)
class TemplateRegistered(Event, frozen=True, kw_only=True):
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


@event("template.ready")
class TemplateReady(Event, frozen=True, kw_only=True):
    """The image is here: `size_bytes` is what a guest sees, `physical_bytes` what it takes."""

    path: str
    real_format: str
    size_bytes: int
    physical_bytes: int
    checksum: str

    def apply(self, row: Template, at_ms: int) -> None:
        for name in self.__struct_fields__:
            setattr(row, name, getattr(self, name))
        row.state, row.job_id, row.status_text = TemplateState.READY, None, ""


@event("template.failed")
class TemplateFailed(Event, frozen=True, kw_only=True):
    """No image could be had; the template stays so that its owner can read why."""

    why: str

    def apply(self, row: Template, at_ms: int) -> None:
        row.state, row.job_id, row.status_text = TemplateState.FAILED, None, self.why


@event("template.updated")
class TemplateUpdated(Event, frozen=True, kw_only=True):
    """What its owner says about it; the image is not touched."""

    name: str
    display_text: str
    os_type_id: UUID | None
    password_enabled: bool
    ssh_key_enabled: bool
    requires_hvm: bool
    is_dynamically_scalable: bool
    template_type: str
    template_tag: str
    arch: str
    sort_key: int
    details: dict[str, str]


@event("template.shared")
class TemplateShared(Event, frozen=True, kw_only=True):
    """Who besides its owner may use it: everybody, or the accounts in `shared_with`."""

    is_public: bool
    is_featured: bool
    is_extractable: bool
    shared_with: list[UUID]


@event("template.removal_started")
class TemplateRemovalStarted(Event, frozen=True, kw_only=True):
    """From here on nothing is made from it; disks that were have their own copy."""

    job_id: UUID

    def apply(self, row: Template, at_ms: int) -> None:
        row.state, row.job_id = TemplateState.REMOVING, self.job_id


@event("template.removed", removes=True)
class TemplateRemoved(Event, frozen=True, kw_only=True):
    pass
