"""VPCs and VPC offerings as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from api.authz import noun
from api.declare import Cloud, Date, Roles, date, view
from api.views.network import NetworkView
from api.views.network_offering import ServiceView, services_of
from api.views.offering import OfferingView, offered
from api.views.owner import OwnedView, owner
from api.views.resource_icon import ResourceIconView
from api.views.tag import TagView, tags_of
from projections.network import networks
from projections.vpc import Vpc
from projections.vpc_offering import VpcOffering, vpc_offerings
from projections.zone import zones

noun("vpc", "owned")
noun("vpc_offering", "catalogue")


@view
class VpcView(OwnedView, kw_only=True):
    """A virtual private cloud."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    display_text: Annotated[str, "what its owner says of it"]
    state: Annotated[str, "Enabled, or Inactive until it is started"]
    cidr: Annotated[str, "the range that its tiers share out"]
    zone_id: Annotated[UUID, "the zone that it is in"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    vpc_offering_id: Annotated[UUID, "its offering"]
    vpc_offering_name: Annotated[str | None, "the name of that offering"] = None
    service: Annotated[list[ServiceView], "what its tiers can have"]
    network: Annotated[list[NetworkView], "its tiers"]
    network_domain: Annotated[str | None, "the DNS domain of its guests"] = None
    dns1: Annotated[str | None, "the first resolver of its guests"] = None
    dns2: Annotated[str | None, "the second resolver of its guests"] = None
    ip6_dns1: Annotated[str | None, "the first IPv6 resolver"] = None
    ip6_dns2: Annotated[str | None, "the second IPv6 resolver"] = None
    public_mtu: Annotated[int, "the largest packet towards the outside, in bytes"]
    redundant_vpc_router: Annotated[bool, "whether two routers serve it"]
    distributed_vpc_router: Annotated[bool, "whether each host routes for it"]
    region_level_vpc: Annotated[bool, "whether it reaches over several zones"]
    restart_required: Annotated[bool, "whether what serves it is out of date"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    created: Annotated[Date, "when it was made"]
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: Vpc, cloud: Cloud) -> VpcView:
        zone, offering = cloud[zones].get(row.zone_id), cloud[vpc_offerings].get(row.offering_id)
        tiers = cloud[networks].by("vpc_id", row.id)
        return cls(
            id=row.id,
            name=row.name,
            display_text=row.display_text,
            state=row.state,
            cidr=row.cidr,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            vpc_offering_id=row.offering_id,
            vpc_offering_name=None if offering is None else offering.name,
            service=services_of(row.services),
            network=[NetworkView.of(one, cloud) for one in tiers],
            network_domain=row.network_domain or None,
            dns1=row.dns1 or None,
            dns2=row.dns2 or None,
            ip6_dns1=row.ip6_dns1 or None,
            ip6_dns2=row.ip6_dns2 or None,
            public_mtu=row.public_mtu,
            redundant_vpc_router=row.is_redundant,
            distributed_vpc_router=offering is not None and offering.is_distributed,
            region_level_vpc=offering is not None and offering.is_region_level,
            restart_required=row.restart_required,
            for_display=row.is_displayed,
            created=date(row.created_at_ms),
            tags=tags_of(row.id, cloud),
            has_annotations=False,
            **owner(row, cloud),
        )


@view
class VpcOfferingView(OfferingView, kw_only=True):
    """Which services the tiers of a VPC can have."""

    is_default: Annotated[bool, "whether it came with the cloud"]
    service: Annotated[list[ServiceView], "those services"]
    distributed_vpc_router: Annotated[bool, "whether each host routes for it"]
    supports_region_level_vpc: Annotated[bool, "whether its VPCs reach over several zones"] = (
        msgspec.field(name="supportsregionLevelvpc")
    )
    network_mode: Annotated[str | None, "NATTED or ROUTED"] = None
    routing_mode: Annotated[str | None, "Static or Dynamic, if it is routed"] = None
    internet_protocol: Annotated[str, "IPv4 or DualStack"]
    for_nsx: Annotated[bool, "whether NSX serves it"]
    specify_as_number: Annotated[bool, "whether its VPCs name their AS number"]

    @classmethod
    def of(cls, row: VpcOffering, cloud: Cloud) -> VpcOfferingView:
        return cls(
            for_nsx=False,
            specify_as_number=False,
            **offered(row, cloud),
            is_default=row.is_default,
            service=services_of(row.services),
            distributed_vpc_router=row.is_distributed,
            supports_region_level_vpc=row.is_region_level,
            network_mode=row.network_mode or None,
            routing_mode=row.routing_mode or None,
            internet_protocol=row.internet_protocol,
        )
