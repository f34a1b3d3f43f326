"""A note that somebody who looks after the cloud left on a thing."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("annotation")
class Annotation(Aggregate):
    """`kind` is the noun of the thing. A note for admins only is shown to root administrators."""

    kind: str
    resource_id: UUID
    text: str
    user_id: UUID
    admins_only: bool = False
