"""Places that are kept for somebody, as the wire shows them: one view for each kind of place."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from projections.dedication import Dedication, dedications

noun(dedications.kind, "admin")


class DedicatedView(View, kw_only=True):
    """For whom a place is kept. `PLACE` is its noun, which names the fields that tell it."""

    PLACE: ClassVar[str] = ""

    id: Annotated[UUID, "the dedication"]
    domain_id: Annotated[UUID, "the domain that it is for"]
    account_id: Annotated[UUID | None, "the only account of that domain that it is for"] = None

    @classmethod
    def of(cls, row: Dedication, cloud: Cloud) -> Any:
        place_id: UUID = getattr(row, f"{cls.PLACE}_id")
        place = cloud.table(cls.PLACE).get(place_id)
        told: dict[str, Any] = {
            f"{cls.PLACE}_id": place_id,
            f"{cls.PLACE}_name": place and place.name,
        }
        return cls(id=row.id, domain_id=row.domain_id, account_id=row.account_id, **told)


@view
class DedicatedZoneView(DedicatedView, kw_only=True):
    """A zone that is kept for somebody."""

    PLACE: ClassVar[str] = "zone"

    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str | None, "its name"] = None


@view
class DedicatedPodView(DedicatedView, kw_only=True):
    """A pod that is kept for somebody."""

    PLACE: ClassVar[str] = "pod"

    pod_id: Annotated[UUID, "the pod"]
    pod_name: Annotated[str | None, "its name"] = None


@view
class DedicatedClusterView(DedicatedView, kw_only=True):
    """A cluster that is kept for somebody."""

    PLACE: ClassVar[str] = "cluster"

    cluster_id: Annotated[UUID, "the cluster"]
    cluster_name: Annotated[str | None, "its name"] = None


@view
class DedicatedHostView(DedicatedView, kw_only=True):
    """A host that is kept for somebody."""

    PLACE: ClassVar[str] = "host"

    host_id: Annotated[UUID, "the host"]
    host_name: Annotated[str | None, "its name"] = None
