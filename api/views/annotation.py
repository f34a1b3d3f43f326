"""A note as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from api.kinds import BY_NOUN
from projections.annotation import Annotation
from projections.user import users


@view
class AnnotationView(View, kw_only=True):
    """What somebody noted on a thing."""

    id: Annotated[UUID, "the note"]
    entity_type: Annotated[str, "the kind of the thing"]
    entity_id: Annotated[UUID, "the thing"]
    entity_name: Annotated[str | None, "its name"] = None
    annotation: Annotated[str, "what was noted"]
    user_id: Annotated[UUID, "who noted it"]
    username: Annotated[str | None, "the name of that user"] = None
    admins_only: Annotated[bool, "whether it is for root administrators only"]
    created: Annotated[Date, "when it was noted"]
    removed: Annotated[Date | None, "when it was taken away"] = None

    @classmethod
    def of(cls, row: Annotation, cloud: Cloud) -> AnnotationView:
        user, thing = cloud[users].get(row.user_id), cloud.table(row.kind).get(row.resource_id)
        return cls(
            id=row.id,
            entity_type=BY_NOUN[row.kind].note,
            entity_id=row.resource_id,
            entity_name=getattr(thing, "name", None),
            annotation=row.text,
            user_id=row.user_id,
            username=user.name if user else None,
            admins_only=row.admins_only,
            created=date(row.created_at_ms),
        )
