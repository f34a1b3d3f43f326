"""Why a guest is placed where it is, or nowhere: asked before anybody deploys anything."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.job import OURS
from api.commands.vm_checks import root_disk_bytes, size_of, usable_template
from api.declare import Bound, Caller, Names, command
from api.errors import InvalidValue
from api.views.job import HostRefusedView, PlacementView
from engine.intents.placement import DiskRoom, ExplainPlacement
from projections.host import hosts
from projections.service_offering import service_offerings
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

    zone_id: Annotated[UUID, "the zone to deploy into", Names("zone")]
    service_offering_id: Annotated[UUID, "what sizes the guest", Names("service_offering")]
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

    async def run(self, caller: Caller) -> PlacementView:
        found = await caller.engine.explain(self._ask(caller))
        table = caller.cloud[hosts]
        chosen = table.get(found.host_id)
        refused = [
            HostRefusedView(
                host_id=one.host_id,
                host_name=row.name if (row := table.get(one.host_id)) else None,
                rule=one.rule,
                text=one.text,
            )
            for one in found.refused
        ]
        return PlacementView(
            suitable=found.host_id is not None,
            host_id=found.host_id,
            host_name=None if chosen is None else chosen.name,
            counts=found.counts,
            affinity=list(found.affinity),
            host=refused,
        )

    def _ask(self, caller: Caller) -> ExplainPlacement:
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
        )
