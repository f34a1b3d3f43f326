"""How much of everything there is, and how much is given away: one row a kind and place."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from projections.capacities import NAMES, Place, measured
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.pod import pods
from projections.zone import zones


@view
class CapacityView(View, kw_only=True):
    """One kind of capacity in one place."""

    type: Annotated[int, "which kind, as a number"]
    name: Annotated[str, "which kind, as a word"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    pod_id: Annotated[UUID | None, "the pod, if it is about one"] = None
    pod_name: Annotated[str | None, "its name"] = None
    cluster_id: Annotated[UUID | None, "the cluster, if it is about one"] = None
    cluster_name: Annotated[str | None, "its name"] = None
    capacity_allocated: Annotated[int, "how much is promised"]
    capacity_used: Annotated[int, "how much is in use"]
    capacity_total: Annotated[int, "how much there is, overcommit included"]
    percent_used: Annotated[str, "used of total, in percent"]
    tag: Annotated[str | None, "the tag that it is about"] = None


def percent(used: float, total: float) -> str:
    """A share as the wire writes it, without a sign."""
    return f"{100 * used / total:.2f}" if total else "0"


def capacities(cloud: Cloud, place: Place, only: int | None = None) -> list[CapacityView]:
    """Every kind of capacity that a place has, or the one asked for."""
    return [_row(cloud, place, *found) for found in measured(cloud, place, only)]


def _row(cloud: Cloud, place: Place, kind: int, used: int, total: int) -> CapacityView:
    pod, cluster = cloud[pods].get(place.pod_id), cloud[clusters].get(place.cluster_id)
    if cluster is not None:
        pod = cloud[pods].get(cluster.pod_id)
    return CapacityView(
        type=kind,
        name=NAMES[kind],
        zone_id=place.zone_id,
        zone_name=cloud[zones][place.zone_id].name,
        pod_id=pod.id if pod else None,
        pod_name=pod.name if pod else None,
        cluster_id=cluster.id if cluster else None,
        cluster_name=cluster.name if cluster else None,
        capacity_allocated=used,
        capacity_used=used,
        capacity_total=total,
        percent_used=percent(used, total),
        tag=place.tag or None,
    )
