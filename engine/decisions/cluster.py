"""Clusters: one kind of hypervisor each, and how far its hosts may be overcommitted."""

from __future__ import annotations

from aggregates.errors import Invalid
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.hypervisor_capabilities import know_kind
from engine.intents.cluster import AddCluster, UpdateCluster
from engine.intents.record import CreateRecord, UpdateRecord
from projections.cluster import clusters
from projections.host import hosts
from projections.pod import pods
from projections.setting import number_of


@decision
def add(ask: AddCluster, desk: Desk) -> None:
    pod = desk.row(pods, ask.fields["pod_id"])
    if pod.zone_id != ask.fields["zone_id"]:
        raise Invalid(f"pod {pod.name} is in another zone", field="podid")
    ratio = {
        "cpu_overcommit": number_of(desk.cloud, "cpu.overprovisioning.factor", pod.zone_id),
        "memory_overcommit": number_of(desk.cloud, "mem.overprovisioning.factor", pod.zone_id),
    }
    hypervisor = desk.world.hosts.kind(ask.fields["hypervisor"])
    fields = ratio | ask.fields | {"hypervisor": hypervisor}
    record.create(CreateRecord(kind="cluster", id=ask.id, fields=fields), desk)
    know_kind(hypervisor, desk)


def change(ask: UpdateCluster, desk: Desk) -> None:
    """All but what its hosts offer from then on."""
    cluster = desk.row(clusters, ask.id)
    fields = dict(ask.fields)
    if "hypervisor" in fields:
        fields["hypervisor"] = desk.world.hosts.kind(fields["hypervisor"])
        if fields["hypervisor"] != cluster.hypervisor and desk.cloud[hosts].by(
            "cluster_id", ask.id
        ):
            raise Invalid(
                f"cluster {cluster.name} has {cluster.hypervisor} hosts: remove them first",
                field="hypervisor",
            )
    record.update(UpdateRecord(kind="cluster", id=ask.id, fields=fields), desk)
