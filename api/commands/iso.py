"""Commands about ISOs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.commands.image_checks import (
    SharingFields,
    fetched,
    open_zones,
    permissions,
    refuse_foreign,
    simulated,
)
from api.commands.image_fields import ARCHES, FileFields
from api.commands.image_lists import FILTERS, ImageFilters
from api.declare import Free, Idle, Later, Length, Names, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.urls import plain_url
from api.views.template import InZone, TemplatePermissionView, TemplateView, in_zones
from api.views.vm import VmView
from engine.intents.iso import (
    AttachIso,
    CopyIso,
    DeleteIso,
    DetachIso,
    RegisterIso,
    ShareIso,
    UpdateIso,
)
from projections.iso import Iso, isos


@list_command("listIsos", view=TemplateView, table=isos, key="iso", scope="custom")
class ListIsos(ImageFilters):
    """List ISOs, a line for each zone that has one."""

    iso_filter: Annotated[str | None, "which ISOs are meant", FILTERS, Filter()] = None
    bootable: Annotated[
        bool | None, "those that machines can start from, or not", Filter("is_bootable")
    ] = None
    is_public: Annotated[bool | None, "those that everybody may use, or not"] = None

    def rows(self, caller: Caller) -> list[InZone]:
        return self.chosen(caller.cloud.table("iso"), self.iso_filter or "selfexecutable", caller)


@command(
    "registerIso", returns=TemplateView, key="iso", shape="list", allow="ARDU", action="ISO.CREATE"
)
class RegisterIsoCommand(FileFields):
    """Register an ISO; its image is fetched from a URL in the background.

    The answer comes at once. The ISO is ready when its status is Download Complete; when no disc
    could be had, its status says why.
    """

    url: Annotated[
        str, "where the image is: http, https, or a file of the controller", Length(2048)
    ]
    zone_id: Annotated[UUID, "its zone; -1 for all", Names("zone", every=True)]
    bootable: Annotated[bool | None, "whether machines can start from it; true if omitted"] = None
    is_dynamically_scalable: Annotated[bool | None, "whether guests can be resized running"] = None
    password_enabled: Annotated[bool | None, "whether guests take a password from the cloud"] = None
    arch: Annotated[str | None, "the processor that it is for", ARCHES] = None
    direct_download: Annotated[bool | None, "not offered"] = None
    image_store_uuid: Annotated[
        str | None, "ignored: the zone says where images lie", Free("it is not read")
    ] = None

    async def run(self, caller: Caller) -> list[InZone]:
        """Settle every choice, so that the download can be repeated from the intent alone."""
        refuse_foreign(self.direct_download)
        bootable = self.bootable is not False
        if bootable and self.os_type_id is None:
            raise InvalidValue(
                "a bootable ISO needs an ostypeid: see listOsTypes, or say bootable=false"
            )
        zone_ids = open_zones(caller, self.zone_id)
        ask = RegisterIso(
            template_id=caller.new_id(),
            url=plain_url(self.url, "put the image where none is needed"),
            hypervisor="Simulator" if simulated(caller, zone_ids) else "None",
            image_format="ISO",
            zone_ids=zone_ids,
            is_bootable=bootable,
            password_enabled=bool(self.password_enabled),
            is_dynamically_scalable=bool(self.is_dynamically_scalable),
            arch=self.arch or "x86_64",
            **fetched(caller),
            **self.said(caller),
        )
        job = await caller.submit(ask)
        made = caller.cloud[isos][job.subject or ask.template_id]
        return in_zones(made, caller.cloud)


@command("updateIso", returns=TemplateView, key="iso", allow="ARDU", action="ISO.UPDATE")
class UpdateIsoCommand:
    """Change what is said about an ISO; its image stays."""

    id: Annotated[UUID, "the ISO", Names("iso", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    os_type_id: Annotated[UUID | None, "the operating system on it", Names("os_type")] = None
    bootable: Annotated[bool | None, "whether machines can start from it"] = None
    password_enabled: Annotated[bool | None, "whether guests take a password from the cloud"] = None
    requires_hvm: Annotated[bool | None, "whether it needs hardware virtualisation"] = None
    is_dynamically_scalable: Annotated[bool | None, "whether guests can be resized running"] = None
    arch: Annotated[str | None, "the processor that it is for", ARCHES] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    details: Annotated[dict[str, str] | None, "settings of machines made from it"] = None
    cleanup_details: Annotated[bool | None, "forget the settings that it has"] = None
    force_update_os_type: Annotated[
        bool | None, "accepted, and of no effect", Idle("the type can always be changed")
    ] = None
    format: Annotated[str | None, "not offered yet", Later("an ISO is an ISO")] = None
    is_routing: Annotated[bool | None, "not offered yet", Later("routers start from templates")] = (
        None
    )
    ssh_key_enabled: Annotated[
        bool | None, "not offered yet", Later("keys are put into guests of templates")
    ] = None

    async def run(self, caller: Caller) -> Iso:
        """Only what was given changes."""
        names = (
            *("name", "display_text", "os_type_id", "password_enabled", "requires_hvm"),
            *("is_dynamically_scalable", "arch", "sort_key"),
        )
        fields = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        if self.bootable is not None:
            fields["is_bootable"] = self.bootable
        if self.cleanup_details or self.details is not None:
            fields["details"] = {} if self.cleanup_details else dict(self.details or {})
        await caller.decide(UpdateIso(template_id=self.id, fields=fields))
        return caller.cloud[isos][self.id]


@command(
    "copyIso",
    returns=TemplateView,
    key="template",
    envelope="copytemplateresponse",
    is_async=True,
    allow="ARDU",
    action="ISO.COPY",
)
class CopyIsoCommand:
    """Copy an ISO into other zones; each copy has bytes of its own."""

    id: Annotated[UUID, "the ISO", Names("iso", right="operate")]
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
            CopyIso(template_id=self.id, zone_ids=targets, source_zone_id=self.source_zone_id)
        )


@command("deleteIso", returns=Success, is_async=True, allow="ARDU", action="ISO.DELETE")
class DeleteIsoCommand:
    """Delete an ISO, everywhere or in one zone; refused while a machine has it in its drive."""

    id: Annotated[UUID, "the ISO", Names("iso", right="operate")]
    zone_id: Annotated[UUID | None, "the only zone to delete it in", Names("zone", right="see")] = (
        None
    )

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DeleteIso(template_id=self.id, zone_id=self.zone_id))


@command(
    "attachIso",
    returns=VmView,
    key="virtualmachine",
    is_async=True,
    allow="ARDU",
    action="ISO.ATTACH",
)
class AttachIsoCommand:
    """Put an ISO into the drive of a virtual machine, whether that runs or not."""

    id: Annotated[UUID, "the ISO", Names("iso")]
    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    forced: Annotated[bool | None, "take out the one that is in the drive"] = None

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(
            AttachIso(vm_id=self.virtual_machine_id, iso_id=self.id, forced=bool(self.forced))
        )


@command(
    "detachIso",
    returns=VmView,
    key="virtualmachine",
    is_async=True,
    allow="ARDU",
    action="ISO.DETACH",
)
class DetachIsoCommand:
    """Take the ISO out of the drive of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    forced: Annotated[bool | None, "ignored: a drive lets go at once"] = None

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DetachIso(vm_id=self.virtual_machine_id))


@command(
    "listIsoPermissions",
    returns=TemplatePermissionView,
    key="templatepermission",
    envelope="listtemplatepermissionsresponse",
    allow="ARDU",
)
class ListIsoPermissions:
    """Say who may use an ISO."""

    id: Annotated[UUID, "the ISO", Names("iso", right="operate")]

    async def run(self, caller: Caller) -> TemplatePermissionView:
        return permissions(caller, "iso", self.id)


@command("updateIsoPermissions", returns=Success, allow="ARDU", action="ISO.UPDATE.PERMISSIONS")
class UpdateIsoPermissions(SharingFields):
    """Change who may use an ISO: everybody, projects, or accounts of its owner's domain."""

    NOUN, ASK = "iso", ShareIso

    id: Annotated[UUID, "the ISO", Names("iso", right="operate")]

    async def run(self, caller: Caller) -> None:
        await self.share(caller, self.id)
