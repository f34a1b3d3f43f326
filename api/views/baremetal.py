"""What serves bare-metal machines, as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from projections.baremetal_service import BaremetalService

noun("baremetal_service", "admin")
noun("baremetal_rct", "admin")


def url_of(row: BaremetalService) -> str:
    return f"interface://{row.interface}" + (f":{row.port}" if row.port else "")


@view
class BaremetalDhcpView(View, kw_only=True):
    """Who gives machines their addresses."""

    id: Annotated[UUID, "this row"]
    physical_network_id: Annotated[UUID, "the physical network"]
    provider: Annotated[str, "who provides it"]
    dhcp_server_type: Annotated[str, "what it is"]
    url: Annotated[str, "from which interface of the controllers it serves"]

    @classmethod
    def of(cls, row: BaremetalService, cloud: Cloud) -> BaremetalDhcpView:
        return cls(
            id=row.id,
            physical_network_id=row.physical_network_id,
            provider="BaremetalDhcpProvider",
            dhcp_server_type=row.server_type,
            url=url_of(row),
        )


@view
class BaremetalPxeView(View, kw_only=True):
    """Who gives machines what they boot over the network."""

    id: Annotated[UUID, "this row"]
    physical_network_id: Annotated[UUID, "the physical network"]
    provider: Annotated[str, "who provides it"]
    url: Annotated[str, "from which interface of the controllers it serves, and which port"]

    @classmethod
    def of(cls, row: BaremetalService, cloud: Cloud) -> BaremetalPxeView:
        return cls(
            id=row.id,
            physical_network_id=row.physical_network_id,
            provider="BaremetalPxeProvider",
            url=url_of(row),
        )


@view
class BaremetalRctView(View, kw_only=True):
    """A description of racks: there is none."""

    id: Annotated[UUID, "the description"]
    url: Annotated[str, "where it came from"]
