"""Commands about network offerings."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.commands import state_words
from api.commands.offering_checks import ForDomain, for_domains, given, in_zone, moved
from api.commands.offering_services import (
    ServiceCapability,
    ServiceProvider,
    capabilities,
    has_all,
    settle_services,
)
from api.declare import Bound, Free, Later, Length, Names, OneOf, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.network_offering import NetworkOfferingView
from engine.intents.offering import DeleteOffering
from engine.intents.record import CreateRecord, UpdateRecord
from projections.network import networks
from projections.network_offering import NetworkOffering, network_offerings

GUEST_TYPES = OneOf("Shared", "Isolated", "L2")
TRAFFIC = OneOf("Guest", "Public", "Management", "Storage")
AVAILABILITY = OneOf("Optional", "Required")


@command(
    "createNetworkOffering",
    returns=NetworkOfferingView,
    key="networkoffering",
    allow="A",
    action="NETWORK.OFFERING.CREATE",
)
class CreateNetworkOffering:
    """Offer a kind of network: its services and who provides them."""

    name: Annotated[str, "its name"]
    guest_ip_type: Annotated[str, "Shared, Isolated or L2", GUEST_TYPES]
    traffic_type: Annotated[str, "what runs over it", TRAFFIC]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    supported_services: Annotated[tuple[str, ...] | None, "its services, with commas"] = None
    service_provider_list: Annotated[
        tuple[ServiceProvider, ...] | None, "who provides each service"
    ] = None
    service_capability_list: Annotated[
        tuple[ServiceCapability, ...] | None, "how services are provided"
    ] = None
    availability: Annotated[str | None, "Optional or Required", AVAILABILITY] = None
    conserve_mode: Annotated[bool | None, "one public address may serve several rules"] = None
    egress_default_policy: Annotated[bool | None, "machines may call out unless forbidden"] = None
    is_persistent: Annotated[bool | None, "a network is there before its first machine"] = None
    specify_vlan: Annotated[bool | None, "who makes a network names its VLAN"] = None
    specify_ip_ranges: Annotated[bool | None, "who makes a network names its addresses"] = None
    for_vpc: Annotated[bool | None, "for tiers of a VPC"] = None
    network_rate: Annotated[int | None, "Mbit/s", Bound(0)] = None
    max_connections: Annotated[int | None, "connections of its load balancer", Bound(1)] = None
    internet_protocol: Annotated[str | None, "IPv4 or DualStack", OneOf("IPv4", "DualStack")] = None
    tags: Annotated[str | None, "tags that its physical network must have"] = None
    service_offering_id: Annotated[
        UUID | None, "the size of its router", Names("service_offering")
    ] = None
    keepalive_enabled: Annotated[bool | None, "its load balancer keeps connections open"] = None
    network_mode: Annotated[str | None, "NATTED or ROUTED", OneOf("NATTED", "ROUTED")] = None
    routing_mode: Annotated[str | None, "Static or Dynamic", OneOf("Static", "Dynamic")] = None
    details: Annotated[dict[str, str] | None, "its settings"] = None
    enable: Annotated[bool | None, "enable it at once"] = None
    domain_id: Annotated[
        tuple[UUID, ...] | None, "the domains that it is for", Names("domain", right="operate")
    ] = None
    zone_id: Annotated[tuple[UUID, ...] | None, "the zones that it is for", Names("zone")] = None
    specify_as_number: Annotated[
        bool | None, "not offered yet", Later("routing protocols come later")
    ] = None
    provider: Annotated[str | None, "not offered yet", Later("say serviceproviderlist")] = None
    for_nsx: Annotated[bool | None, "not offered yet", Later("there is no NSX")] = None
    nsx_support_lb: Annotated[bool | None, "not offered yet", Later("there is no NSX")] = None
    nsx_supports_internal_lb: Annotated[
        bool | None, "not offered yet", Later("there is no NSX")
    ] = None
    for_tungsten: Annotated[
        bool | None, "not offered yet", Later("there is no Tungsten Fabric")
    ] = None

    async def run(self, caller: Caller) -> NetworkOffering:
        row_id = caller.new_id()
        fields: dict[str, Any] = {
            "name": self.name,
            "guest_ip_type": self.guest_ip_type,
            "traffic_type": self.traffic_type,
            "display_text": self.display_text or self.name,
            "services": settle_services(self, self._router()),
            "details": dict(self.details or {}),
            "capabilities": capabilities(self),
            "state": "Enabled" if self.enable else "Disabled",
            "domain_ids": for_domains(caller, self.domain_id),
            "zone_ids": list(self.zone_id or ()),
        }
        fields |= given(
            self,
            availability="availability",
            conserve_mode="conserve_mode",
            egress_default_allow="egress_default_policy",
            is_persistent="is_persistent",
            specify_vlan="specify_vlan",
            specify_ip_ranges="specify_ip_ranges",
            for_vpc="for_vpc",
            network_rate_mbps="network_rate",
            max_connections="max_connections",
            internet_protocol="internet_protocol",
            tags="tags",
            service_offering_id="service_offering_id",
            keepalive_enabled="keepalive_enabled",
            network_mode="network_mode",
            routing_mode="routing_mode",
        )
        await caller.decide(CreateRecord(kind="network_offering", id=row_id, fields=fields))
        return caller.cloud[network_offerings][row_id]

    def _router(self) -> str:
        """Who provides what nobody is named for."""
        return "VpcVirtualRouter" if self.for_vpc else "VirtualRouter"


@command(
    "updateNetworkOffering",
    returns=NetworkOfferingView,
    key="networkoffering",
    allow="A",
    action="NETWORK.OFFERING.EDIT",
)
class UpdateNetworkOffering:
    """Enable, disable or rename an offering; its services stay."""

    id: Annotated[UUID | None, "the offering", Names("network_offering", right="operate")] = None
    name: Annotated[str | None, "its new name; or with no id, the offering of this name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    availability: Annotated[str | None, "Optional or Required", AVAILABILITY] = None
    max_connections: Annotated[int | None, "connections of its load balancer", Bound(1)] = None
    keepalive_enabled: Annotated[bool | None, "its load balancer keeps connections open"] = None
    tags: Annotated[str | None, "tags that its physical network must have"] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    domain_id: Annotated[str | None, "ids with commas, or public", Free("run() checks each")] = None
    zone_id: Annotated[str | None, "ids with commas, or all", Free("run() checks each")] = None

    async def run(self, caller: Caller) -> NetworkOffering:
        table = caller.cloud[network_offerings]
        row = table.get(self.id) if self.id else table.one("name", self.name)
        if row is None:
            said = f"there is no network offering {self.name}" if self.name else "say id, or name"
            raise InvalidValue(said)
        named = ("name", "display_text", "state", "availability", "max_connections")
        also = ("tags", "sort_key", "keepalive_enabled")
        fields = given(self, **{name: name for name in (*named, *also)})
        fields |= moved(caller, domain_id=self.domain_id, zone_id=self.zone_id)
        await caller.decide(UpdateRecord(kind="network_offering", id=row.id, fields=fields))
        return table[row.id]


@command("deleteNetworkOffering", returns=Success, allow="A", action="NETWORK.OFFERING.REMOVE")
class DeleteNetworkOffering:
    """Delete an offering; one that networks have is disabled instead."""

    id: Annotated[UUID, "the offering", Names("network_offering", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(DeleteOffering(kind="network_offering", id=self.id))


@list_command(
    "listNetworkOfferings",
    view=NetworkOfferingView,
    table=network_offerings,
    key="networkoffering",
    scope="catalogue",
)
class ListNetworkOfferings(ForDomain):
    """List the kinds of network that there are."""

    zone_id: Annotated[
        UUID | None, "those of this zone", Names("zone", right="see"), Filter(test=in_zone)
    ] = None
    state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    availability: Annotated[str | None, "Optional or Required"] = None
    display_text: Annotated[str | None, "the one with this text"] = None
    guest_ip_type: Annotated[str | None, "Shared, Isolated or L2"] = None
    traffic_type: Annotated[str | None, "those for this traffic"] = None
    for_vpc: Annotated[bool | None, "those for tiers of a VPC"] = None
    is_default: Annotated[bool | None, "those that came with the cloud"] = None
    specify_vlan: Annotated[bool | None, "those whose networks name their VLAN"] = None
    specify_ip_ranges: Annotated[bool | None, "those whose networks name their addresses"] = None
    supported_services: Annotated[
        tuple[str, ...] | None, "those with all of these services", Filter(test=has_all)
    ] = None
    source_nat_supported: Annotated[
        bool | None,
        "those that hide their machines behind one address",
        Filter(test=lambda row, yes: ("SourceNat" in row.services) is yes),
    ] = None
    routing_mode: Annotated[str | None, "Static or Dynamic"] = None
    is_tagged: Annotated[
        bool | None, "those with tags", Filter(test=lambda row, yes: bool(row.tags) is yes)
    ] = None
    tags: Annotated[str | None, "those with these tags"] = None
    network_id: Annotated[
        UUID | None, "those that this network could have", Names("network", right="see"), Filter()
    ] = None

    def visible(self, row: NetworkOffering, caller: Caller) -> bool:
        """Tenants see what can be chosen. A network can change to another of its guest type."""
        if row.state != "Enabled" and not caller.is_root:
            return False
        network = caller.cloud[networks].get(self.network_id)
        if network is None:
            return True
        now = caller.cloud[network_offerings].get(network.offering_id)
        return now is None or (now.guest_ip_type == row.guest_ip_type and now.id != row.id)
