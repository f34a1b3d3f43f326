"""What kinds of hypervisor are let do: known of a kind from its first cluster on.

A driver of a later release may do more, or say more of what it does not: at its start the
controller looks at the kinds that it has clusters of, and writes down what has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.world import Hosts
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.hypervisor_capabilities import hypervisor_capabilities

KIND = "hypervisor_capabilities"


@dataclass(frozen=True, slots=True)
class KnowKinds:
    """Write down what the drivers say of the kinds that the cloud has clusters of."""


def unknown_kinds(cloud: Cloud, hosts: Hosts) -> list[str]:
    """The kinds of the cloud's clusters of which the drivers say what is not written down."""
    used = {one.hypervisor for one in cloud[clusters]} & set(hosts.kinds())
    table = cloud[hypervisor_capabilities]
    return sorted(
        kind
        for kind in used
        if (row := table.one("hypervisor", kind)) is None
        or row.cannot != dict(hosts.capabilities(kind).cannot)
    )


@decision
def know_kinds(ask: KnowKinds, desk: Desk) -> None:
    for hypervisor in unknown_kinds(desk.cloud, desk.world.hosts):
        know_kind(hypervisor, desk)


def know_kind(hypervisor: str, desk: Desk) -> None:
    """What an operator has set stays; what the driver says is the driver's."""
    can = desk.world.hosts.capabilities(hypervisor)
    row = desk.cloud[hypervisor_capabilities].one("hypervisor", hypervisor)
    if row is not None:
        said = RECORDS[KIND].update(row, {"cannot": dict(can.cannot)})
        if said is not None:
            desk.change(row, said)
        return
    named = {
        "hypervisor": hypervisor,
        "storage_motion_enabled": can.storage_migration,
        "vm_snapshot_enabled": can.guest_snapshots,
        "cannot": dict(can.cannot),
    }
    if can.why_not("data_disks") is not None:
        named["max_data_volumes"] = 0
    desk.create(
        uuid5(NAMESPACE_URL, f"urn:sagastack:{KIND}:{hypervisor}"), RECORDS[KIND].create(named)
    )
