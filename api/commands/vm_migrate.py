"""Move a guest to another host, with its disks if need be, and find where it could go."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Job, Names, Page, Wire, command, entry
from api.errors import InvalidValue
from api.lists import cut
from api.views.host_for_migration import HostForMigrationView
from api.views.vm import VmView
from engine.intents.vm import MigrateVm
from engine.intents.vm_life import MigrateVmWithVolumes, MoveVmDisks
from projections.host import Host, hosts
from projections.vm import vms
from projections.volume import volumes


def _elsewhere(caller: Caller, vm_id: UUID, host_id: UUID | None) -> None:
    """Refuse to move a guest to where it is."""
    vm = caller.cloud[vms][vm_id]
    if host_id is not None and host_id == vm.host_id:
        name = caller.cloud[hosts][host_id].name
        raise InvalidValue(
            f"hostid: virtual machine {vm.name} is on host {name} already: choose one of those "
            "that findHostsForMigration lists"
        )


@command(
    "migrateVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="A",
    is_async=True,
    action="VM.MIGRATE",
)
class MigrateVirtualMachine:
    """Move a running virtual machine to another host of its cluster without stopping it.

    With storageid it is the disks of a stopped one that move.
    """

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    host_id: Annotated[UUID | None, "where to; any with room if omitted", Names("host")] = None
    storage_id: Annotated[
        UUID | None, "the pool for all disks of a stopped one", Names("storage_pool")
    ] = None
    auto_select: Annotated[bool | None, "let the cloud choose the host"] = None

    async def run(self, caller: Caller) -> Job:
        if self.storage_id is not None:
            if self.host_id is not None:
                raise InvalidValue(
                    "hostid moves a running guest and storageid the disks of a "
                    "stopped one: leave one out"
                )
            ask = MoveVmDisks(vm_id=self.virtual_machine_id, pool_id=self.storage_id)
            return await caller.submit(ask)
        if self.host_id is None and self.auto_select is False:
            raise InvalidValue("say hostid, or let the cloud choose with autoselect=true")
        _elsewhere(caller, self.virtual_machine_id, self.host_id)
        return await caller.submit(MigrateVm(vm_id=self.virtual_machine_id, host_id=self.host_id))


@entry
class VolumeToPool:
    """One disk, and the pool that it shall go to."""

    volume: Annotated[UUID, "the volume", Names("volume", right="operate")]
    pool: Annotated[UUID, "the storage pool", Names("storage_pool")]


@command(
    "migrateVirtualMachineWithVolume",
    returns=VmView,
    key="virtualmachine",
    allow="A",
    is_async=True,
    action="VM.MIGRATE",
)
class MigrateVirtualMachineWithVolume:
    """Move a running virtual machine to another host, with the disks that it does not share."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    host_id: Annotated[UUID | None, "where to; any with room if omitted", Names("host")] = None
    migrate_to: Annotated[
        tuple[VolumeToPool, ...] | None, "which volume goes to which pool", Wire(type="map")
    ] = None
    auto_select: Annotated[bool | None, "let the cloud choose the host"] = None

    async def run(self, caller: Caller) -> Job:
        if self.host_id is None and not self.migrate_to and not self.auto_select:
            raise InvalidValue("say hostid, migrateto, or autoselect=true")
        _elsewhere(caller, self.virtual_machine_id, self.host_id)
        pools = {one.volume: one.pool for one in self.migrate_to or ()}
        for volume_id in pools:
            volume = caller.cloud[volumes][volume_id]
            if volume.vm_id != self.virtual_machine_id:
                raise InvalidValue(
                    f"volume {volume.name} is no disk of virtual machine "
                    f"{self.virtual_machine_id}: leave it out of migrateto"
                )
        ask = MigrateVmWithVolumes(vm_id=self.virtual_machine_id, host_id=self.host_id, pools=pools)
        return await caller.submit(ask)


@command("findHostsForMigration", returns=HostForMigrationView, key="host", shape="list", allow="A")
class FindHostsForMigration:
    """List the other hosts of a guest's zone, whether it could move to each, and if not, why."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    keyword: Annotated[str | None, "text that the host's name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        vm = caller.cloud[vms][self.virtual_machine_id]
        home = caller.cloud[hosts].get(vm.host_id)
        if home is None:
            raise InvalidValue(f"virtual machine {vm.name} is {vm.state}: only a Running one moves")
        word, kind = (self.keyword or "").casefold(), home.hypervisor.lower()
        near, far = list[Host](), list[Host]()
        for host in caller.cloud[hosts].by("zone_id", home.zone_id):
            if (
                host.hypervisor.lower() == kind
                and host.id != home.id
                and (not word or word in host.name.casefold())
            ):
                (near if host.cluster_id == home.cluster_id else far).append(host)
        found = [*near, *far]
        shown = cut(found, self.page, self.page_size, caller)
        return Page(len(found), [HostForMigrationView.suited(h, vm, caller.cloud) for h in shown])
