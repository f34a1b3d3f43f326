"""Instance groups as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, date, view
from api.views.owner import OwnedView, owner
from projections.annotation import is_noted
from projections.instance_group import InstanceGroup


@view
class InstanceGroupView(OwnedView, kw_only=True):
    """A name under which its owner gathers guests."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    created: Annotated[Date, "when it was made"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: InstanceGroup, cloud: Cloud) -> InstanceGroupView:
        return cls(
            id=row.id,
            name=row.name,
            created=date(row.created_at_ms),
            has_annotations=is_noted(row.id, cloud),
            **owner(row, cloud),
        )
