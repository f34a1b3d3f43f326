"""A template as its users see it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.authz import noun
from api.declare import Cloud, Date, Roles, View, date, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.os_type import os_types
from projections.saga import saga_runs
from projections.template import Template, templates
from projections.zone import zones

noun(
    templates.kind,
    "owned",
    shared=lambda row, caller: row.is_public or caller.account_id in row.shared_with,
)


@view
class TemplateView(OwnedView, kw_only=True):
    """A template: an image that the disks of machines are made from."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    display_text: Annotated[str, "what it is"]
    created: Annotated[Date, "when it was registered"]
    account_id: Annotated[UUID, "the account that owns it"]
    is_ready: Annotated[bool, "whether machines can be made from it now"]
    status: Annotated[str, "Download Complete, how far the download is, or why it failed"]
    format: Annotated[str, "the format of its image"]
    hypervisor: Annotated[str, "the hypervisor that it is for"]
    os_type_id: Annotated[UUID | None, "the operating system in it"] = None
    os_type_name: Annotated[str | None, "the name of that operating system"] = None
    cross_zones: Annotated[bool, "whether it is in every zone"] = msgspec.field(name="crossZones")
    zone_id: Annotated[UUID | None, "its zone, if it is in one alone"] = None
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
    bits: Annotated[int, "32 or 64"]
    arch: Annotated[str, "the processor that it is for"]
    details: Annotated[dict[str, str], "settings of machines made from it"]
    download_details: Annotated[list[dict[str, str]], "how its download stands"]
    url: Annotated[str | None, "where it came from", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: Template, cloud: Cloud) -> TemplateView:
        os_type = cloud[os_types].get(row.os_type_id)
        zone = cloud[zones].get(row.zone_ids[0]) if len(row.zone_ids) == 1 else None
        status, download = _progress(row, cloud)
        same = ("id", "name", "display_text", "account_id", "hypervisor", "os_type_id", "bits")
        flags = ("is_ready", "is_public", "is_featured", "is_extractable", "requires_hvm")
        more = ("password_enabled", "ssh_key_enabled", "is_dynamically_scalable", "arch")
        copied: dict[str, Any] = {
            name: getattr(row, name) for name in (*same, *flags, *more, "template_type", "details")
        }
        return cls(
            **copied,
            **owner(row, cloud),
            created=date(row.created_at_ms),
            status=status,
            format=row.image_format,
            os_type_name=os_type.name if os_type else None,
            cross_zones=not row.zone_ids,
            zone_id=zone.id if zone else None,
            zone_name=zone.name if zone else None,
            size=row.size_bytes or None,
            physical_size=row.physical_bytes or None,
            checksum=row.checksum or None,
            template_tag=row.template_tag or None,
            direct_download=False,
            deploy_as_is=False,
            download_details=[download],
            url=row.url,
            tags=tags_of(row.id, cloud),
        )


@view
class TemplatePermissionView(View, kw_only=True):
    """Who may use a template."""

    id: Annotated[UUID, "the template"]
    is_public: Annotated[bool, "whether everybody may"]
    domain_id: Annotated[UUID, "the domain of its owner", Roles("Admin", "DomainAdmin")]
    account: Annotated[list[str], "the accounts that may"]


def _progress(row: Template, cloud: Cloud) -> tuple[str, dict[str, str]]:
    """How the download stands: in words, and in the parts that consoles draw."""
    if row.is_ready:
        return str(row.state), {"downloadPercent": "100", "downloadState": "DOWNLOADED"}
    if row.status_text:
        failed = {"downloadState": "DOWNLOAD_ERROR", "errorText": row.status_text}
        return f"{row.state}: {row.status_text}", failed
    job = cloud[saga_runs].get(row.job_id)
    percent = job.percent if job is not None else 0
    words = f"{percent}% Downloaded" if row.state == "Downloading" else str(row.state)
    return words, {"downloadPercent": str(percent), "downloadState": "DOWNLOAD_IN_PROGRESS"}
