"""Commands about what hypervisors call guest operating systems."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.declare import Names, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.guest_os_mapping import GuestOsMappingView
from engine.intents.job import AsJob
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.guest_os_mapping import GuestOsMapping, guest_os_mappings
from projections.os_type import os_types

NOUN = "guest_os_mapping"


@list_command(
    "listGuestOsMapping",
    view=GuestOsMappingView,
    table=guest_os_mappings,
    key="guestosmapping",
    keyword=("name_for_hypervisor",),
    scope="admin",
    allow="A",
    since="4.4.0",
)
class ListGuestOsMapping:
    """List what hypervisors call guest operating systems."""

    hypervisor: Annotated[str | None, "of this hypervisor"] = None
    hypervisor_version: Annotated[str | None, "of this version of it"] = None
    os_type_id: Annotated[
        UUID | None, "of this operating system", Names("os_type", right="see")
    ] = None
    os_display_name: Annotated[str | None, "of the one that people call so", Filter()] = None
    os_name_for_hypervisor: Annotated[
        str | None, "which hypervisors call so", Filter("name_for_hypervisor")
    ] = None

    def matches(self, row: GuestOsMapping, caller: Caller) -> bool:
        if self.os_display_name is None:
            return True
        os_type = caller.cloud[os_types].get(row.os_type_id)
        return os_type is not None and os_type.name.casefold() == self.os_display_name.casefold()


@command(
    "addGuestOsMapping",
    returns=GuestOsMappingView,
    key="guestosmapping",
    is_async=True,
    creates=True,
    allow="A",
    since="4.4.0",
    action="GUEST.OS.MAPPING.ADD",
)
class AddGuestOsMapping:
    """Say what a hypervisor calls a guest operating system."""

    hypervisor: Annotated[str, "the hypervisor"]
    hypervisor_version: Annotated[str, "its version, or default"]
    os_name_for_hypervisor: Annotated[str, "what it calls the operating system"]
    os_type_id: Annotated[UUID | None, "the operating system", Names("os_type")] = None
    os_display_name: Annotated[str | None, "the same by name"] = None
    os_mapping_check_enabled: Annotated[
        bool | None, "refused: no hypervisor here knows names of operating systems"
    ] = None
    forced: Annotated[bool | None, "replace what was said before"] = None

    async def run(self, caller: Caller) -> Job:
        refuse_check(self.os_mapping_check_enabled)
        os_type_id = self._os_type(caller)
        fields = {
            "hypervisor": self.hypervisor,
            "hypervisor_version": self.hypervisor_version,
            "os_type_id": os_type_id,
        }
        named = {"name_for_hypervisor": self.os_name_for_hypervisor}
        known = caller.cloud[guest_os_mappings].by("os_type_id", os_type_id)
        same = (r for r in known if all(getattr(r, name) == fields[name] for name in fields))
        before = next(same, None) if self.forced else None
        ask: UpdateRecord | CreateRecord
        if before is not None:
            ask = UpdateRecord(kind=NOUN, id=before.id, fields=named)
        else:
            ask = CreateRecord(kind=NOUN, id=caller.new_id(), fields=fields | named)
        return await caller.submit(AsJob(ask=ask, subject_kind=NOUN, subject_id=ask.id))

    def _os_type(self, caller: Caller) -> UUID:
        if self.os_type_id is not None:
            return self.os_type_id
        if self.os_display_name is None:
            raise InvalidValue("say which operating system: ostypeid or osdisplayname")
        name = self.os_display_name.casefold()
        for row in caller.cloud[os_types]:
            if row.name.casefold() == name:
                return row.id
        raise InvalidValue(
            f"osdisplayname: there is no operating system {self.os_display_name}: see listOsTypes"
        )


def refuse_check(wanted: bool | None) -> None:
    if wanted:
        raise InvalidValue(
            "osmappingcheckenabled cannot be: no hypervisor here tells which operating systems "
            "it knows; leave it out"
        )


@command(
    "updateGuestOsMapping",
    returns=GuestOsMappingView,
    key="guestosmapping",
    is_async=True,
    allow="A",
    since="4.4.0",
    action="GUEST.OS.MAPPING.UPDATE",
)
class UpdateGuestOsMapping:
    """Say that a hypervisor calls a guest operating system otherwise."""

    id: Annotated[UUID, "the mapping", Names(NOUN, right="operate")]
    os_name_for_hypervisor: Annotated[str, "what the hypervisor calls it"]
    os_mapping_check_enabled: Annotated[
        bool | None, "refused: no hypervisor here knows names of operating systems"
    ] = None

    async def run(self, caller: Caller) -> Job:
        refuse_check(self.os_mapping_check_enabled)
        changed = {"name_for_hypervisor": self.os_name_for_hypervisor}
        ask = UpdateRecord(kind=NOUN, id=self.id, fields=changed)
        return await caller.submit(AsJob(ask=ask, subject_kind=NOUN, subject_id=self.id))


@command(
    "removeGuestOsMapping",
    returns=Success,
    is_async=True,
    allow="A",
    since="4.4.0",
    action="GUEST.OS.MAPPING.REMOVE",
)
class RemoveGuestOsMapping:
    """Forget what a hypervisor calls a guest operating system."""

    id: Annotated[UUID, "the mapping", Names(NOUN, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = RemoveRecord(kind=NOUN, id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind=NOUN, subject_id=self.id))
