"""A physical network as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from projections.cloud import Cloud
from projections.physical_network import PhysicalNetwork
from projections.zone import zones


@view
class PhysicalNetworkView(View, kw_only=True):
    id: Annotated[UUID, "the physical network"]
    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    state: Annotated[str, "Enabled or Disabled"]
    broadcast_domain_range: Annotated[str, "ZONE or POD"]
    vlan: Annotated[str | None, "VLAN ranges of isolated networks"] = None
    domain_id: Annotated[UUID | None, "the only domain that may use it"] = None
    tags: Annotated[str | None, "its tags"] = None
    isolation_methods: Annotated[str | None, "how networks on it are kept apart"] = None
    network_speed: Annotated[str | None, "its speed"] = None

    @classmethod
    def of(cls, row: PhysicalNetwork, cloud: Cloud) -> PhysicalNetworkView:
        return cls(
            id=row.id,
            name=row.name,
            zone_id=row.zone_id,
            zone_name=cloud[zones][row.zone_id].name,
            state=row.state,
            broadcast_domain_range=row.broadcast_domain_range,
            vlan=row.vlans or None,
            domain_id=row.domain_id,
            tags=row.tags or None,
            isolation_methods=row.isolation_methods or None,
            network_speed=row.network_speed or None,
        )
