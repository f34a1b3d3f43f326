"""What a hypervisor calls a guest operating system, as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, View, view
from projections.guest_os_mapping import GuestOsMapping
from projections.os_type import os_types


@view
class GuestOsMappingView(View, kw_only=True):
    id: Annotated[UUID, "its id"]
    hypervisor: Annotated[str, "the hypervisor"]
    hypervisor_version: Annotated[str, "its version, or default"]
    os_type_id: Annotated[UUID, "the operating system"]
    os_display_name: Annotated[str | None, "what people call that operating system"] = None
    os_name_for_hypervisor: Annotated[str, "what the hypervisor calls it"]
    is_user_defined: Annotated[str, "whether an administrator added it"]

    @classmethod
    def of(cls, row: GuestOsMapping, cloud: Cloud) -> GuestOsMappingView:
        os_type = cloud[os_types].get(row.os_type_id)
        return cls(
            id=row.id,
            hypervisor=row.hypervisor,
            hypervisor_version=row.hypervisor_version,
            os_type_id=row.os_type_id,
            os_display_name=os_type.name if os_type else None,
            os_name_for_hypervisor=row.name_for_hypervisor,
            is_user_defined=str(row.is_user_defined).lower(),
        )
