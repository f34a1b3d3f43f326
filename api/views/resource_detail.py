"""A detail of a thing as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view


@view
class ResourceDetailView(View, kw_only=True):
    """Something more about a thing."""

    resource_id: Annotated[UUID, "the thing"]
    resource_type: Annotated[str, "its kind"]
    key: Annotated[str, "what it is"]
    value: Annotated[str, "its value"]
    for_display: Annotated[bool, "whether others than administrators see it"]
