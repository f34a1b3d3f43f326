"""How much of everything there is, by zone, pod or cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Names, OneOf, Page, command
from api.lists import cut
from api.views.capacity import CapacityView, capacities
from projections.capacities import Place
from projections.cluster import clusters
from projections.pod import pods
from projections.zone import zones


@command("listCapacity", returns=CapacityView, key="capacity", shape="list", allow="AR")
class ListCapacity:
    """List how much of everything there is and how much is given away."""

    zone_id: Annotated[UUID | None, "of this zone", Names("zone", right="see")] = None
    pod_id: Annotated[UUID | None, "of this pod", Names("pod", right="see")] = None
    cluster_id: Annotated[UUID | None, "of this cluster", Names("cluster", right="see")] = None
    type: Annotated[int | None, "which kind, as a number", Bound(0)] = None
    tag: Annotated[str | None, "of hosts and pools that carry this tag"] = None
    fetch_latest: Annotated[bool | None, "accepted; what is shown is always the latest"] = None
    sort_by: Annotated[str | None, "usage: most used first", OneOf("usage")] = None
    keyword: Annotated[str | None, "accepted; capacity has no name"] = None
    page: Annotated[int | None, "which page, from 1", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        found = [
            row
            for place in self._places(caller)
            for row in capacities(caller.cloud, place, self.type)
        ]
        if self.sort_by:
            found.sort(key=lambda row: float(row.percent_used), reverse=True)
        return Page(len(found), cut(found, self.page, self.page_size, caller))

    def _places(self, caller: Caller) -> Iterator[Place]:
        cloud, tag = caller.cloud, self.tag or ""
        if self.cluster_id is not None:
            cluster = cloud[clusters][self.cluster_id]
            yield Place(cluster.zone_id, cluster.pod_id, cluster.id, tag)
        elif self.pod_id is not None:
            yield Place(cloud[pods][self.pod_id].zone_id, self.pod_id, tag=tag)
        elif self.zone_id is not None:
            yield Place(self.zone_id, tag=tag)
        else:
            yield from (Place(zone.id, tag=tag) for zone in cloud[zones])
