"""Move a running guest, and find where it could go."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Job, Names, Page, command
from api.errors import InvalidValue
from api.lists import cut
from api.views.host import MIB, HostView
from api.views.vm import VmView
from engine.intents.vm import MigrateVm
from projections.host import Host, hosts
from projections.vm import Vm, vms


@command(
    "migrateVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="A",
    is_async=True,
    action="VM.MIGRATE",
)
class MigrateVirtualMachine:
    """Move a running virtual machine to another host of its cluster without stopping it."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    host_id: Annotated[UUID | None, "where to; any with room if omitted", Names("host")] = None
    auto_select: Annotated[bool | None, "let the cloud choose the host"] = None

    async def run(self, caller: Caller) -> Job:
        if self.host_id is None and self.auto_select is False:
            raise InvalidValue("say hostid, or let the cloud choose with autoselect=true")
        return await caller.submit(MigrateVm(vm_id=self.virtual_machine_id, host_id=self.host_id))


@command("findHostsForMigration", returns=HostView, key="host", shape="list", allow="A")
class FindHostsForMigration:
    """List the other hosts of a guest's cluster, and whether it could move to each."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    keyword: Annotated[str | None, "text that the host's name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        vm = caller.cloud[vms][self.virtual_machine_id]
        home = caller.cloud[hosts].get(vm.host_id)
        if home is None:
            raise InvalidValue(f"virtual machine {vm.name} is {vm.state}: only a Running one moves")
        word = (self.keyword or "").casefold()
        found = [
            host
            for host in caller.cloud[hosts].by("cluster_id", home.cluster_id)
            if host.id != home.id and word in host.name.casefold()
        ]
        shown = cut(found, self.page, self.page_size)
        return Page(len(found), [_suited(host, vm, caller) for host in shown])


def _suited(host: Host, vm: Vm, caller: Caller) -> HostView:
    """The host with what an administrator asks first: is it usable, and has it room?"""
    made = HostView.of(host, caller.cloud)
    free_mhz = int(made.cpu_with_overprovisioning or 0) - (made.cpu_allocated_value or 0)
    free_bytes = int(made.memory_with_overprovisioning or 0) - (made.memory_allocated or 0)
    has_room = free_mhz >= vm.cpu_count * vm.cpu_mhz and free_bytes >= vm.memory_mib * MIB
    made.has_enough_capacity = has_room
    made.suitable_for_migration = has_room and host.is_usable
    return made
