"""How findings and parked jobs are shown to those who look after the cloud."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from projections.finding import Finding

# CloudStack's numbers: 8 is about a guest, 12 about storage.
GUEST, STORAGE = 8, 12


@view
class AlertView(View, kw_only=True):
    """Something that a person should look at."""

    id: Annotated[UUID, "the alert"]
    type: Annotated[int, "8 about a guest, 12 about storage"]
    name: Annotated[str, "what was found, in two words"]
    description: Annotated[str, "what was found and what is done about it"]
    sent: Annotated[Date, "when it was found"]
    place_id: Annotated[UUID, "the host or pool that it was found on"]
    subject: Annotated[str, "the id or the name of the thing"]

    @classmethod
    def of(cls, row: Finding, cloud: Cloud) -> AlertView:
        return cls(
            id=row.id,
            type=type_of(row),
            name=str(row.finding),
            description=row.text,
            sent=date(row.created_at_ms),
            place_id=row.place_id,
            subject=row.subject,
        )


def is_of_type(row: Finding, wanted: int) -> bool:
    return type_of(row) == wanted


def type_of(row: Finding) -> int:
    return GUEST if str(row.finding).endswith("guest") else STORAGE
