"""Commands about templates."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.commands.image_checks import (
    SharingFields,
    as_is,
    fetched,
    image,
    open_zones,
    permissions,
    refuse_foreign,
)
from api.commands.image_fields import ARCHES, FileFields, TemplateFields, TypeFields
from api.commands.image_lists import FILTERS, ImageFilters
from api.declare import Idle, Later, Length, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.urls import plain_url
from api.views.template import InZone, TemplatePermissionView, TemplateView, in_zones
from engine.intents.template import (
    CopyTemplate,
    DeleteTemplate,
    RegisterTemplate,
    ShareTemplate,
    UpdateTemplate,
)
from projections.cluster import HYPERVISORS as KINDS
from projections.template import Template, templates

HYPERVISORS = OneOf(*KINDS)


@list_command("listTemplates", view=TemplateView, table=templates, key="template", scope="custom")
class ListTemplates(ImageFilters):
    """List templates, a line for each zone that has one.

    The filter says which: one's own, those of others that one may use, or those featured.
    """

    template_filter: Annotated[str, "which templates are meant", FILTERS, Filter()]
    template_type: Annotated[str | None, "of this type"] = None
    parent_template_id: Annotated[
        UUID | None, "none: templates have no parents here", Names("template", "see"), Filter()
    ] = None
    is_vnf: Annotated[bool | None, "those of virtual network functions, or not", Filter()] = None
    for_cks: Annotated[bool | None, "none are for Kubernetes nodes", Filter()] = None
    extension_id: Annotated[UUID | None, "not offered yet", Later("there are no extensions")] = None
    details: Annotated[
        tuple[str, ...] | None, "accepted, and of no effect", Idle("everything is shown")
    ] = None

    def rows(self, caller: Caller) -> list[InZone]:
        if self.parent_template_id is not None or self.for_cks:
            return []
        found = self.chosen(caller.cloud.table("template"), self.template_filter, caller)
        if self.is_vnf is None:
            return found
        return [one for one in found if (one.row.template_type == "VNF") is self.is_vnf]


@command(
    "registerTemplate",
    returns=TemplateView,
    key="template",
    shape="list",
    allow="ARDU",
    action="TEMPLATE.CREATE",
)
class RegisterTemplateCommand(FileFields, TemplateFields, TypeFields):
    """Register a template; its image is fetched from a URL in the background.

    The answer comes at once. The template is ready when its status is Download Complete; when no
    usable image could be had, its status says why.
    """

    url: Annotated[
        str, "where the image is: http, https, or a file of the controller", Length(2048)
    ]
    hypervisor: Annotated[str, "the hypervisor that it is for", HYPERVISORS]
    format: Annotated[str, "QCOW2, RAW, VHD, VHDX, VMDK, OVA, or TAR: an installer"]
    zone_id: Annotated[UUID | None, "its zone; -1 for all", Names("zone", every=True)] = None
    zone_ids: Annotated[tuple[UUID, ...] | None, "its zones", Names("zone")] = None
    direct_download: Annotated[bool | None, "not offered"] = None
    deploy_as_is: Annotated[
        bool | None, "let an appliance say what hardware and properties its guests have"
    ] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None
    extension_id: Annotated[UUID | None, "not offered yet", Later("there are no extensions")] = None
    for_cks: Annotated[
        bool | None, "not offered yet", Later("there are no Kubernetes clusters")
    ] = None

    async def run(self, caller: Caller) -> list[InZone]:
        """Settle every choice, so that the download can be repeated from the intent alone."""
        refuse_foreign(self.direct_download)
        ask = RegisterTemplate(
            template_id=caller.new_id(),
            url=plain_url(self.url, "put the image where none is needed"),
            hypervisor=self.hypervisor,
            image_format=self.format.upper(),
            zone_ids=open_zones(caller, *(self.zone_ids or ()), self.zone_id),
            template_type=self.type_for(caller),
            deploy_as_is=as_is(self.deploy_as_is, self.format, self.hypervisor),
            **fetched(caller),
            **self.said(caller),
            **self.machines(),
        )
        job = await caller.submit(ask)
        made = caller.cloud[templates][job.subject or ask.template_id]
        return in_zones(made, caller.cloud)


@command(
    "updateTemplate", returns=TemplateView, key="template", allow="ARDU", action="TEMPLATE.UPDATE"
)
class UpdateTemplateCommand(TypeFields):
    """Change what is said about a template; its image stays."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    os_type_id: Annotated[UUID | None, "the operating system in it", Names("os_type")] = None
    password_enabled: Annotated[bool | None, "whether guests take a password from the cloud"] = None
    ssh_key_enabled: Annotated[bool | None, "whether guests take an SSH key from the cloud"] = None
    requires_hvm: Annotated[bool | None, "whether it needs hardware virtualisation"] = None
    is_dynamically_scalable: Annotated[bool | None, "whether guests can be resized running"] = None
    template_tag: Annotated[str | None, "the tag that hosts must have"] = None
    arch: Annotated[str | None, "the processor that it is for", ARCHES] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    bootable: Annotated[bool | None, "ignored: a template is always started from"] = None
    format: Annotated[str | None, "refused unless it is what the image is"] = None
    details: Annotated[dict[str, str] | None, "settings of machines made from it"] = None
    cleanup_details: Annotated[bool | None, "forget the settings that it has"] = None
    for_cks: Annotated[
        bool | None, "not offered yet", Later("there are no Kubernetes clusters")
    ] = None
    force_update_os_type: Annotated[
        bool | None, "accepted, and of no effect", Idle("the type can always be changed")
    ] = None

    async def run(self, caller: Caller) -> Template:
        """Only what was given changes."""
        row = image(caller, "template", self.id)
        if self.format is not None and self.format.upper() != row.image_format:
            raise InvalidValue(
                f"format cannot change: the image of template {row.name} is {row.image_format}"
            )
        names = (
            *("name", "display_text", "os_type_id", "password_enabled", "ssh_key_enabled"),
            *("requires_hvm", "is_dynamically_scalable", "template_tag", "arch", "sort_key"),
        )
        fields = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        same = (self.template_type or row.template_type).upper() == row.template_type
        if self.is_routing or not same:
            fields["template_type"] = self.type_for(caller)
        if self.cleanup_details or self.details is not None:
            fields["details"] = {} if self.cleanup_details else dict(self.details or {})
        await caller.decide(UpdateTemplate(template_id=self.id, fields=fields))
        return caller.cloud[templates][self.id]


@command(
    "copyTemplate",
    returns=TemplateView,
    key="template",
    is_async=True,
    allow="ARDU",
    action="TEMPLATE.COPY",
)
class CopyTemplateCommand:
    """Copy a template into other zones; each copy has bytes of its own."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]
    source_zone_id: Annotated[
        UUID | None, "the zone to copy from; any that has it, if left out", Names("zone")
    ] = None
    dest_zone_id: Annotated[UUID | None, "the zone to copy to", Names("zone")] = None
    dest_zone_ids: Annotated[tuple[UUID, ...] | None, "the zones to copy to", Names("zone")] = None

    async def run(self, caller: Caller) -> Job:
        targets = open_zones(caller, *(self.dest_zone_ids or ()), self.dest_zone_id)
        if not targets:
            raise InvalidValue("say where to: destzoneid or destzoneids")
        return await caller.submit(
            CopyTemplate(template_id=self.id, zone_ids=targets, source_zone_id=self.source_zone_id)
        )


@command("deleteTemplate", returns=Success, is_async=True, allow="ARDU", action="TEMPLATE.DELETE")
class DeleteTemplateCommand:
    """Delete a template, everywhere or in one zone; machines made from it keep their disks."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]
    zone_id: Annotated[UUID | None, "the only zone to delete it in", Names("zone", right="see")] = (
        None
    )
    forced: Annotated[bool | None, "ignored: no machine needs the template it came from"] = None
    is_system: Annotated[bool | None, "ignored: what came with the cloud stays", Roles("Admin")] = (
        None
    )

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DeleteTemplate(template_id=self.id, zone_id=self.zone_id))


@command(
    "listTemplatePermissions",
    returns=TemplatePermissionView,
    key="templatepermission",
    allow="ARDU",
)
class ListTemplatePermissions:
    """Say who may use a template."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]

    async def run(self, caller: Caller) -> TemplatePermissionView:
        return permissions(caller, "template", self.id)


@command(
    "updateTemplatePermissions",
    returns=Success,
    allow="ARDU",
    action="TEMPLATE.UPDATE.PERMISSIONS",
)
class UpdateTemplatePermissions(SharingFields):
    """Change who may use a template: everybody, projects, or accounts of its owner's domain."""

    NOUN, ASK = "template", ShareTemplate

    id: Annotated[UUID, "the template", Names("template", right="operate")]

    async def run(self, caller: Caller) -> None:
        await self.share(caller, self.id)
