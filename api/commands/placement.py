"""Why a guest is placed where it is, or nowhere: asked before anybody deploys anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.commands.job import OURS
from api.commands.vm_checks import root_disk_bytes, size_of, usable_template
from api.declare import Bound, Caller, Names, command
from api.errors import InvalidValue, missing
from api.fields import wire_name
from api.views.job import HostRefusedView, PlacementView, PoolRefusedView
from engine.intents.placement import DiskRoom, ExplainPlacement
from projections.host import hosts
from projections.service_offering import service_offerings
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes
from projections.zone import zones

GIB_MAX = 65_536


@command(
    "explainPlacement",
    returns=PlacementView,
    key="placement",
    allow="A",
    since=OURS,
    reads=True,
)
class ExplainWhere:
    """Say which host a guest would be placed on now, and what refuses it on each other host."""

    zone_id: Annotated[
        UUID | None, "the zone to deploy into; the guest's if omitted", Names("zone")
    ] = None
    service_offering_id: Annotated[
        UUID | None, "what sizes the guest; not needed for one that exists",
        Names("service_offering"),
    ] = None  # fmt: skip
    virtual_machine_id: Annotated[
        UUID | None, "a guest that exists: where it could be started", Names("vm", right="see")
    ] = None
    template_id: Annotated[
        UUID | None, "what its root disk is made from; without it, disks are not looked at",
        Names("template"),
    ] = None  # fmt: skip
    hypervisor: Annotated[str | None, "the kind of host; the template's if omitted"] = None
    pod_id: Annotated[UUID | None, "only there", Names("pod")] = None
    cluster_id: Annotated[UUID | None, "only there", Names("cluster")] = None
    host_id: Annotated[UUID | None, "only there", Names("host")] = None
    root_disk_size: Annotated[int | None, "root disk in GiB", Bound(1, GIB_MAX)] = None
    details: Annotated[dict[str, str] | None, "cpuNumber, cpuSpeed and memory"] = None
    affinity_group_ids: Annotated[
        tuple[UUID, ...] | None, "the affinity groups that it would be in", Names("affinity_group")
    ] = None
    account_id: Annotated[
        UUID | None, "whom it would belong to: what is dedicated to others is closed to it",
        Names("account", right="see"),
    ] = None  # fmt: skip

    async def run(self, caller: Caller) -> PlacementView:
        ask = self._of_guest(caller) if self.virtual_machine_id else self._ask(caller)
        found = await caller.engine.explain(ask)
        cloud = caller.cloud
        return PlacementView(
            suitable=found.host_id is not None,
            host_id=found.host_id,
            host_name=_name(cloud[hosts].get(found.host_id)),
            counts=found.counts,
            affinity=list(found.affinity),
            reasons=list(found.reasons),
            pool=[
                PoolRefusedView(
                    pool_id=one.pool_id,
                    pool_name=_name(cloud[storage_pools].get(one.pool_id)),
                    rule=one.rule,
                    text=one.text,
                )
                for one in found.pools
            ],
            host=[
                HostRefusedView(
                    host_id=one.host_id,
                    host_name=_name(cloud[hosts].get(one.host_id)),
                    rule=one.rule,
                    text=one.text,
                )
                for one in found.refused
            ],
        )

    def _of_guest(self, caller: Caller) -> ExplainPlacement:
        """A guest as it is: the disks that lie in a pool already tie it to what reaches that."""
        for name in ("zone_id", "service_offering_id", "template_id", "account_id", "details"):
            if getattr(self, name) is not None:
                raise InvalidValue(f"{wire_name(name)} follows from virtualmachineid: leave it out")
        cloud = caller.cloud
        vm = cloud[vms][self.virtual_machine_id] if self.virtual_machine_id else None
        assert vm is not None, "run() sees to it"
        disks = list(cloud[volumes].by("vm_id", vm.id))
        pools = [pool for one in disks if (pool := cloud[storage_pools].get(one.pool_id))]
        return ExplainPlacement(
            id=caller.new_id(),
            zone_id=vm.zone_id,
            pod_id=self.pod_id,
            cluster_id=self.cluster_id or _first(pool.cluster_id for pool in pools),
            host_id=self.host_id or _first(pool.host_id for pool in pools),
            hypervisor=self.hypervisor or vm.hypervisor,
            cpu_count=vm.cpu_count,
            cpu_mhz=vm.cpu_mhz,
            memory_mib=vm.memory_mib,
            host_tags=frozenset(vm.host_tags),
            disks=tuple(DiskRoom(size_bytes=d.size_bytes) for d in disks if d.pool_id is None),
            affinity_group_ids=self.affinity_group_ids or tuple(vm.affinity_group_ids),
            account_id=vm.account_id,
            vm_id=vm.id,
            last_host_id=vm.last_host_id,
        )

    def _ask(self, caller: Caller) -> ExplainPlacement:
        if self.zone_id is None or self.service_offering_id is None:
            raise missing("explainPlacement", "serviceofferingid" if self.zone_id else "zoneid")
        zone = caller.cloud[zones][self.zone_id]
        offering = caller.cloud[service_offerings][self.service_offering_id]
        size = size_of(offering, self.details or {}, zone)
        hypervisor, disks = self.hypervisor, list[DiskRoom]()
        if self.template_id is not None:
            template = usable_template(caller, self.template_id, zone)
            if hypervisor and hypervisor.lower() != template.hypervisor.lower():
                raise InvalidValue(
                    f"template {template.name} is for {template.hypervisor}: leave hypervisor out"
                )
            hypervisor = template.hypervisor
            size_bytes = root_disk_bytes(template, offering, self.root_disk_size)
            disks = [DiskRoom(size_bytes=size_bytes, tags=frozenset(offering.storage_tags))]
        return ExplainPlacement(
            id=caller.new_id(),
            zone_id=zone.id,
            pod_id=self.pod_id,
            cluster_id=self.cluster_id,
            host_id=self.host_id,
            hypervisor=hypervisor,
            cpu_count=size.cpu_count,
            cpu_mhz=size.cpu_mhz,
            memory_mib=size.memory_mib,
            host_tags=frozenset(size.host_tags),
            disks=tuple(disks),
            affinity_group_ids=self.affinity_group_ids or (),
            account_id=self.account_id,
        )


def _name(row: Any) -> str | None:
    return None if row is None else str(row.name)


def _first(ids: Iterable[UUID | None]) -> UUID | None:
    return next((one for one in ids if one is not None), None)
