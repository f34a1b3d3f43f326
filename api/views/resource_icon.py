"""Icons in answers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, View, view
from api.kinds import word_of
from projections.resource_icon import ResourceIcon, resource_icons


@view
class ResourceIconView(View, kw_only=True):
    """A small picture by which people tell a thing."""

    resource_type: Annotated[str, "the kind of the thing"]
    resource_id: Annotated[UUID, "the thing"]
    base64image: Annotated[str, "the picture"]

    @classmethod
    def of(cls, row: ResourceIcon, cloud: Cloud) -> ResourceIconView:
        return cls(
            resource_type=word_of(row.kind), resource_id=row.resource_id, base64image=row.image
        )


def icon_of(resource_id: UUID, cloud: Cloud) -> ResourceIconView | None:
    """What a view of a thing that can have an icon shows when it is asked to."""
    row = cloud[resource_icons].one("resource_id", resource_id)
    return None if row is None else ResourceIconView.of(row, cloud)
