"""Access lists and their items as the wire shows them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.caller import Identity
from api.declare import Cloud, Roles, View, view
from api.views.tag import TagView, tags_of
from projections.network_acl import NetworkAcl, NetworkAclItem, network_acls
from projections.vpc import vpcs


def _built_in(row: Any, caller: Identity) -> bool:
    """What belongs to nobody is everybody's to see and use."""
    return row.account_id is None


noun("network_acl", "owned", shared=_built_in)
noun("network_acl_item", "owned", shared=_built_in)


@view
class NetworkAclView(View, kw_only=True):
    """A list of what passes to and from a tier of a VPC."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what its owner says of it"] = None
    vpc_id: Annotated[UUID | None, "the VPC that it belongs to; none for a built-in one"] = None
    vpc_name: Annotated[str | None, "the name of that VPC"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    @classmethod
    def of(cls, row: NetworkAcl, cloud: Cloud) -> NetworkAclView:
        vpc = cloud[vpcs].get(row.vpc_id)
        return cls(
            id=row.id,
            name=row.name,
            description=row.description or None,
            vpc_id=row.vpc_id,
            vpc_name=None if vpc is None else vpc.name,
            for_display=row.is_displayed,
        )


@view
class NetworkAclItemView(View, kw_only=True):
    """One line of an access list."""

    id: Annotated[UUID, "its id"]
    number: Annotated[int, "its place: lines are tried by ascending number"]
    action: Annotated[str, "Allow or Deny"]
    traffic_type: Annotated[str, "Ingress or Egress"]
    protocol: Annotated[str, "tcp, udp, icmp, all, or a protocol's number"]
    start_port: Annotated[str | None, "the first port"] = None
    end_port: Annotated[str | None, "the last port"] = None
    icmp_type: Annotated[int | None, "the type of message; -1 for all"] = None
    icmp_code: Annotated[int | None, "the code of message; -1 for all"] = None
    cidr_list: Annotated[str, "the subnets, with commas"]
    reason: Annotated[str | None, "why it is there"] = None
    state: Annotated[str, "always Active"]
    acl_id: Annotated[UUID, "the list that it is a line of"]
    acl_name: Annotated[str | None, "the name of that list"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: NetworkAclItem, cloud: Cloud) -> NetworkAclItemView:
        acl = cloud[network_acls].get(row.network_acl_id)
        return cls(
            id=row.id,
            number=row.number,
            action=row.action,
            traffic_type=row.traffic_type,
            protocol=row.protocol,
            start_port=None if row.start_port is None else str(row.start_port),
            end_port=None if row.end_port is None else str(row.end_port),
            icmp_type=row.icmp_type,
            icmp_code=row.icmp_code,
            cidr_list=",".join(row.cidrs),
            reason=row.reason or None,
            state="Active",
            acl_id=row.network_acl_id,
            acl_name=None if acl is None else acl.name,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
        )
