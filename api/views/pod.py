"""A pod as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from api.views.capacity import CapacityView
from projections.annotation import is_noted
from projections.cloud import Cloud
from projections.pod import Pod
from projections.zone import zones


@view
class IpRangeView(View, kw_only=True):
    """A range of management addresses."""

    start_ip: Annotated[str, "first address"]
    end_ip: Annotated[str, "last address"]
    gateway: Annotated[str, "gateway"]
    cidr: Annotated[str | None, "subnet"] = None
    for_system_vms: Annotated[str, "1 if system VMs take from it"]
    vlan_id: Annotated[str | None, "its VLAN"] = None


@view
class PodView(View, kw_only=True):
    id: Annotated[UUID, "the pod"]
    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    gateway: Annotated[str, "gateway of the management subnet"]
    netmask: Annotated[str, "its netmask"]
    ip_ranges: Annotated[list[IpRangeView], "management addresses"]
    start_ip: Annotated[list[str], "first address of each range"]
    end_ip: Annotated[list[str], "last address of each range"]
    for_system_vms: Annotated[list[str], "1 for each range that system VMs take from"]
    vlan_id: Annotated[list[str], "VLAN of each range"]
    allocation_state: Annotated[str, "Enabled or Disabled"]
    capacity: Annotated[list[CapacityView] | None, "how much there is, if asked for"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: Pod, cloud: Cloud) -> PodView:
        last = row.end_ip or row.start_ip
        made = IpRangeView(
            start_ip=row.start_ip, end_ip=last, gateway=row.gateway, for_system_vms="0"
        )
        ranges = [made] if row.start_ip else []
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            zone_id=row.zone_id,
            zone_name=cloud[zones][row.zone_id].name,
            gateway=row.gateway,
            netmask=row.netmask,
            ip_ranges=ranges,
            start_ip=[one.start_ip for one in ranges],
            end_ip=[one.end_ip for one in ranges],
            for_system_vms=[one.for_system_vms for one in ranges],
            vlan_id=["untagged" for _ in ranges],
            allocation_state=row.allocation_state,
        )
