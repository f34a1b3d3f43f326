"""Guest operating systems and their families as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from api.views.resource_icon import ResourceIconView
from projections.os_category import OsCategory, os_categories
from projections.os_type import OsType


@view
class OsTypeView(View, kw_only=True):
    """A guest operating system."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    description: Annotated[str, "its name"]
    os_category_id: Annotated[UUID, "its family"]
    os_category_name: Annotated[str | None, "the name of that family"] = None
    is_user_defined: Annotated[bool, "whether an administrator added it"]
    for_display: Annotated[bool, "whether users see it"]

    @classmethod
    def of(cls, row: OsType, cloud: Cloud) -> OsTypeView:
        family = cloud[os_categories].get(row.category_id)
        return cls(
            id=row.id,
            name=row.name,
            description=row.name,
            os_category_id=row.category_id,
            os_category_name=family.name if family else None,
            is_user_defined=row.is_user_defined,
            for_display=row.is_displayed,
        )


@view
class OsCategoryView(View, kw_only=True):
    """A family of guest operating systems."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    is_featured: Annotated[bool, "whether it is shown first"]
    created: Annotated[Date, "when it was made"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: OsCategory, cloud: Cloud) -> OsCategoryView:
        created = date(row.created_at_ms)
        return cls(id=row.id, name=row.name, is_featured=row.is_featured, created=created)
