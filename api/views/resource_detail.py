"""A detail of a thing as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, View, view
from projections.resource_detail import resource_details


@view
class ResourceDetailView(View, kw_only=True):
    """Something more about a thing."""

    resource_id: Annotated[UUID, "the thing"]
    resource_type: Annotated[str, "its kind"]
    key: Annotated[str, "what it is"]
    value: Annotated[str, "its value"]
    for_display: Annotated[bool, "whether others than administrators see it"]


def details_of(resource_id: UUID, cloud: Cloud) -> dict[str, str] | None:
    """What everybody may see of a thing's details, for the view of that thing."""
    found = cloud[resource_details].by("resource_id", resource_id)
    return {one.key: one.value for one in found if one.is_displayed} or None
