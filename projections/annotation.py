"""Notes as they are read."""

from uuid import UUID

from aggregates.annotation import Annotation
from projections.attached import Attached
from projections.cloud import Cloud
from projections.table import table

notes = table(Annotation, indexed=("resource_id", "user_id"), make=Attached)


def is_noted(resource_id: UUID, cloud: Cloud) -> bool:
    """Is there a note on a thing? One that is for administrators only is kept from everybody."""
    return any(not one.admins_only for one in cloud[notes].by("resource_id", resource_id))


__all__ = ["Annotation", "is_noted", "notes"]
