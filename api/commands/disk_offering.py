"""Commands about disk offerings."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.commands import state_words
from api.commands.offering_checks import (
    GIB,
    OfNobody,
    for_domains,
    given,
    in_zone,
    moved,
    shown,
    split,
)
from api.commands.vm_checks import refuse_later
from api.declare import Bound, Free, Length, Names, OneOf, Roles, Success, Wire, command, part
from api.errors import InvalidValue
from api.fields import wire_name
from api.lists import Filter, list_command
from api.views.disk_offering import DiskOfferingView
from engine.intents.offering import DeleteOffering
from engine.intents.record import CreateRecord, UpdateRecord
from projections.disk_offering import DiskOffering, disk_offerings
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import Volume, volumes

STORAGE, THIN = OneOf("shared", "local"), OneOf("thin", "sparse", "fat")
CACHES = OneOf("none", "writeback", "writethrough", "hypervisor_default")
STATES = OneOf("Active", "Inactive")
RATE = Bound(1)
LONG = Wire(type="long")
# Limits while an offering's bucket is full, and how long: nothing here keeps such buckets.
BURSTS = tuple(
    f"{what}_{way}_rate_max{length}"
    for what in ("bytes", "iops")
    for way in ("read", "write")
    for length in ("", "_length")
)


@part
class Rates:
    """What a guest may do with a disk in a second."""

    bytes_read_rate: Annotated[int | None, "bytes read a second at most", RATE, LONG] = None
    bytes_write_rate: Annotated[int | None, "bytes written a second at most", RATE, LONG] = None
    iops_read_rate: Annotated[int | None, "reads a second at most", RATE, LONG] = None
    iops_write_rate: Annotated[int | None, "writes a second at most", RATE, LONG] = None
    bytes_read_rate_max: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    bytes_read_rate_max_length: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    bytes_write_rate_max: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    bytes_write_rate_max_length: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    iops_read_rate_max: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    iops_read_rate_max_length: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    iops_write_rate_max: Annotated[int | None, "not offered: bursts", RATE, LONG] = None
    iops_write_rate_max_length: Annotated[int | None, "not offered: bursts", RATE, LONG] = None

    def rates(self) -> dict[str, int]:
        """Those that were sent, by their names on the wire."""
        refuse_later(self, BURSTS)
        names = ("bytes_read_rate", "bytes_write_rate", "iops_read_rate", "iops_write_rate")
        sent = {wire_name(name): getattr(self, name) for name in names}
        return {name: value for name, value in sent.items() if value is not None}


@command(
    "createDiskOffering",
    returns=DiskOfferingView,
    key="diskoffering",
    allow="ARD",
    action="DISK.OFFERING.CREATE",
)
class CreateDiskOffering(Rates):
    """Offer a size of data disk; a customized one leaves the size to who makes a volume."""

    name: Annotated[str, "its name"]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    disk_size: Annotated[int | None, "its size in GiB", Bound(1, 65_536)] = None
    customized: Annotated[bool | None, "whether who makes a volume says the size"] = None
    tags: Annotated[str | None, "tags that its pools must have, with commas"] = None
    storage_type: Annotated[str | None, "shared or local", STORAGE] = None
    provisioning_type: Annotated[str | None, "thin, sparse or fat", THIN] = None
    cache_mode: Annotated[str | None, "how it is cached", CACHES] = None
    min_iops: Annotated[int | None, "operations a second at least", RATE, LONG] = None
    max_iops: Annotated[int | None, "operations a second at most", RATE, LONG] = None
    customized_iops: Annotated[
        bool | None, "whether who makes a volume says its operations a second"
    ] = None
    disk_size_strictness: Annotated[
        bool | None, "whether a volume can neither come to it from another nor leave it"
    ] = None
    encrypt: Annotated[bool | None, "refused: no disk here is encrypted"] = None
    storage_policy: Annotated[
        UUID | None, "refused: there are none", Free("names nothing here")
    ] = None
    hypervisor_snapshot_reserve: Annotated[
        int | None, "kept and shown: snapshots hold room of their own", Bound(0)
    ] = None
    display_offering: Annotated[bool | None, "whether users see it", Roles("Admin")] = None
    details: Annotated[dict[str, str] | None, "its settings"] = None
    domain_id: Annotated[
        tuple[UUID, ...] | None, "the domains that it is for", Names("domain", right="operate")
    ] = None
    zone_id: Annotated[tuple[UUID, ...] | None, "the zones that it is for", Names("zone")] = None

    async def run(self, caller: Caller) -> DiskOffering:
        refuse_later(self, ("encrypt", "storage_policy"))
        if (self.disk_size is None) != bool(self.customized):
            raise InvalidValue("give disksize, or customized=true and no disksize")
        self._check_iops()
        row_id = caller.new_id()
        fields: dict[str, Any] = {
            "name": self.name,
            "display_text": self.display_text or self.name,
            "size_bytes": self.disk_size * GIB if self.disk_size else None,
            "is_customized": bool(self.customized),
            "storage_tags": split(self.tags),
            "domain_ids": for_domains(caller, self.domain_id),
            "zone_ids": list(self.zone_id or ()),
            "rates": self.rates(),
        }
        fields |= given(
            self,
            storage_type="storage_type",
            provisioning_type="provisioning_type",
            cache_mode="cache_mode",
            min_iops="min_iops",
            max_iops="max_iops",
            is_customized_iops="customized_iops",
            is_strict="disk_size_strictness",
            snapshot_reserve="hypervisor_snapshot_reserve",
            is_displayed="display_offering",
            details="details",
        )
        await caller.decide(CreateRecord(kind="disk_offering", id=row_id, fields=fields))
        return caller.cloud[disk_offerings][row_id]

    def _check_iops(self) -> None:
        if self.customized_iops and (self.min_iops or self.max_iops):
            raise InvalidValue("customizediops=true leaves miniops and maxiops to the volume")
        if self.min_iops and self.max_iops and self.min_iops > self.max_iops:
            raise InvalidValue(f"miniops {self.min_iops} is more than maxiops {self.max_iops}")
        if self.max_iops and (self.iops_read_rate or self.iops_write_rate):
            raise InvalidValue(
                "maxiops limits reads and writes together: leave iopsreadrate and iopswriterate out"
            )


@command(
    "updateDiskOffering",
    returns=DiskOfferingView,
    key="diskoffering",
    allow="ARD",
    action="DISK.OFFERING.EDIT",
)
class UpdateDiskOffering(Rates):
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
        if rates := self.rates():
            fields["rates"] = caller.cloud[disk_offerings][self.id].rates | rates
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
class ListDiskOfferings(OfNobody):
    """List the sizes that data disks can have."""

    zone_id: Annotated[
        UUID | None, "those of this zone", Names("zone", right="see"), Filter(test=in_zone)
    ] = None
    storage_type: Annotated[str | None, "shared or local"] = None
    state: Annotated[str | None, "Active, Inactive or all", state_words.OFFERING, Filter()] = None
    volume_id: Annotated[
        UUID | None, "those that this volume could change to", Names("volume", "see"), Filter()
    ] = None
    virtual_machine_id: Annotated[
        UUID | None, "those of its zone", Names("vm", right="see"), Filter()
    ] = None
    storage_id: Annotated[
        UUID | None, "whose tags this pool has", Names("storage_pool", right="see"), Filter()
    ] = None
    encrypt: Annotated[bool | None, "with encryption: none", Filter()] = None

    def matches(self, row: DiskOffering, caller: Caller) -> bool:
        pool = caller.cloud[storage_pools].get(self.storage_id)
        if self.encrypt or (pool is not None and not set(row.storage_tags) <= set(pool.tags)):
            return False
        vm = caller.cloud[vms].get(self.virtual_machine_id)
        if vm is not None and not in_zone(row, vm.zone_id):
            return False
        volume = caller.cloud[volumes].get(self.volume_id)
        return volume is None or _could_have(row, volume, caller)

    def visible(self, row: DiskOffering, caller: Caller) -> bool:
        if not (row.is_displayed or caller.is_root):
            return False
        return shown(row, self.state, getattr(self, "id", None) is not None)


def _could_have(offering: DiskOffering, volume: Volume, caller: Caller) -> bool:
    """Whether the volume could change to the offering: its zone's, and no smaller."""
    own = caller.cloud[disk_offerings].get(volume.offering_id)
    if offering.id == volume.offering_id or not in_zone(offering, volume.zone_id):
        return False
    strict = offering.is_strict or (own is not None and own.is_strict)
    return not strict and (offering.size_bytes or volume.size_bytes) >= volume.size_bytes
