"""Commands about disk offerings."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.commands.offering_checks import (
    GIB,
    for_domains,
    given,
    in_zone,
    moved,
    shown,
    split,
)
from api.declare import Bound, Free, Length, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.disk_offering import DiskOfferingView
from engine.intents.offering import DeleteOffering
from engine.intents.record import CreateRecord, UpdateRecord
from projections.disk_offering import DiskOffering, disk_offerings

STORAGE, THIN = OneOf("shared", "local"), OneOf("thin", "sparse", "fat")
CACHES = OneOf("none", "writeback", "writethrough", "hypervisor_default")
STATES = OneOf("Active", "Inactive")


@command(
    "createDiskOffering",
    returns=DiskOfferingView,
    key="diskoffering",
    allow="ARD",
    action="DISK.OFFERING.CREATE",
)
class CreateDiskOffering:
    """Offer a size of data disk; a customized one leaves the size to who makes a volume."""

    name: Annotated[str, "its name"]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    disk_size: Annotated[int | None, "its size in GiB", Bound(1, 65_536)] = None
    customized: Annotated[bool | None, "whether who makes a volume says the size"] = None
    tags: Annotated[str | None, "tags that its pools must have, with commas"] = None
    storage_type: Annotated[str | None, "shared or local", STORAGE] = None
    provisioning_type: Annotated[str | None, "thin, sparse or fat", THIN] = None
    cache_mode: Annotated[str | None, "how it is cached", CACHES] = None
    min_iops: Annotated[int | None, "operations a second that a volume gets", Bound(1)] = None
    max_iops: Annotated[int | None, "operations a second at most", Bound(1)] = None
    display_offering: Annotated[bool | None, "whether users see it", Roles("Admin")] = None
    details: Annotated[dict[str, str] | None, "its settings"] = None
    domain_id: Annotated[
        tuple[UUID, ...] | None, "the domains that it is for", Names("domain", right="operate")
    ] = None
    zone_id: Annotated[tuple[UUID, ...] | None, "the zones that it is for", Names("zone")] = None

    async def run(self, caller: Caller) -> DiskOffering:
        if (self.disk_size is None) != bool(self.customized):
            raise InvalidValue("give disksize, or customized=true and no disksize")
        row_id = caller.new_id()
        fields: dict[str, Any] = {
            "name": self.name,
            "display_text": self.display_text or self.name,
            "size_bytes": self.disk_size * GIB if self.disk_size else None,
            "is_customized": bool(self.customized),
            "storage_tags": split(self.tags),
            "domain_ids": for_domains(caller, self.domain_id),
            "zone_ids": list(self.zone_id or ()),
        }
        fields |= given(
            self,
            storage_type="storage_type",
            provisioning_type="provisioning_type",
            cache_mode="cache_mode",
            min_iops="min_iops",
            max_iops="max_iops",
            is_displayed="display_offering",
            details="details",
        )
        await caller.decide(CreateRecord(kind="disk_offering", id=row_id, fields=fields))
        return caller.cloud[disk_offerings][row_id]


@command(
    "updateDiskOffering",
    returns=DiskOfferingView,
    key="diskoffering",
    allow="ARD",
    action="DISK.OFFERING.EDIT",
)
class UpdateDiskOffering:
    """Rename an offering, or change to whom it is offered; its size stays."""

    id: Annotated[UUID, "the offering", Names("disk_offering", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    tags: Annotated[str | None, "tags that its pools must have, with commas"] = None
    cache_mode: Annotated[str | None, "how it is cached", CACHES] = None
    display_offering: Annotated[bool | None, "whether users see it", Roles("Admin")] = None
    state: Annotated[str | None, "Active or Inactive", STATES] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    domain_id: Annotated[str | None, "ids with commas, or public", Free("run() checks each")] = None
    zone_id: Annotated[str | None, "ids with commas, or all", Free("run() checks each")] = None

    async def run(self, caller: Caller) -> DiskOffering:
        named = ("name", "display_text", "cache_mode", "state", "sort_key")
        fields = given(self, **dict(zip(named, named, strict=True)))
        fields |= given(self, is_displayed="display_offering")
        fields |= moved(caller, domain_id=self.domain_id, zone_id=self.zone_id)
        if self.tags is not None:
            fields["storage_tags"] = split(self.tags)
        await caller.decide(UpdateRecord(kind="disk_offering", id=self.id, fields=fields))
        return caller.cloud[disk_offerings][self.id]


@command("deleteDiskOffering", returns=Success, allow="ARD", action="DISK.OFFERING.DELETE")
class DeleteDiskOffering:
    """Delete an offering; volumes that have it keep it."""

    id: Annotated[UUID, "the offering", Names("disk_offering", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(DeleteOffering(kind="disk_offering", id=self.id))


@list_command(
    "listDiskOfferings",
    view=DiskOfferingView,
    table=disk_offerings,
    key="diskoffering",
    scope="catalogue",
)
class ListDiskOfferings:
    """List the sizes that data disks can have."""

    zone_id: Annotated[
        UUID | None, "those of this zone", Names("zone", right="see"), Filter(test=in_zone)
    ] = None
    storage_type: Annotated[str | None, "shared or local"] = None
    state: Annotated[str | None, "Active, Inactive or all", Filter()] = None

    def visible(self, row: DiskOffering, caller: Caller) -> bool:
        if not (row.is_displayed or caller.is_root):
            return False
        return shown(row, self.state, getattr(self, "id", None) is not None)
