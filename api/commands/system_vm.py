"""System virtual machines: start, stop, restart, replace, place and list them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api import records
from api.commands import state_words
from api.declare import Caller, Job, Names, OneOf, command
from api.errors import InvalidValue, missing
from api.lists import Filter, list_command
from api.views.router import SystemVmView
from engine.intents.router import MigrateSystemVm, MoveSystemVm, ReplaceSystemVm, ResizeSystemGuest
from projections.host import hosts
from projections.system_vm import SystemVm, system_vms

KIND = "system_vm"
RUNNING, STOPPED = "Running", "Stopped"


async def _move(caller: Caller, row_id: UUID, state: str, *allowed: str) -> Job:
    ask = MoveSystemVm(id=row_id, state=state, allowed=allowed)
    return await records.as_job(caller, ask, KIND, row_id)


@command(
    "startSystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    is_async=True,
    action="SYSTEM.VM.START",
)
class StartSystemVm:
    """Start a stopped system virtual machine."""

    id: Annotated[UUID, "the machine", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _move(caller, self.id, RUNNING, STOPPED)


@command(
    "stopSystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    is_async=True,
    action="SYSTEM.VM.STOP",
)
class StopSystemVm:
    """Stop a running system virtual machine."""

    id: Annotated[UUID, "the machine", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "cut its power instead of asking"] = None

    async def run(self, caller: Caller) -> Job:
        return await _move(caller, self.id, STOPPED, RUNNING)


@command(
    "rebootSystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    is_async=True,
    action="SYSTEM.VM.REBOOT",
)
class RebootSystemVm:
    """Restart a running system virtual machine."""

    id: Annotated[UUID, "the machine", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "cut its power instead of asking"] = None

    async def run(self, caller: Caller) -> Job:
        return await _move(caller, self.id, RUNNING, RUNNING)


@command(
    "destroySystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    is_async=True,
    action="SYSTEM.VM.DESTROY",
)
class DestroySystemVm:
    """End a system virtual machine; its zone has another at once."""

    id: Annotated[UUID, "the machine", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = ReplaceSystemVm(id=self.id, next_id=caller.new_id())
        return await records.as_job(caller, ask, KIND, self.id)


@command(
    "migrateSystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    is_async=True,
    action="SYSTEM.VM.MIGRATE",
)
class MigrateSystemVmCommand:
    """Place a running system virtual machine on another host of its zone."""

    virtual_machine_id: Annotated[UUID, "the machine", Names(KIND, right="operate")]
    host_id: Annotated[UUID | None, "where to", Names("host")] = None
    storage_id: Annotated[
        UUID | None, "refused: it has no disk that could move", Names("storage_pool")
    ] = None
    auto_select: Annotated[bool | None, "choose a host"] = None

    async def run(self, caller: Caller) -> Job:
        if self.storage_id is not None:
            raise InvalidValue("storageid: a system virtual machine has no disk yet: give hostid")
        host_id = self.host_id or self._another(caller)
        ask = MigrateSystemVm(id=self.virtual_machine_id, host_id=host_id)
        return await records.as_job(caller, ask, KIND, self.virtual_machine_id)

    def _another(self, caller: Caller) -> UUID:
        if not self.auto_select:
            raise missing("migrateSystemVm", "hostid")
        row = caller.cloud[system_vms][self.virtual_machine_id]
        for host in caller.cloud[hosts].by("zone_id", row.zone_id):
            if host.id != row.host_id and host.state == "Up":
                return host.id
        raise InvalidValue(f"{row.name} can go nowhere: its zone has no other host that is Up")


@command(
    "changeServiceForSystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    action="SYSTEM.VM.UPGRADE",
)
class ChangeServiceForSystemVm:
    """Give a stopped system virtual machine another size."""

    id: Annotated[UUID, "the machine", Names(KIND, right="operate")]
    service_offering_id: Annotated[UUID, "its new size", Names("service_offering")]
    details: Annotated[dict[str, str] | None, "ignored: sizes are fixed"] = None

    async def run(self, caller: Caller) -> SystemVm:
        size = self.service_offering_id
        await caller.decide(ResizeSystemGuest(kind=KIND, id=self.id, service_offering_id=size))
        return caller.cloud[system_vms][self.id]


@command(
    "scaleSystemVm",
    returns=SystemVmView,
    key="systemvm",
    allow="A",
    is_async=True,
    envelope="changeserviceforsystemvmresponse",
    action="SYSTEM.VM.UPGRADE",
)
class ScaleSystemVm:
    """Give a stopped system virtual machine another size, as a job."""

    id: Annotated[UUID, "the machine", Names(KIND, right="operate")]
    service_offering_id: Annotated[UUID, "its new size", Names("service_offering")]
    details: Annotated[dict[str, str] | None, "ignored: sizes are fixed"] = None

    async def run(self, caller: Caller) -> Job:
        ask = ResizeSystemGuest(kind=KIND, id=self.id, service_offering_id=self.service_offering_id)
        return await records.as_job(caller, ask, KIND, self.id)


@list_command(
    "listSystemVms", view=SystemVmView, table=system_vms, key="systemvm", scope="admin", allow="AR"
)
class ListSystemVms:
    """List the system virtual machines of zones."""

    zone_id: Annotated[UUID | None, "of this zone", Names("zone", right="see")] = None
    system_vm_type: Annotated[
        str | None,
        "secondarystoragevm or consoleproxy",
        OneOf("secondarystoragevm", "consoleproxy"),
        Filter("kind"),
    ] = None
    state: Annotated[str | None, "in this state", state_words.GUEST] = None
    host_id: Annotated[UUID | None, "on this host", Names("host", right="see")] = None
    pod_id: Annotated[UUID | None, "in this pod", Names("pod", right="see"), Filter()] = None
    storage_id: Annotated[
        UUID | None,
        "finds none: they have no disks yet",
        Names("storage_pool", right="see"),
        Filter(test=lambda row, wanted: False),
    ] = None
    arch: Annotated[
        str | None, "finds none: they run nowhere", Filter(test=lambda row, wanted: False)
    ] = None

    def matches(self, row: SystemVm, caller: Caller) -> bool:
        host = caller.cloud[hosts].get(row.host_id)
        return self.pod_id is None or (host is not None and host.pod_id == self.pod_id)
