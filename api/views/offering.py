"""What the answers about every kind of offering share: where, and to whom, it is offered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, Date, View, date
from projections.annotation import is_noted
from projections.domain import domains
from projections.zone import zones


class OfferingView(View, kw_only=True):
    """The fields of every offering."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    display_text: Annotated[str, "what it is"]
    created: Annotated[Date, "when it was made"]
    state: Annotated[str, "whether it can be chosen"]
    domain_id: Annotated[str | None, "the domains that it is for; all if empty"] = None
    domain: Annotated[str | None, "the names of those domains"] = None
    zone_id: Annotated[str | None, "the zones that it is for; all if empty"] = None
    zone: Annotated[str | None, "the names of those zones"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]


def offered(row: Any, cloud: Cloud) -> dict[str, Any]:
    """Those fields for the row of an offering."""
    here = [cloud[domains].get(one) for one in row.domain_ids]
    where = [cloud[zones].get(one) for one in row.zone_ids]
    return {
        "id": row.id,
        "name": row.name,
        "display_text": row.display_text or row.name,
        "created": date(row.created_at_ms),
        "state": str(row.state),
        "domain_id": joined(row.domain_ids),
        "domain": joined(one.name for one in here if one),
        "zone_id": joined(row.zone_ids),
        "zone": joined(one.name for one in where if one),
        "has_annotations": is_noted(row.id, cloud),
    }


def joined(many: Iterable[Any]) -> str | None:
    """Several as the wire writes them: with commas; nothing for none."""
    return ",".join(str(one) for one in many) or None
