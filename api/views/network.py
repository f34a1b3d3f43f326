"""A guest network as the wire shows it, and who may see one that is shared."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.caller import Identity
from api.declare import Cloud, Date, Roles, View, date, view
from api.views.network_offering import ServiceView, services_of
from api.views.owner import OwnedView, owner
from api.views.resource_icon import ResourceIconView
from api.views.tag import TagView, tags_of
from projections.annotation import is_noted
from projections.network import Network
from projections.network_acl import network_acls
from projections.network_offering import network_offerings
from projections.project import projects
from projections.vpc import vpcs
from projections.zone import zones


def _shared_below(row: Any) -> UUID | None:
    """A network with the access of a domain is open to that domain and all below it."""
    return row.domain_id if row.acl_type == "Domain" else None


def _permitted(row: Any, caller: Identity) -> bool:
    """May these accounts put guests on it, though it is another's?"""
    return caller.account_id in row.permitted or not caller.projects.isdisjoint(row.permitted)


noun("network", "owned", shared_below=_shared_below, shared=_permitted)


@view
class NetworkView(OwnedView, kw_only=True):
    """A guest network."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    display_text: Annotated[str, "what its owner says of it"]
    type: Annotated[str, "Isolated, Shared or L2"]
    state: Annotated[str, "Allocated until a guest runs on it, then Implemented"]
    traffic_type: Annotated[str, "always Guest"]
    acl_type: Annotated[str, "Account or Domain: who may use it"]
    subdomain_access: Annotated[bool | None, "whether domains below may use it too"] = None
    gateway: Annotated[str | None, "the gateway of its guests"] = None
    netmask: Annotated[str | None, "the mask of its subnet"] = None
    cidr: Annotated[str | None, "the subnet that its guests get addresses from"] = None
    network_cidr: Annotated[str | None, "its whole subnet, if guests get a part"] = None
    reserved_ip_range: Annotated[str | None, "the rest of it, which guests do not get"] = None
    ip6_gateway: Annotated[str | None, "the IPv6 gateway of its guests"] = None
    ip6_cidr: Annotated[str | None, "its IPv6 subnet"] = None
    dns1: Annotated[str | None, "the first resolver of its guests"] = None
    dns2: Annotated[str | None, "the second resolver of its guests"] = None
    network_domain: Annotated[str | None, "the DNS domain of its guests"] = None
    zone_id: Annotated[UUID, "the zone that it is in"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    physical_network_id: Annotated[UUID | None, "the wires that carry it"] = None
    broadcast_domain_type: Annotated[str, "Vlan, or Native without one"]
    broadcast_uri: Annotated[str | None, "its VLAN as a URI", Roles("Admin")] = None
    vlan: Annotated[str | None, "its VLAN", Roles("Admin")] = None
    network_offering_id: Annotated[UUID, "its offering"]
    network_offering_name: Annotated[str | None, "the name of that offering"] = None
    network_offering_display_text: Annotated[str | None, "what that offering says"] = None
    network_offering_availability: Annotated[str | None, "Required or Optional"] = None
    network_offering_conserve_mode: Annotated[
        bool | None, "whether an address may have rules of several services"
    ] = None
    specify_vlan: Annotated[bool, "whether its VLAN was to be named"]
    specify_ip_ranges: Annotated[bool, "whether its addresses were to be named"]
    is_persistent: Annotated[bool, "whether it is kept up without guests"]
    egress_default_policy: Annotated[bool, "whether guests may reach out unless a rule forbids it"]
    internet_protocol: Annotated[str, "IPv4"]
    service: Annotated[list[ServiceView], "its services"]
    related: Annotated[UUID, "always its own id"]
    is_system: Annotated[bool, "always false"]
    is_default: Annotated[bool, "whether guests are put on it unless they say otherwise"]
    restart_required: Annotated[bool, "whether what serves it is out of date"]
    can_use_for_deploy: Annotated[bool, "whether guests can be put on it"]
    redundant_router: Annotated[bool, "whether two routers serve it"]
    streched_l2_subnet: Annotated[bool, "whether it reaches over several zones"]
    supports_vm_autoscaling: Annotated[bool, "whether groups of guests can grow on it"]
    details: Annotated[dict[str, str], "settings of its own"]
    display_network: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    vpc_id: Annotated[UUID | None, "the VPC that it is a tier of"] = None
    vpc_name: Annotated[str | None, "the name of that VPC"] = None
    acl_id: Annotated[UUID | None, "the access list that says what passes"] = None
    acl_name: Annotated[str | None, "the name of that list"] = None
    created: Annotated[Date, "when it was made"]
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: Network, cloud: Cloud) -> NetworkView:
        zone = cloud[zones].get(row.zone_id)
        domain_wide = row.acl_type == "Domain"
        return cls(
            id=row.id,
            name=row.name,
            display_text=row.display_text,
            type=row.guest_ip_type,
            state=row.state,
            traffic_type=row.traffic_type,
            acl_type=row.acl_type,
            subdomain_access=row.subdomain_access if domain_wide else None,
            gateway=row.gateway or None,
            netmask=row.netmask or None,
            cidr=row.guest_vm_cidr or row.cidr or None,
            network_cidr=row.cidr if row.guest_vm_cidr else None,
            reserved_ip_range=_kept(row),
            ip6_gateway=row.ip6_gateway or None,
            ip6_cidr=row.ip6_cidr or None,
            dns1=row.dns1 or None,
            dns2=row.dns2 or None,
            network_domain=row.network_domain or None,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            physical_network_id=row.physical_network_id,
            broadcast_domain_type="Native" if row.vlan is None else "Vlan",
            broadcast_uri=None if row.vlan is None else f"vlan://{row.vlan}",
            vlan=None if row.vlan is None else str(row.vlan),
            service=services_of(row.services),
            related=row.id,
            is_system=False,
            is_default=False,
            restart_required=row.restart_required,
            can_use_for_deploy=True,
            redundant_router=False,
            streched_l2_subnet=False,
            supports_vm_autoscaling=False,
            details=dict(row.details),
            display_network=row.is_displayed,
            created=date(row.created_at_ms),
            tags=tags_of(row.id, cloud),
            has_annotations=is_noted(row.id, cloud),
            **_tier(row, cloud),
            **_offering(row, cloud),
            **owner(row, cloud),
        )


def _tier(row: Network, cloud: Cloud) -> dict[str, Any]:
    """The VPC of a tier, and what guards it."""
    vpc, acl = cloud[vpcs].get(row.vpc_id), cloud[network_acls].get(row.network_acl_id)
    return {
        "vpc_id": row.vpc_id,
        "vpc_name": None if vpc is None else vpc.name,
        "acl_id": row.network_acl_id,
        "acl_name": None if acl is None else acl.name,
    }


def _offering(row: Network, cloud: Cloud) -> dict[str, Any]:
    """What the offering says; without it nothing was specified and nothing is promised."""
    offering = cloud[network_offerings].get(row.offering_id)
    if offering is None:
        none = ("specify_vlan", "specify_ip_ranges", "is_persistent", "egress_default_policy")
        bare: dict[str, Any] = dict.fromkeys(none, False)
        return bare | {"network_offering_id": row.offering_id, "internet_protocol": "IPv4"}
    return {
        "network_offering_id": offering.id,
        "network_offering_name": offering.name,
        "network_offering_display_text": offering.display_text,
        "network_offering_availability": offering.availability,
        "network_offering_conserve_mode": offering.conserve_mode,
        "specify_vlan": offering.specify_vlan,
        "specify_ip_ranges": offering.specify_ip_ranges,
        "is_persistent": offering.is_persistent,
        "egress_default_policy": offering.egress_default_allow,
        "internet_protocol": offering.internet_protocol,
    }


def _kept(row: Network) -> str | None:
    """The addresses of the subnet that are not for guests, as ranges with commas."""
    if not row.guest_vm_cidr:
        return None
    whole, part = IPv4Network(row.cidr), IPv4Network(row.guest_vm_cidr)
    found = []
    if part.network_address > whole.network_address:
        found.append(f"{whole.network_address}-{part.network_address - 1}")
    if part.broadcast_address < whole.broadcast_address:
        found.append(f"{part.broadcast_address + 1}-{whole.broadcast_address}")
    return ",".join(found)


@view
class NetworkPermissionView(View, kw_only=True):
    """An account that may put guests on a network beside its owner."""

    network_id: Annotated[UUID, "the network"]
    account_id: Annotated[UUID, "the account"]
    account: Annotated[str | None, "its name"] = None
    project_id: Annotated[UUID | None, "the project that it is of"] = None
    project: Annotated[str | None, "the name of that project"] = None
    domain_id: Annotated[UUID, "its domain"]
    domain: Annotated[str | None, "the name of that domain"] = None

    @classmethod
    def of_account(cls, row: Network, account: Any, cloud: Cloud) -> NetworkPermissionView:
        told = owner(row, cloud)
        project = cloud[projects].one("account_id", account.id)
        return cls(
            network_id=row.id,
            account_id=account.id,
            account=account.name if project is None else None,
            project_id=None if project is None else project.id,
            project=None if project is None else project.name,
            domain_id=account.domain_id,
            domain=told["domain"] if account.domain_id == row.domain_id else None,
        )
