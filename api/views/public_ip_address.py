"""A public address as clients see it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import View, view


@view
class PublicIpAddressView(View, kw_only=True):
    id: Annotated[UUID, "the address"]
    ip_address: Annotated[str, "as people write it"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    state: Annotated[str, "Allocated or Free"]
    vlan_id: Annotated[UUID | None, "the range that it is of"] = None
    vlan_name: Annotated[str | None, "the VLAN of that range"] = None
    physical_network_id: Annotated[UUID | None, "the physical network"] = None
    for_virtual_network: Annotated[bool, "true for public addresses"]
    is_source_nat: Annotated[bool, "whether a network's guests go out by it"]
    is_static_nat: Annotated[bool, "whether it belongs to one guest"]
    is_system: Annotated[bool, "whether it serves the cloud itself"]
    is_portable: Annotated[bool, "whether it can move between zones"]
    tags: Annotated[list[dict[str, Any]], "its tags"]
