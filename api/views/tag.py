"""Tags in an answer: each thing that can be tagged shows its own."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, view
from api.kinds import word_of
from api.views.owner import OwnedView, owner
from projections.tag import Tag, tags


@view
class TagView(OwnedView, kw_only=True):
    """A tag on a thing."""

    key: Annotated[str, "its key"]
    value: Annotated[str, "its value"]
    resource_type: Annotated[str, "the kind of the thing"]
    resource_id: Annotated[UUID, "the thing"]
    customer: Annotated[str | None, "whom it is for"] = None

    @classmethod
    def of(cls, row: Tag, cloud: Cloud) -> TagView:
        return cls(
            key=row.key,
            value=row.value,
            resource_type=word_of(row.kind),
            resource_id=row.resource_id,
            customer=row.customer or None,
            **owner(row, cloud),
        )


def tags_of(resource_id: UUID, cloud: Cloud) -> list[TagView]:
    """What every view of a taggable thing puts into its field `tags`."""
    return [TagView.of(tag, cloud) for tag in cloud[tags].by("resource_id", resource_id)]
