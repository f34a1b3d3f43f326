"""Places that are kept for somebody, as the wire shows them: one view for each kind of place."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from projections.cluster import clusters
from projections.dedication import Dedication, dedications
from projections.host import hosts
from projections.pod import pods
from projections.zone import zones

noun(dedications.kind, "admin")


class DedicatedView(View, kw_only=True):
    """For whom a place is kept."""

    id: Annotated[UUID, "the dedication"]
    domain_id: Annotated[UUID, "the domain that it is for"]
    account_id: Annotated[UUID | None, "the only account of that domain that it is for"] = None


def _whose(row: Dedication) -> dict[str, Any]:
    return {"domain_id": row.domain_id, "account_id": row.account_id}


def _name(place: Any) -> str | None:
    return None if place is None else str(place.name)


@view
class DedicatedZoneView(DedicatedView, kw_only=True):
    zone_id: Annotated[UUID | None, "the zone"] = None
    zone_name: Annotated[str | None, "its name"] = None

    @classmethod
    def of(cls, row: Dedication, cloud: Cloud) -> DedicatedZoneView:
        place = cloud[zones].get(row.zone_id)
        return cls(id=row.id, zone_id=row.zone_id, zone_name=_name(place), **_whose(row))


@view
class DedicatedPodView(DedicatedView, kw_only=True):
    pod_id: Annotated[UUID | None, "the pod"] = None
    pod_name: Annotated[str | None, "its name"] = None

    @classmethod
    def of(cls, row: Dedication, cloud: Cloud) -> DedicatedPodView:
        place = cloud[pods].get(row.pod_id)
        return cls(id=row.id, pod_id=row.pod_id, pod_name=_name(place), **_whose(row))


@view
class DedicatedClusterView(DedicatedView, kw_only=True):
    cluster_id: Annotated[UUID | None, "the cluster"] = None
    cluster_name: Annotated[str | None, "its name"] = None

    @classmethod
    def of(cls, row: Dedication, cloud: Cloud) -> DedicatedClusterView:
        place = cloud[clusters].get(row.cluster_id)
        return cls(id=row.id, cluster_id=row.cluster_id, cluster_name=_name(place), **_whose(row))


@view
class DedicatedHostView(DedicatedView, kw_only=True):
    host_id: Annotated[UUID | None, "the host"] = None
    host_name: Annotated[str | None, "its name"] = None

    @classmethod
    def of(cls, row: Dedication, cloud: Cloud) -> DedicatedHostView:
        place = cloud[hosts].get(row.host_id)
        return cls(id=row.id, host_id=row.host_id, host_name=_name(place), **_whose(row))
