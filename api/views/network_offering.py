"""A network offering as the wire shows it, with its services and who provides them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from api.declare import Cloud, View, view
from api.views.offering import OfferingView, offered
from projections.network_offering import NetworkOffering
from projections.service_offering import service_offerings
from projections.setting import number_of


@view
class ProviderView(View, kw_only=True):
    """Who provides a service."""

    name: Annotated[str, "its name"]


@view
class ServiceView(View, kw_only=True):
    """A service of a network."""

    name: Annotated[str, "its name"]
    provider: Annotated[list[ProviderView], "who provides it"]
    capability: Annotated[list[dict[str, str]], "how it is provided"]


def services_of(
    services: Mapping[str, Sequence[str]], how: Mapping[str, str] | None = None
) -> list[ServiceView]:
    """Services with their providers and capabilities, in an answer."""
    return [
        ServiceView(
            name=name,
            provider=[ProviderView(name=one) for one in by],
            capability=[
                {"name": key.removeprefix(f"{name}."), "value": value}
                for key, value in (how or {}).items()
                if key.startswith(f"{name}.")
            ],
        )
        for name, by in services.items()
    ]


def rate_mbps(row: NetworkOffering, cloud: Cloud) -> int | None:
    """What a network of the offering may carry; none is told where there is no limit."""
    usual = int(number_of(cloud, "network.throttling.rate")) or None
    return usual if row.network_rate_mbps is None else row.network_rate_mbps


@view
class NetworkOfferingView(OfferingView, kw_only=True):
    """Which services a network has."""

    tags: Annotated[str | None, "tags that its physical network must have"] = None
    traffic_type: Annotated[str, "what runs over it"]
    guest_ip_type: Annotated[str, "Shared, Isolated or L2"]
    is_default: Annotated[bool, "whether it came with the cloud"]
    specify_vlan: Annotated[bool, "whether who makes a network names its VLAN"]
    specify_ip_ranges: Annotated[bool, "whether who makes a network names its addresses"]
    conserve_mode: Annotated[bool, "whether one public address may serve several rules"]
    availability: Annotated[str, "Optional or Required"]
    network_rate: Annotated[int | None, "Mbit/s"] = None
    service: Annotated[list[ServiceView], "what a network has"]
    service_offering_id: Annotated[UUID | None, "the size of its router"] = None
    for_vpc: Annotated[bool, "whether it is for tiers of a VPC"]
    is_persistent: Annotated[bool, "whether a network is there before its first machine"]
    egress_default_policy: Annotated[bool, "whether machines may call out unless forbidden"]
    max_connections: Annotated[int | None, "connections that its load balancer allows"] = None
    internet_protocol: Annotated[str, "IPv4 or DualStack"]
    network_mode: Annotated[str | None, "NATTED or ROUTED"] = None
    routing_mode: Annotated[str | None, "Static or Dynamic, if it is routed"] = None
    supports_internal_lb: Annotated[bool, "whether its load balancers can be inside"]
    supports_public_access: Annotated[bool, "whether its networks can be reached by everybody"]
    supports_strechedl2_subnet: Annotated[bool, "whether its networks reach over several zones"]
    details: Annotated[dict[str, str], "its settings"]
    for_nsx: Annotated[bool, "whether NSX serves it"]
    for_tungsten: Annotated[bool, "whether Tungsten Fabric serves it"]
    specify_as_number: Annotated[bool, "whether its networks name their AS number"]

    @classmethod
    def of(cls, row: NetworkOffering, cloud: Cloud) -> NetworkOfferingView:
        return cls(
            **offered(row, cloud),
            for_nsx=False,
            for_tungsten=False,
            specify_as_number=False,
            tags=row.tags or None,
            traffic_type=row.traffic_type,
            guest_ip_type=row.guest_ip_type,
            is_default=row.is_default,
            specify_vlan=row.specify_vlan,
            specify_ip_ranges=row.specify_ip_ranges,
            conserve_mode=row.conserve_mode,
            availability=row.availability,
            network_rate=rate_mbps(row, cloud),
            service=services_of(row.services, row.capabilities),
            service_offering_id=row.service_offering_id or _router_size(cloud),
            for_vpc=row.for_vpc,
            is_persistent=row.is_persistent,
            egress_default_policy=row.egress_default_allow,
            max_connections=row.max_connections,
            internet_protocol=row.internet_protocol,
            network_mode=row.network_mode or None,
            routing_mode=row.routing_mode or None,
            supports_internal_lb="InternalLbVm" in row.services.get("Lb", ()),
            supports_public_access=_is_set(row, "Connectivity.PublicAccess"),
            supports_strechedl2_subnet=_is_set(row, "Connectivity.StretchedL2Subnet"),
            details=row.details,
        )


def _is_set(row: NetworkOffering, capability: str) -> bool:
    return row.capabilities.get(capability, "").lower() == "true"


def _router_size(cloud: Cloud) -> UUID | None:
    """What sizes the routers of all networks; Libcloud reads no offering without it."""
    sizes = cloud[service_offerings]
    return next((one.id for one in sizes if one.system_vm_type == "domainrouter"), None)
