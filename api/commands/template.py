"""Commands about templates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast
from uuid import UUID

from api.caller import Caller, Job
from api.declare import EVERY, Length, Names, OneOf, Success, command
from api.errors import Denied, InvalidValue
from api.lists import Filter, list_command
from api.scope import Asked, Reach, owner_for, reach_of
from api.urls import plain_url
from api.views.template import TemplatePermissionView, TemplateView
from engine.intents.template import (
    DeleteTemplate,
    RegisterTemplate,
    ShareTemplate,
    UpdateTemplate,
)
from projections.account import accounts
from projections.template import Template, templates

FILTERS = OneOf(
    *("featured", "self", "selfexecutable", "sharedexecutable"),
    *("executable", "community", "all"),
)
HYPERVISORS = OneOf("KVM", "Simulator", "VMware", "XenServer", "Hyperv", "LXC", "BareMetal", "OVM3")
ARCHES = OneOf("x86_64", "aarch64")


def _in_zone(row: Template, zone_id: UUID) -> bool:
    return not row.zone_ids or zone_id in row.zone_ids


@list_command("listTemplates", view=TemplateView, table=templates, key="template", scope="custom")
class ListTemplates:
    """List templates of one's own, of others that one may use, or those that are featured."""

    template_filter: Annotated[str, "which templates are meant", FILTERS, Filter()]
    zone_id: Annotated[
        UUID | None, "those of this zone", Names("zone", right="see"), Filter(test=_in_zone)
    ] = None
    hypervisor: Annotated[str | None, "those for this hypervisor"] = None
    is_ready: Annotated[
        bool | None,
        "those that are ready, or not",
        Filter(test=lambda row, yes: row.is_ready is yes),
    ] = None
    template_type: Annotated[str | None, "those of this type"] = None
    arch: Annotated[str | None, "those for this processor"] = None

    def rows(self, caller: Caller) -> Iterable[Any]:
        """The filter and who asks say together which templates there are."""
        if self.template_filter == "all" and caller.role_type == "User":
            raise Denied("templatefilter all is for administrators: use executable")
        reach = reach_of(cast(Asked, self), caller)
        found = (row for row in caller.cloud[templates] if _known(row, reach, caller))
        return [row for row in found if _fits(self.template_filter, row, reach, caller)]


def _known(row: Template, reach: Reach, caller: Caller) -> bool:
    """Nobody sees another's template unless it is shared and ready."""
    if reach.holds(row) or caller.is_root or row.account_id == caller.account_id:
        return True
    return row.is_ready and (row.is_public or caller.account_id in row.shared_with)


def _fits(which: str, row: Template, reach: Reach, caller: Caller) -> bool:
    """What each word of templatefilter means."""
    mine = reach.holds(row)
    shared = caller.account_id in row.shared_with
    fits = {
        "featured": row.is_featured and row.is_public,
        "community": row.is_public and not row.is_featured,
        "self": mine,
        "selfexecutable": mine and row.is_ready,
        "sharedexecutable": shared and row.is_ready,
        "executable": row.is_ready and (mine or shared or row.is_public),
        "all": True,
    }
    return fits[which]


@command(
    "registerTemplate",
    returns=TemplateView,
    key="template",
    shape="list",
    allow="ARDU",
    action="TEMPLATE.CREATE",
)
class RegisterTemplateCommand:
    """Register a template; its image is fetched from a URL in the background.

    The answer comes at once. The template is ready when its status is Download Complete; when no
    usable image could be had, its status says why.
    """

    name: Annotated[str, "its name"]
    url: Annotated[
        str, "where the image is: http, https, or a file of the controller", Length(2048)
    ]
    hypervisor: Annotated[str, "the hypervisor that it is for", HYPERVISORS]
    format: Annotated[str, "QCOW2, RAW, VHD, VHDX, VMDK or OVA"]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    zone_id: Annotated[UUID | None, "its zone; -1 for all", Names("zone", every=True)] = None
    zone_ids: Annotated[tuple[UUID, ...] | None, "its zones", Names("zone")] = None
    os_type_id: Annotated[UUID | None, "the operating system in it", Names("os_type")] = None
    checksum: Annotated[str | None, "what its file hashes to, for example {SHA-256}9f..."] = None
    is_public: Annotated[bool | None, "whether everybody may use it"] = None
    is_featured: Annotated[bool | None, "whether it is shown first; for administrators"] = None
    is_extractable: Annotated[bool | None, "whether its image may be taken out"] = None
    password_enabled: Annotated[bool | None, "whether guests take a password from the cloud"] = None
    ssh_key_enabled: Annotated[bool | None, "whether guests take an SSH key from the cloud"] = None
    requires_hvm: Annotated[bool | None, "whether it needs hardware virtualisation"] = None
    is_dynamically_scalable: Annotated[bool | None, "whether guests can be resized running"] = None
    template_type: Annotated[str | None, "USER, VNF, or for administrators ROUTING, SYSTEM"] = None
    template_tag: Annotated[str | None, "the tag that hosts must have"] = None
    bits: Annotated[int | None, "32 or 64"] = None
    arch: Annotated[str | None, "the processor that it is for", ARCHES] = None
    details: Annotated[dict[str, str] | None, "settings of machines made from it"] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> Template:
        """Settle every choice, so that the download can be repeated from the intent alone."""
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        zone_ids = list(self.zone_ids or ())
        if self.zone_id is not None and self.zone_id != EVERY:
            zone_ids.append(self.zone_id)
        ask = RegisterTemplate(
            template_id=caller.new_id(),
            account_id=account_id,
            domain_id=domain_id,
            name=self.name,
            display_text=self.display_text or self.name,
            url=plain_url(self.url, "put the image where none is needed"),
            hypervisor=self.hypervisor,
            image_format=self.format.upper(),
            trusted=caller.is_root,
            os_type_id=self.os_type_id,
            zone_ids=list(dict.fromkeys(zone_ids)),
            checksum=self.checksum or "",
            is_public=bool(self.is_public),
            is_featured=bool(self.is_featured) and caller.is_root,
            is_extractable=bool(self.is_extractable),
            password_enabled=bool(self.password_enabled),
            ssh_key_enabled=bool(self.ssh_key_enabled),
            requires_hvm=self.requires_hvm is not False,
            is_dynamically_scalable=bool(self.is_dynamically_scalable),
            template_type=_type(self.template_type, caller),
            template_tag=self.template_tag or "",
            bits=self.bits or 64,
            arch=self.arch or "x86_64",
            details=dict(self.details or {}),
        )
        job = await caller.submit(ask)
        return caller.cloud[templates][job.subject or ask.template_id]


def _type(asked: str | None, caller: Caller) -> str:
    wanted = (asked or "USER").upper()
    if wanted not in ("USER", "VNF") and not (caller.is_root and wanted in ("ROUTING", "SYSTEM")):
        raise InvalidValue(f"templatetype {wanted} cannot be given by {caller.identity.account}")
    return wanted


@command(
    "updateTemplate", returns=TemplateView, key="template", allow="ARDU", action="TEMPLATE.UPDATE"
)
class UpdateTemplateCommand:
    """Change what is said about a template; its image stays."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    os_type_id: Annotated[UUID | None, "the operating system in it", Names("os_type")] = None
    password_enabled: Annotated[bool | None, "whether guests take a password from the cloud"] = None
    ssh_key_enabled: Annotated[bool | None, "whether guests take an SSH key from the cloud"] = None
    requires_hvm: Annotated[bool | None, "whether it needs hardware virtualisation"] = None
    is_dynamically_scalable: Annotated[bool | None, "whether guests can be resized running"] = None
    template_type: Annotated[str | None, "USER, VNF, or for administrators ROUTING, SYSTEM"] = None
    template_tag: Annotated[str | None, "the tag that hosts must have"] = None
    arch: Annotated[str | None, "the processor that it is for", ARCHES] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    details: Annotated[dict[str, str] | None, "settings of machines made from it"] = None
    cleanup_details: Annotated[bool | None, "forget the settings that it has"] = None

    async def run(self, caller: Caller) -> Template:
        """Only what was given changes."""
        names = (
            *("name", "display_text", "os_type_id", "password_enabled", "ssh_key_enabled"),
            *("requires_hvm", "is_dynamically_scalable", "template_tag", "arch", "sort_key"),
        )
        fields = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        if self.template_type is not None:
            fields["template_type"] = _type(self.template_type, caller)
        if self.cleanup_details or self.details is not None:
            fields["details"] = {} if self.cleanup_details else dict(self.details or {})
        await caller.decide(UpdateTemplate(template_id=self.id, fields=fields))
        return caller.cloud[templates][self.id]


@command("deleteTemplate", returns=Success, is_async=True, allow="ARDU", action="TEMPLATE.DELETE")
class DeleteTemplateCommand:
    """Delete a template and its image; machines made from it keep their disks."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DeleteTemplate(template_id=self.id))


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
        row = caller.cloud[templates][self.id]
        table = caller.cloud[accounts]
        names = [table[one].name for one in row.shared_with if one in table]
        return TemplatePermissionView(
            id=row.id, is_public=row.is_public, domain_id=row.domain_id, account=names
        )


@command(
    "updateTemplatePermissions",
    returns=Success,
    allow="ARDU",
    action="TEMPLATE.UPDATE.PERMISSIONS",
)
class UpdateTemplatePermissions:
    """Change who may use a template: everybody, or accounts by name in its owner's domain."""

    id: Annotated[UUID, "the template", Names("template", right="operate")]
    op: Annotated[str | None, "add, remove or reset", OneOf("add", "remove", "reset")] = None
    accounts: Annotated[tuple[str, ...] | None, "accounts to add or to remove"] = None
    is_public: Annotated[bool | None, "whether everybody may use it"] = None
    is_featured: Annotated[bool | None, "whether it is shown first; for administrators"] = None
    is_extractable: Annotated[bool | None, "whether its image may be taken out"] = None

    async def run(self, caller: Caller) -> None:
        """Names that are no account are refused, so that a typing error shares nothing."""
        row = caller.cloud[templates][self.id]
        if self.accounts and self.op not in ("add", "remove"):
            raise InvalidValue("accounts need op: add or remove")
        named = [_account(caller, row, name) for name in self.accounts or ()]
        before = [] if self.op == "reset" else row.shared_with
        kept = [one for one in before if one not in named]
        await caller.decide(
            ShareTemplate(
                template_id=self.id,
                is_public=False if self.op == "reset" else self.is_public,
                is_featured=self.is_featured if caller.is_root else None,
                is_extractable=self.is_extractable,
                shared_with=kept + (named if self.op == "add" else []),
            )
        )


def _account(caller: Caller, row: Template, name: str) -> UUID:
    """An account in the owner's domain; nothing is told of it but that it is there."""
    for one in caller.cloud[accounts].by("name", name):
        if one.domain_id == row.domain_id:
            return one.id
    raise InvalidValue(f"there is no account {name} in the domain of template {row.name}")
