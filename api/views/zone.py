"""A zone as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Roles, View, view
from api.views.capacity import CapacityView
from api.views.resource_detail import details_of
from api.views.resource_icon import ResourceIconView
from api.views.tag import TagView, tags_of
from projections.annotation import is_noted
from projections.cloud import Cloud
from projections.zone import Zone


@view
class ZoneView(View, kw_only=True):
    id: Annotated[UUID, "the zone"]
    name: Annotated[str, "its name"]
    dns1: Annotated[str, "first resolver of guests"]
    dns2: Annotated[str | None, "second resolver of guests"] = None
    ip6_dns1: Annotated[str | None, "first IPv6 resolver of guests"] = None
    ip6_dns2: Annotated[str | None, "second IPv6 resolver of guests"] = None
    internal_dns1: Annotated[str | None, "first resolver of system VMs", Roles("Admin")] = None
    internal_dns2: Annotated[str | None, "second resolver of system VMs", Roles("Admin")] = None
    guest_cidr_address: Annotated[str | None, "subnet that isolated networks use"] = None
    domain: Annotated[str | None, "DNS domain of its networks"] = None
    domain_id: Annotated[UUID | None, "the only domain that may use it"] = None
    domain_name: Annotated[str | None, "the name of that domain"] = None
    network_type: Annotated[str, "Basic or Advanced"]
    type: Annotated[str, "Core or Edge"]
    security_groups_enabled: Annotated[bool, "whether guests are guarded by security groups"]
    allocation_state: Annotated[str, "Enabled once tenants may use it"]
    zone_token: Annotated[str | None, "token of the zone", Roles("Admin")] = None
    dhcp_provider: Annotated[str, "what answers DHCP"]
    local_storage_enabled: Annotated[bool, "whether disks may lie on hosts"]
    allow_user_specify_vr_mtu: Annotated[bool, "whether tenants choose the MTU of routers"]
    is_nsx_enabled: Annotated[bool, "whether NSX serves the zone"]
    is_multi_arch: Annotated[bool, "whether its hosts are of several architectures"]
    routed_mode_enabled: Annotated[bool, "whether networks may be routed"]
    tags: Annotated[list[TagView], "its tags"]
    capacity: Annotated[list[CapacityView] | None, "how much there is, if asked for"] = None
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None
    resource_details: Annotated[dict[str, str] | None, "what else was said of it"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: Zone, cloud: Cloud) -> ZoneView:
        domain = cloud.table("domain").get(row.domain_id)
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            dns1=row.dns1,
            dns2=row.dns2 or None,
            ip6_dns1=row.ip6_dns1 or None,
            ip6_dns2=row.ip6_dns2 or None,
            internal_dns1=row.internal_dns1,
            internal_dns2=row.internal_dns2 or None,
            guest_cidr_address=row.guest_cidr or None,
            domain=row.domain or None,
            domain_id=row.domain_id,
            domain_name=domain.name if domain else None,
            network_type=row.network_type,
            type="Edge" if row.is_edge else "Core",
            security_groups_enabled=row.security_groups_enabled,
            allocation_state=row.allocation_state,
            zone_token=row.token or None,
            dhcp_provider="VirtualRouter",
            local_storage_enabled=row.local_storage_enabled,
            allow_user_specify_vr_mtu=False,
            is_nsx_enabled=False,
            is_multi_arch=False,
            routed_mode_enabled=False,
            tags=tags_of(row.id, cloud),
            resource_details=details_of(row.id, cloud),
        )
