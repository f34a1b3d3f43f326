"""Templates and ISOs as their users see them: one line for each zone that has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.authz import noun
from api.caller import Identity
from api.declare import Cloud, Date, Roles, View, date, view
from api.views.appliance import ChildTemplateView, children, details_of
from api.views.owner import OwnedView, owner
from api.views.resource_icon import ResourceIconView
from api.views.tag import TagView, tags_of
from projections.annotation import is_noted
from projections.os_type import os_types
from projections.saga import saga_runs
from projections.template import Copy, Image, ImageState
from projections.user_data import user_datas
from projections.zone import Zone, zones


def _shared(row: Any, caller: Identity) -> bool:
    """Public images are everybody's to use, and shared ones those accounts' and projects'."""
    return row.is_public or not {caller.account_id, *caller.projects}.isdisjoint(row.shared_with)


noun("template", "owned", shared=_shared)
noun("iso", "owned", shared=_shared)


@dataclass(frozen=True, slots=True)
class InZone:
    """An image in one of its zones: lists have a line for each. Without a zone, in none yet."""

    row: Image
    copy: Copy
    zone: Zone | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)

    @property
    def is_ready(self) -> bool:
        return self.copy.is_ready

    @property
    def zone_id(self) -> UUID | None:
        return None if self.zone is None else self.zone.id


def in_zones(row: Image, cloud: Cloud) -> list[InZone]:
    """An image once for each zone that has it. One for every zone is in zones yet to come too."""
    table = cloud[zones]
    found = []
    for copy in row.copies:
        if copy.zone_id is not None:
            found.append(InZone(row, copy, table.get(copy.zone_id)))
        else:
            own = {one.zone_id for one in row.copies}
            found += [InZone(row, copy, zone) for zone in table if zone.id not in own]
    if not found and row.copies:
        return [InZone(row, row.copies[0], None)]
    return found


def once(row: Image, cloud: Cloud) -> InZone:
    """An image at its best: in a zone where it is ready, if there is one."""
    found = in_zones(row, cloud)
    return next((one for one in found if one.is_ready), found[0])


@view
class TemplateView(OwnedView, kw_only=True):
    """A template or an ISO in a zone."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    display_text: Annotated[str, "what it is"]
    created: Annotated[Date, "when it was registered"]
    account_id: Annotated[UUID, "the account that owns it"]
    is_ready: Annotated[bool, "whether it can be used in that zone now"]
    status: Annotated[str, "Download Complete, how far the download is, or why it failed"]
    format: Annotated[str, "the format of its image"]
    hypervisor: Annotated[str, "the hypervisor that it is for"]
    os_type_id: Annotated[UUID | None, "the operating system in it"] = None
    os_type_name: Annotated[str | None, "the name of that operating system"] = None
    cross_zones: Annotated[bool, "whether it is in every zone"] = msgspec.field(name="crossZones")
    zone_id: Annotated[UUID | None, "the zone that this line is about"] = None
    zone_name: Annotated[str | None, "the name of that zone"] = None
    size: Annotated[int | None, "what a guest sees of it, in bytes"] = None
    physical_size: Annotated[int | None, "what its file takes, in bytes"] = None
    checksum: Annotated[str | None, "what its file hashes to"] = None
    template_type: Annotated[str, "USER, BUILTIN, SYSTEM, ROUTING or VNF"]
    template_tag: Annotated[str | None, "the tag that hosts must have"] = None
    is_public: Annotated[bool, "whether everybody may use it"]
    is_featured: Annotated[bool, "whether it is shown first"]
    is_extractable: Annotated[bool, "whether its image may be taken out"]
    password_enabled: Annotated[bool, "whether guests take a password from the cloud"]
    ssh_key_enabled: Annotated[bool, "whether guests take an SSH key from the cloud"]
    requires_hvm: Annotated[bool, "whether it needs hardware virtualisation"]
    is_dynamically_scalable: Annotated[bool, "whether guests can be resized while they run"]
    direct_download: Annotated[bool, "whether hosts fetch it themselves"]
    deploy_as_is: Annotated[bool, "whether an appliance's own settings rule"]
    deploy_as_is_details: Annotated[
        dict[str, str] | None, "what the appliance says of itself: properties, networks, licences"
    ] = None
    child_templates: Annotated[
        list[ChildTemplateView] | None, "the further disks of an appliance"
    ] = None
    bits: Annotated[int, "32 or 64"]
    arch: Annotated[str, "the processor that it is for"]
    details: Annotated[dict[str, str], "settings of machines made from it"]
    download_details: Annotated[list[dict[str, str]], "how its download stands"]
    bootable: Annotated[bool, "whether machines can start from it"]
    for_cks: Annotated[bool, "whether it is for Kubernetes nodes"] = msgspec.field(name="forcks")
    source_template_id: Annotated[UUID | None, "the volume or snapshot it was made from"] = None
    user_data_id: Annotated[UUID | None, "the user data that its guests are told"] = None
    user_data_name: Annotated[str | None, "the name of that user data"] = None
    user_data_params: Annotated[str | None, "the parameters of that user data"] = None
    user_data_policy: Annotated[str | None, "whether a deploy may say something else"] = None
    url: Annotated[str | None, "where it came from", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: Image | InZone, cloud: Cloud) -> TemplateView:
        seen = row if isinstance(row, InZone) else once(row, cloud)
        image, zone = seen.row, seen.zone
        os_type = cloud[os_types].get(image.os_type_id)
        told = cloud[user_datas].get(image.user_data_id)
        status, download = _progress(seen.copy, cloud)
        same = ("id", "name", "display_text", "account_id", "hypervisor", "os_type_id", "bits")
        flags = ("is_public", "is_featured", "is_extractable", "requires_hvm", "template_type")
        more = ("password_enabled", "ssh_key_enabled", "is_dynamically_scalable", "arch", "details")
        copied: dict[str, Any] = {name: getattr(image, name) for name in (*same, *flags, *more)}
        return cls(
            **copied,
            **owner(image, cloud),
            is_ready=seen.is_ready,
            created=date(image.created_at_ms),
            status=status,
            format=image.image_format,
            os_type_name=os_type.name if os_type else None,
            cross_zones=image.is_everywhere,
            zone_id=zone.id if zone else None,
            zone_name=zone.name if zone else None,
            size=image.size_bytes or None,
            physical_size=image.physical_bytes or None,
            checksum=image.checksum or None,
            template_tag=image.template_tag or None,
            direct_download=False,
            deploy_as_is=image.deploy_as_is,
            deploy_as_is_details=details_of(image),
            child_templates=children(image),
            download_details=[download],
            bootable=image.is_bootable,
            for_cks=False,
            source_template_id=image.source_id,
            user_data_id=image.user_data_id,
            user_data_name=told.name if told else None,
            user_data_params=",".join(told.params) or None if told else None,
            user_data_policy=image.user_data_policy or None,
            url=image.url,
            tags=tags_of(image.id, cloud),
            has_annotations=is_noted(image.id, cloud),
        )


@view
class TemplatePermissionView(View, kw_only=True):
    """Who may use a template."""

    id: Annotated[UUID, "the template"]
    is_public: Annotated[bool, "whether everybody may"]
    domain_id: Annotated[UUID | None, "the domain of its owner", Roles("Admin", "DomainAdmin")] = (
        None
    )
    account: Annotated[list[str], "the accounts that may"]
    project_ids: Annotated[list[UUID] | None, "the projects that may"] = None


def _progress(copy: Copy, cloud: Cloud) -> tuple[str, dict[str, str]]:
    """How a copy stands: in words, and in the parts that consoles draw."""
    if copy.is_ready:
        return str(copy.state), {"downloadPercent": "100", "downloadState": "DOWNLOADED"}
    if copy.state is ImageState.FAILED:
        failed = {"downloadState": "DOWNLOAD_ERROR", "errorText": copy.why}
        return f"{copy.state}: {copy.why}", failed
    job = cloud[saga_runs].get(copy.job_id)
    percent = job.percent if job is not None else 0
    words = f"{percent}% Downloaded" if copy.state is ImageState.DOWNLOADING else str(copy.state)
    wire = {
        ImageState.AWAITED: "NOT_UPLOADED",
        ImageState.UPLOADING: "UPLOAD_IN_PROGRESS",
        ImageState.CREATING: "CREATING",
    }.get(copy.state, "DOWNLOAD_IN_PROGRESS")
    return words, {"downloadPercent": str(percent), "downloadState": wire}
