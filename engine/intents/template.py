"""What may be asked about templates. An ISO is asked about in the same way: see `iso`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

from engine.intents.ending import ending
from projections.vm import vms
from projections.volume import volumes


class RegisterTemplate(Struct, frozen=True, kw_only=True):
    """Get an image from `url` and make a template of it: in some zones, or for every zone.

    `trusted` says that an administrator of the cloud asked: only then may the URL name a file of
    the controller, or an address that only the controller's own machine reaches. `sites` are the
    networks inside which anybody may name.
    """

    NOUN: ClassVar[str] = "template"

    template_id: UUID
    account_id: UUID
    domain_id: UUID
    name: str
    display_text: str
    url: str
    hypervisor: str
    image_format: str
    trusted: bool
    os_type_id: UUID | None = None
    zone_ids: list[UUID] = field(default_factory=list)
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
    details: dict[str, str] = field(default_factory=dict)
    source_id: UUID | None = None
    sites: list[str] = field(default_factory=list)
    bytes_max: int | None = None
    deploy_as_is: bool = False


class UpdateTemplate(Struct, frozen=True, kw_only=True):
    """Say something else about a template: `fields` are those of `template.updated`."""

    NOUN: ClassVar[str] = "template"

    template_id: UUID
    fields: dict[str, Any]


class ShareTemplate(Struct, frozen=True, kw_only=True):
    """Say who else may use a template. None leaves a thing as it is."""

    NOUN: ClassVar[str] = "template"

    template_id: UUID
    is_public: bool | None = None
    is_featured: bool | None = None
    is_extractable: bool | None = None
    shared_with: list[UUID] | None = None


class CopyTemplate(Struct, frozen=True, kw_only=True):
    """Bring a template into more zones, from the copy of `source_zone_id` or from any."""

    NOUN: ClassVar[str] = "template"

    template_id: UUID
    zone_ids: list[UUID]
    source_zone_id: UUID | None = None


class DeleteTemplate(Struct, frozen=True, kw_only=True):
    """Remove a template and its images, or only what is in one zone.

    A download that still runs is cancelled first. `even_read` is for a disc that guests have in
    their drives, which are empty when they start again, and for what disks are still to be made
    of: whoever wants that is told that the template is gone.
    """

    NOUN: ClassVar[str] = "template"

    template_id: UUID
    zone_id: UUID | None = None
    even_read: bool = False


class MoveTemplate(Struct, frozen=True, kw_only=True):
    """Let its copy of that zone lie in another image store of the zone."""

    NOUN: ClassVar[str] = "template"

    template_id: UUID
    zone_id: UUID
    store_id: UUID


def _made_of(cloud: Any, template: Any) -> Iterator[UUID]:
    """The jobs that make disks of it, be they another account's."""
    for volume in cloud[volumes].by("pool_id", None):
        vm = cloud[vms].get(volume.vm_id)
        jobs = (volume.job_id, None if vm is None else vm.job_id)
        if volume.template_id == template.id:
            yield from (job_id for job_id in jobs if job_id is not None)


ending(
    "template",
    lambda template: DeleteTemplate(template_id=template.id, even_read=True),
    waits=_made_of,
)


class LinkUserData(Struct, frozen=True, kw_only=True):
    """Let guests of a template, or of an ISO, be told this user data, or no longer."""

    image_id: UUID
    is_iso: bool
    user_data_id: UUID | None
    user_data_policy: str
