"""Pods: a management subnet that overlaps no other of its zone, and the addresses in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.errors import Invalid
from aggregates.pod import Pod
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.address_space import close_space, open_space, spaces_of
from engine.decisions.ip4 import Ip4Range, ip4_range
from engine.intents.pod import CreatePod, RemovePod, UpdatePod
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.pod import pods
from projections.zone import zones

RANGE = ("gateway", "netmask", "start_ip", "end_ip")


@decision
def create(ask: CreatePod, desk: Desk) -> None:
    zone = desk.row(zones, ask.fields["zone_id"])
    record.create(CreateRecord(kind="pod", id=ask.id, fields=ask.fields), desk)
    if any(ask.fields.get(name) for name in RANGE) or not zone.is_edge:
        _open(desk, ask.id, ask.space_id, zone.id, _range(ask.fields))


def change(ask: UpdatePod, desk: Desk) -> None:
    """All but what its hosts offer from then on."""
    pod = desk.row(pods, ask.id)
    record.update(UpdateRecord(kind="pod", id=ask.id, fields=ask.fields), desk)
    after = {name: ask.fields.get(name, getattr(pod, name)) for name in RANGE}
    if any(after[name] != getattr(pod, name) for name in RANGE):
        for space in spaces_of(desk, "pod_id", pod.id, "pod_ip4"):
            close_space(desk, space, f"addresses of pod {pod.name}")
        _open(desk, pod.id, ask.space_id, pod.zone_id, _range(after))


@decision
def remove(ask: RemovePod, desk: Desk) -> None:
    pod = desk.row(pods, ask.id)
    for space in spaces_of(desk, "pod_id", pod.id, "pod_ip4"):
        close_space(desk, space, f"addresses of pod {pod.name}")
    record.remove(RemoveRecord(kind="pod", id=ask.id), desk)


def range_of(pod: Pod) -> Ip4Range | None:
    """The pod's addresses; None for a pod of an edge zone, which may have none."""
    return _range({name: getattr(pod, name) for name in RANGE}) if pod.start_ip else None


def _range(fields: dict[str, Any]) -> Ip4Range:
    for name, wire in (("gateway", "gateway"), ("netmask", "netmask"), ("start_ip", "startip")):
        if not fields.get(name):
            raise Invalid(f"a pod needs {wire}: only pods of edge zones have none", field=wire)
    return ip4_range(**{name: str(fields.get(name) or "") for name in RANGE})


def _open(desk: Desk, pod_id: UUID, space_id: UUID, zone_id: UUID, wanted: Ip4Range) -> None:
    wanted.leave_gateway_out()
    # Two pods at one moment both claim the zone, so that the later one sees the other.
    record.claim("pod_range", {"zone_id": zone_id}, pod_id, desk)
    for other in desk.cloud[pods].by("zone_id", zone_id):
        theirs = range_of(other) if other.id != pod_id else None
        if theirs is not None and theirs.subnet.overlaps(wanted.subnet):
            raise Invalid(
                f"the subnet {wanted.subnet} overlaps {theirs.subnet} of pod {other.name}: "
                "pods of a zone have subnets of their own",
                field="gateway",
            )
    open_space(
        desk,
        space_id,
        purpose="pod_ip4",
        zone_id=zone_id,
        pod_id=pod_id,
        first=int(wanted.first),
        last=int(wanted.last),
    )
