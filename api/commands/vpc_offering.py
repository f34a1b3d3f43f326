"""Commands about VPC offerings."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands import state_words
from api.commands.offering_checks import ForDomain, for_domains, in_zone, moved
from api.commands.offering_services import (
    ServiceCapability,
    ServiceProvider,
    capabilities,
    has_all,
    is_set,
    settle_services,
)
from api.declare import Caller, Free, Job, Later, Length, Names, OneOf, Success, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.vpc import VpcOfferingView
from engine.intents.offering import DeleteOffering
from projections.vpc_offering import VpcOffering, vpc_offerings

KIND, ROUTER = "vpc_offering", "VpcVirtualRouter"
# A tier is guarded by access lists, so these two have no meaning in a VPC.
NEVER = ("Firewall", "SecurityGroup")


@command(
    "createVPCOffering",
    returns=VpcOfferingView,
    key="vpcoffering",
    allow="A",
    is_async=True,
    creates=True,
    action="VPC.OFFERING.CREATE",
)
class CreateVpcOffering:
    """Offer a kind of VPC: the services that its tiers can have, and who provides them."""

    name: Annotated[str, "its name"]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    supported_services: Annotated[tuple[str, ...] | None, "its services, with commas"] = None
    service_provider_list: Annotated[
        tuple[ServiceProvider, ...] | None, "who provides each service"
    ] = None
    service_capability_list: Annotated[
        tuple[ServiceCapability, ...] | None, "how services are provided"
    ] = None
    service_offering_id: Annotated[
        UUID | None, "the size of its router", Names("service_offering")
    ] = None
    internet_protocol: Annotated[str | None, "IPv4 or DualStack", OneOf("IPv4", "DualStack")] = None
    network_mode: Annotated[str | None, "NATTED or ROUTED", OneOf("NATTED", "ROUTED")] = None
    routing_mode: Annotated[str | None, "Static or Dynamic", OneOf("Static", "Dynamic")] = None
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

    async def run(self, caller: Caller) -> Job:
        services = settle_services(self, ROUTER)
        if not services:
            raise InvalidValue("a VPC offering needs services: give supportedservices")
        for one in NEVER:
            if one in services:
                raise InvalidValue(f"{one} has no meaning in a VPC: leave it out")
        services.setdefault("Gateway", [ROUTER])
        how = capabilities(self)
        fields: dict[str, Any] = {
            "name": self.name,
            "display_text": self.display_text or self.name,
            "services": services,
            "state": "Enabled" if self.enable else "Disabled",
            "is_redundant": is_set(how, "SourceNat.RedundantRouter"),
            "is_distributed": is_set(how, "Connectivity.DistributedRouter"),
            "is_region_level": is_set(how, "Connectivity.RegionLevelVpc"),
            "domain_ids": for_domains(caller, self.domain_id),
            "zone_ids": list(self.zone_id or ()),
        }
        names = ("service_offering_id", "internet_protocol", "network_mode", "routing_mode")
        return await records.create(caller, KIND, fields | records.given(self, *names))


@command(
    "updateVPCOffering",
    returns=VpcOfferingView,
    key="vpcoffering",
    allow="A",
    is_async=True,
    action="VPC.OFFERING.UPDATE",
)
class UpdateVpcOffering:
    """Enable, disable or rename an offering; its services stay."""

    id: Annotated[UUID, "the offering", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    domain_id: Annotated[str | None, "ids with commas, or public", Free("run() checks each")] = None
    zone_id: Annotated[str | None, "ids with commas, or all", Free("run() checks each")] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, "display_text", "sort_key")
        fields |= {n: v for n in ("name", "state") if (v := getattr(self, n))}
        fields |= moved(caller, domain_id=self.domain_id, zone_id=self.zone_id)
        return await records.update(caller, KIND, self.id, fields)


@command(
    "deleteVPCOffering", returns=Success, allow="A", is_async=True, action="VPC.OFFERING.DELETE"
)
class DeleteVpcOffering:
    """Delete an offering; one that VPCs have is disabled instead."""

    id: Annotated[UUID, "the offering", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, DeleteOffering(kind=KIND, id=self.id), KIND, self.id)


@list_command(
    "listVPCOfferings",
    view=VpcOfferingView,
    table=vpc_offerings,
    key="vpcoffering",
    keyword=("name", "display_text"),
    scope="catalogue",
)
class ListVpcOfferings(ForDomain):
    """List the kinds of VPC that there are. Tenants see those that can be chosen."""

    zone_id: Annotated[
        UUID | None, "those of this zone", Names("zone", right="see"), Filter(test=in_zone)
    ] = None
    state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    display_text: Annotated[str | None, "the one with this text"] = None
    is_default: Annotated[bool | None, "those that came with the cloud"] = None
    supported_services: Annotated[
        tuple[str, ...] | None, "those with all of these services", Filter(test=has_all)
    ] = None

    def visible(self, row: VpcOffering, caller: Caller) -> bool:
        return caller.is_root or row.state == "Enabled"
