"""Private gateways and static routes as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.network import networks
from projections.network_acl import network_acls
from projections.private_gateway import PrivateGateway, StaticRoute, private_gateways
from projections.vpc import vpcs
from projections.zone import zones

noun("private_gateway", "owned")
noun("static_route", "owned")


@view
class PrivateGatewayView(OwnedView, kw_only=True):
    """A VPC's way into a network that is not the cloud's."""

    id: Annotated[UUID, "its id"]
    gateway: Annotated[str, "the next router on that network"]
    netmask: Annotated[str, "the mask of that network"]
    ip_address: Annotated[str, "the address that the VPC has there"]
    vlan: Annotated[str | None, "the VLAN of that network"] = None
    zone_id: Annotated[UUID, "the zone that it is in"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    vpc_id: Annotated[UUID, "the VPC"]
    vpc_name: Annotated[str | None, "the name of the VPC"] = None
    physical_network_id: Annotated[UUID | None, "the wires that carry it"] = None
    associated_network_id: Annotated[UUID | None, "the cloud's own network behind it"] = None
    associated_network: Annotated[str | None, "the name of that network"] = None
    source_nat_supported: Annotated[bool, "whether guests go out by its address"]
    acl_id: Annotated[UUID, "the access list that says what passes"]
    acl_name: Annotated[str | None, "the name of that list"] = None
    state: Annotated[str, "always Ready"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: PrivateGateway, cloud: Cloud) -> PrivateGatewayView:
        zone, vpc = cloud[zones].get(row.zone_id), cloud[vpcs].get(row.vpc_id)
        acl = cloud[network_acls].get(row.network_acl_id)
        network = cloud[networks].get(row.associated_network_id)
        return cls(
            id=row.id,
            gateway=row.gateway,
            netmask=row.netmask,
            ip_address=row.ip_address,
            vlan=row.vlan or None,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            vpc_id=row.vpc_id,
            vpc_name=None if vpc is None else vpc.name,
            physical_network_id=row.physical_network_id,
            associated_network_id=row.associated_network_id,
            associated_network=None if network is None else network.name,
            source_nat_supported=row.source_nat,
            acl_id=row.network_acl_id,
            acl_name=None if acl is None else acl.name,
            state=row.state,
            has_annotations=False,
            **owner(row, cloud),
        )


@view
class StaticRouteView(OwnedView, kw_only=True):
    """Where packets of a VPC to some subnet go."""

    id: Annotated[UUID, "its id"]
    cidr: Annotated[str, "that subnet"]
    next_hop: Annotated[str, "the router that gets them"]
    vpc_id: Annotated[UUID, "the VPC"]
    vpc_gateway_id: Annotated[UUID | None, "the private gateway that they go through"] = None
    vpc_gateway_ip: Annotated[str | None, "the VPC's address there"] = None
    state: Annotated[str, "always Active"]
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: StaticRoute, cloud: Cloud) -> StaticRouteView:
        gateway = cloud[private_gateways].get(row.private_gateway_id)
        return cls(
            id=row.id,
            cidr=row.cidr,
            next_hop=row.next_hop,
            vpc_id=row.vpc_id,
            vpc_gateway_id=row.private_gateway_id,
            vpc_gateway_ip=None if gateway is None else gateway.ip_address,
            state=row.state,
            tags=tags_of(row.id, cloud),
            **owner(row, cloud),
        )
