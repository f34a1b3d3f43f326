"""An image store as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from projections.annotation import is_noted
from projections.cloud import Cloud
from projections.image_store import ImageStore
from projections.zone import zones


@view
class ImageStoreView(View, kw_only=True):
    id: Annotated[UUID, "the image store"]
    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID | None, "the zone that it serves"] = None
    zone_name: Annotated[str | None, "its name"] = None
    url: Annotated[str, "where it is"]
    protocol: Annotated[str, "how it is reached"]
    provider_name: Annotated[str, "what kind it is"]
    scope: Annotated[str, "ZONE or REGION"]
    read_only: Annotated[bool, "whether nothing new is put into it"]
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: ImageStore, cloud: Cloud) -> ImageStoreView:
        zone = cloud[zones].get(row.zone_id)
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            zone_id=row.zone_id,
            zone_name=zone.name if zone else None,
            url=row.url,
            protocol=row.protocol,
            provider_name=row.provider,
            scope=row.scope,
            read_only=row.read_only,
        )
