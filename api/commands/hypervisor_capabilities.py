"""Commands about what kinds of hypervisor are let do."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.declare import Bound, Names, Wire, command
from api.errors import InvalidValue
from api.lists import list_command
from api.views.hypervisor_capabilities import HypervisorCapabilitiesView
from engine.intents.record import UpdateRecord
from projections.hypervisor_capabilities import HypervisorCapabilities, hypervisor_capabilities

NOUN = "hypervisor_capabilities"


@list_command(
    "listHypervisorCapabilities",
    view=HypervisorCapabilitiesView,
    table=hypervisor_capabilities,
    key="hypervisorCapabilities",
    keyword=("hypervisor",),
    scope="admin",
    allow="A",
    since="3.0.0",
)
class ListHypervisorCapabilities:
    """List what each kind of hypervisor is let do."""

    hypervisor: Annotated[str | None, "only this kind"] = None


@command(
    "updateHypervisorCapabilities",
    returns=HypervisorCapabilitiesView,
    key="hypervisorcapabilities",
    allow="A",
    since="3.0.0",
    action="HYPERVISOR.CAPABILITIES.UPDATE",
)
class UpdateHypervisorCapabilities:
    """Change what a kind of hypervisor is let do."""

    id: Annotated[UUID | None, "the row, or name its hypervisor", Names(NOUN, "operate")] = None
    hypervisor: Annotated[str | None, "the kind of hypervisor"] = None
    hypervisor_version: Annotated[str | None, "its version; default if omitted"] = None
    max_guests_limit: Annotated[int | None, "guests on one host", Bound(1), Wire(type="long")] = (
        None
    )
    max_data_volumes_limit: Annotated[int | None, "data disks of one guest", Bound(0, 14)] = None
    max_hosts_per_cluster: Annotated[int | None, "hosts of a cluster", Bound(1)] = None
    security_group_enabled: Annotated[bool | None, "whether security groups guard guests"] = None
    storage_motion_enabled: Annotated[bool | None, "whether guests move with disks"] = None
    vm_snapshot_enabled: Annotated[bool | None, "whether guests are snapshot as a whole"] = None

    async def run(self, caller: Caller) -> HypervisorCapabilities:
        row = self._row(caller)
        same = ("max_hosts_per_cluster", "security_group_enabled", "storage_motion_enabled")
        asked: dict[str, Any] = {name: getattr(self, name) for name in same}
        asked |= {
            "vm_snapshot_enabled": self.vm_snapshot_enabled,
            "max_guests": self.max_guests_limit,
            "max_data_volumes": self.max_data_volumes_limit,
        }
        fields = {name: value for name, value in asked.items() if value is not None}
        await caller.decide(UpdateRecord(kind=NOUN, id=row.id, fields=fields))
        return caller.cloud[hypervisor_capabilities][row.id]

    def _row(self, caller: Caller) -> HypervisorCapabilities:
        table = caller.cloud[hypervisor_capabilities]
        if self.id is not None:
            return table[self.id]
        if self.hypervisor is None:
            raise InvalidValue("say which: id, or hypervisor")
        version = self.hypervisor_version or "default"
        for row in table:
            if (row.hypervisor.lower(), row.hypervisor_version) == (
                self.hypervisor.lower(),
                version,
            ):
                return row
        raise InvalidValue(f"hypervisor {self.hypervisor} has no row for version {version}")
