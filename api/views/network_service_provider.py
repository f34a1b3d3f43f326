"""A provider of network services as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from projections.cloud import Cloud
from projections.network_service_provider import NetworkServiceProvider


@view
class NetworkServiceProviderView(View, kw_only=True):
    id: Annotated[UUID | None, "the provider"] = None
    name: Annotated[str, "its name"]
    physical_network_id: Annotated[UUID | None, "the physical network that it serves"] = None
    state: Annotated[str | None, "Enabled or Disabled"] = None
    service_list: Annotated[list[str] | None, "services that it provides"] = None
    can_enable_individual_service: Annotated[bool, "whether services can be chosen one by one"]

    @classmethod
    def of(cls, row: NetworkServiceProvider, cloud: Cloud) -> NetworkServiceProviderView:
        return cls(
            id=row.id,
            name=row.name,
            physical_network_id=row.physical_network_id,
            state=row.state,
            service_list=list(row.services),
            can_enable_individual_service=row.name in ("VirtualRouter", "VpcVirtualRouter"),
        )
