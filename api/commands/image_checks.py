"""What the commands about templates and ISOs settle in one way: zones, sources, permissions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar
from uuid import UUID

from api.caller import Caller
from api.declare import EVERY, Names, OneOf, part
from api.errors import Denied, InvalidValue
from api.views.template import TemplatePermissionView
from engine.intents.template import ShareTemplate
from projections.account import accounts
from projections.cluster import clusters
from projections.setting import number_of, value_of
from projections.table import TABLES
from projections.template import Image
from projections.zone import zones

GIB = 2**30


def image(caller: Caller, noun: str, image_id: UUID) -> Image:
    """The template or the ISO of this id."""
    row: Image = caller.cloud[TABLES[noun]][image_id]
    return row


def open_zones(caller: Caller, *asked: UUID | None) -> list[UUID]:
    """The zones that were named, each once; a zone that is closed takes nothing from tenants."""
    named = [one for one in dict.fromkeys(asked) if one is not None and one != EVERY]
    for zone_id in named:
        zone = caller.cloud[zones][zone_id]
        if zone.allocation_state != "Enabled" and not caller.is_root:
            raise Denied(f"zone {zone.name} is {zone.allocation_state}: choose an Enabled one")
    return named


def simulated(caller: Caller, zone_ids: list[UUID]) -> bool:
    """Are all hosts that could read it simulated ones, which need no bytes?"""
    near = [one for one in caller.cloud[clusters] if not zone_ids or one.zone_id in zone_ids]
    return bool(near) and all(one.hypervisor == "Simulator" for one in near)


def fetched(caller: Caller) -> dict[str, Any]:
    """How an image may be fetched, by the settings of now."""
    sites = value_of(caller.cloud, "secstorage.allowed.internal.sites")
    return {
        "trusted": caller.is_root,
        "sites": [one.strip() for one in sites.split(",") if one.strip()],
        "bytes_max": bytes_max(caller),
    }


def bytes_max(caller: Caller) -> int:
    """The largest image that is taken."""
    return int(number_of(caller.cloud, "max.template.iso.size") * GIB)


def refuse_foreign(direct_download: bool | None = None) -> None:
    """Hosts fetch nothing from strangers."""
    if direct_download:
        raise InvalidValue(
            "directdownload is not offered: the controller looks at every image before a host "
            "opens it; leave directdownload out"
        )


def as_is(deploy_as_is: bool | None, image_format: str, hypervisor: str) -> bool:
    """Whether an appliance's own words rule its guests, which only an appliance can ask for."""
    if deploy_as_is and image_format.upper() != "OVA":
        raise InvalidValue(
            f"deployasis is for appliances (format OVA), and this is {image_format.upper()}: "
            "leave deployasis out"
        )
    if deploy_as_is and hypervisor.lower() != "vmware":
        raise InvalidValue(
            f"deployasis is for VMware, and this is for {hypervisor}: convert the disk of the "
            "appliance to QCOW2 and register that"
        )
    return bool(deploy_as_is)


@part
class SharingFields:
    """What is asked about who may use an image."""

    NOUN: ClassVar[str]
    ASK: ClassVar[type[ShareTemplate]]

    op: Annotated[str | None, "add, remove or reset", OneOf("add", "remove", "reset")] = None
    accounts: Annotated[tuple[str, ...] | None, "accounts to add or to remove"] = None
    project_ids: Annotated[
        tuple[UUID, ...] | None, "projects to add or to remove", Names("project", right="see")
    ] = None
    is_public: Annotated[bool | None, "whether everybody may use it"] = None
    is_featured: Annotated[bool | None, "whether it is shown first; for administrators"] = None
    is_extractable: Annotated[bool | None, "whether its image may be taken out"] = None

    async def share(self, caller: Caller, image_id: UUID) -> None:
        """Names that are no account are refused, so that a typing error shares nothing."""
        row = image(caller, self.NOUN, image_id)
        if (self.accounts or self.project_ids) and self.op not in ("add", "remove"):
            raise InvalidValue("accounts and projectids need op: add or remove")
        named = [_account(caller, row, name) for name in self.accounts or ()]
        wanted = set(self.project_ids or ())
        named += [one.account_id for one in _projects(caller) if one.id in wanted]
        before = [] if self.op == "reset" else row.shared_with
        kept = [one for one in before if one not in named]
        if not row.is_public:
            may_be_public(caller, self.is_public)
        await caller.decide(
            self.ASK(
                template_id=image_id,
                is_public=False if self.op == "reset" else self.is_public,
                is_featured=self.is_featured if caller.is_root else None,
                is_extractable=self.is_extractable,
                shared_with=kept + (named if self.op == "add" else []),
            )
        )


def may_be_public(caller: Caller, wanted: bool | None) -> bool:
    """Whether a new image is public; users may make theirs so unless a setting forbids it."""
    allowed = value_of(caller.cloud, "allow.public.user.templates").lower() == "true"
    if wanted and not caller.is_root and not allowed:
        raise Denied("allow.public.user.templates is false: leave ispublic out")
    return bool(wanted)


def _account(caller: Caller, row: Image, name: str) -> UUID:
    """An account in the owner's domain; nothing is told of it but that it is there."""
    for one in caller.cloud[accounts].by("name", name):
        if one.domain_id == row.domain_id:
            return one.id
    raise InvalidValue(f"there is no account {name} in the domain of {row.KIND} {row.name}")


def permissions(caller: Caller, noun: str, image_id: UUID) -> TemplatePermissionView:
    """Who may use it: accounts by name, projects by id."""
    row = image(caller, noun, image_id)
    projects = {one.account_id: one.id for one in _projects(caller)}
    table = caller.cloud[accounts]
    shared = [one for one in row.shared_with if one in table and one not in projects]
    return TemplatePermissionView(
        id=row.id,
        is_public=row.is_public,
        domain_id=row.domain_id,
        account=[table[one].name for one in shared],
        project_ids=[projects[one] for one in row.shared_with if one in projects] or None,
    )


def _projects(caller: Caller) -> Iterable[Any]:
    try:
        return caller.cloud.table("project")
    except KeyError:
        return ()
