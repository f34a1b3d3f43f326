"""Ranges of storage networks: create, change, remove, list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.declare import Bound, Caller, Job, Names, Success, command
from api.errors import InvalidValue
from api.lists import list_command
from api.views.storage_network_ip_range import StorageNetworkIpRangeView
from projections.physical_network import physical_networks
from projections.pod import pods
from projections.storage_network_ip_range import storage_network_ip_ranges
from projections.traffic_type import traffic_types

KIND = "storage_network_ip_range"
VLAN = Bound(1, 4094)


@command(
    "createStorageNetworkIpRange",
    returns=StorageNetworkIpRangeView,
    key="storagenetworkiprange",
    allow="A",
    is_async=True,
    action="STORAGE.IP.RANGE.CREATE",
)
class CreateStorageNetworkIpRange:
    """Add a range of addresses to a pod's storage network."""

    pod_id: Annotated[UUID, "the pod", Names("pod", right="operate")]
    gateway: Annotated[str, "the gateway of its subnet"]
    netmask: Annotated[str, "the mask of its subnet"]
    start_ip: Annotated[str, "the first address"]
    end_ip: Annotated[str | None, "the last address; the first if omitted"] = None
    vlan: Annotated[int | None, "its VLAN", VLAN] = None

    async def run(self, caller: Caller) -> Job:
        zone_id = caller.cloud[pods][self.pod_id].zone_id
        fields = {
            "zone_id": zone_id,
            "pod_id": self.pod_id,
            "physical_network_id": self._wires(caller, zone_id),
            "gateway": self.gateway,
            "netmask": self.netmask,
            "start_ip": self.start_ip,
            "end_ip": self.end_ip or "",
            "vlan": self.vlan,
        }
        return await records.create(caller, KIND, fields)

    def _wires(self, caller: Caller, zone_id: UUID) -> UUID:
        for one in caller.cloud[physical_networks].by("zone_id", zone_id):
            carried = caller.cloud[traffic_types].by("physical_network_id", one.id)
            if any(each.traffic_type == "Storage" for each in carried):
                return one.id
        raise InvalidValue("the zone has no wires that carry Storage traffic: addTrafficType first")


@command(
    "updateStorageNetworkIpRange",
    returns=StorageNetworkIpRangeView,
    key="storagenetworkiprange",
    allow="A",
    is_async=True,
    action="STORAGE.IP.RANGE.UPDATE",
)
class UpdateStorageNetworkIpRange:
    """Change a range of a storage network."""

    id: Annotated[UUID, "the range", Names(KIND, right="operate")]
    start_ip: Annotated[str | None, "the first address"] = None
    end_ip: Annotated[str | None, "the last address"] = None
    netmask: Annotated[str | None, "the mask of its subnet"] = None
    vlan: Annotated[int | None, "its VLAN", VLAN] = None

    async def run(self, caller: Caller) -> Job:
        fields: dict[str, Any] = records.given(self, "start_ip", "end_ip", "netmask", "vlan")
        named = {name: value for name, value in fields.items() if value != ""}
        return await records.update(caller, KIND, self.id, named)


@command(
    "deleteStorageNetworkIpRange",
    returns=Success,
    allow="A",
    is_async=True,
    action="STORAGE.IP.RANGE.DELETE",
)
class DeleteStorageNetworkIpRange:
    """Remove a range of a storage network."""

    id: Annotated[UUID, "the range", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@list_command(
    "listStorageNetworkIpRange",
    view=StorageNetworkIpRangeView,
    table=storage_network_ip_ranges,
    key="storagenetworkiprange",
    keyword=("start_ip",),
    scope="admin",
    allow="A",
)
class ListStorageNetworkIpRanges:
    """List the ranges of storage networks."""

    pod_id: Annotated[UUID | None, "of this pod", Names("pod", right="see")] = None
    zone_id: Annotated[UUID | None, "of this zone", Names("zone", right="see")] = None
