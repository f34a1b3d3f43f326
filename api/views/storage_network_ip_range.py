"""A range of a storage network as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from projections.storage_network_ip_range import StorageNetworkIpRange

noun("storage_network_ip_range", "admin")


@view
class StorageNetworkIpRangeView(View, kw_only=True):
    """A range of addresses of a pod's storage network."""

    id: Annotated[UUID, "the range"]
    zone_id: Annotated[UUID, "its zone"]
    pod_id: Annotated[UUID, "its pod"]
    network_id: Annotated[UUID, "the wires that carry it"]
    gateway: Annotated[str, "the gateway of its subnet"]
    netmask: Annotated[str, "the mask of its subnet"]
    start_ip: Annotated[str, "the first address"]
    end_ip: Annotated[str, "the last address"]
    vlan: Annotated[int | None, "its VLAN"] = None

    @classmethod
    def of(cls, row: StorageNetworkIpRange, cloud: Cloud) -> StorageNetworkIpRangeView:
        return cls(
            id=row.id,
            zone_id=row.zone_id,
            pod_id=row.pod_id,
            network_id=row.physical_network_id,
            gateway=row.gateway,
            netmask=row.netmask,
            start_ip=row.start_ip,
            end_ip=row.end_ip,
            vlan=row.vlan,
        )
