"""VPCs: make, change, restart, delete and list them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands import state_words
from api.commands.custom_id import KeepsId
from api.commands.offering_checks import in_zone
from api.commands.offering_services import has_all
from api.commands.resolving import DNS_DOMAIN, ip4, ip6
from api.declare import Bound, Caller, Job, Later, Length, Names, Roles, Success, command
from api.errors import Denied, InvalidValue, ParamError, missing
from api.lists import Displayed, Filter, WithIcons, list_command
from api.scope import owner_for
from api.views.vpc import VpcView
from engine.intents.vpc import CreateVpc, RestartVpc
from projections.vpc import vpcs
from projections.vpc_offering import vpc_offerings
from projections.zone import zones

KIND, CREATE = "vpc", "createVPC"
MTU_BYTES = Bound(68, 9000)


@command(
    CREATE,
    returns=VpcView,
    key="vpc",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VPC.CREATE",
)
class CreateVpcCommand:
    """Make a virtual private cloud: an address range to divide into tiers."""

    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID, "the zone to make it in", Names("zone")]
    vpc_offering_id: Annotated[UUID, "its offering", Names("vpc_offering")]
    cidr: Annotated[str | None, "the range for its tiers, such as 10.0.0.0/16; needed"] = None
    display_text: Annotated[str | None, "what to say of it; its name if omitted"] = None
    network_domain: Annotated[str | None, "the DNS domain of its guests", DNS_DOMAIN] = None
    dns1: Annotated[str | None, "the first resolver of its guests; the zone's if omitted", ip4] = (
        None
    )
    dns2: Annotated[str | None, "the second resolver", ip4] = None
    ip6_dns1: Annotated[str | None, "the first IPv6 resolver", ip6] = None
    ip6_dns2: Annotated[str | None, "the second IPv6 resolver", ip6] = None
    public_mtu: Annotated[int | None, "the largest packet outwards, in bytes", MTU_BYTES] = None
    source_nat_ip_address: Annotated[str | None, "the public address to go out by"] = None
    start: Annotated[bool | None, "false leaves it Inactive until it is restarted"] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    as_number: Annotated[int | None, "not offered yet", Later("routing protocols come later")] = (
        None
    )
    bgp_peer_ids: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("routing protocols come later")
    ] = None
    cidr_size: Annotated[int | None, "not offered yet", Later("say cidr")] = None
    use_router_ip_resolver: Annotated[
        bool | None, "not offered yet", Later("guests ask dns1 and dns2")
    ] = None

    async def run(self, caller: Caller) -> Job:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        if not self.cidr:
            raise missing(CREATE, "cidr")
        self._check(caller)
        fields: dict[str, Any] = {
            "name": self.name,
            "display_text": self.display_text or self.name,
            "account_id": account_id,
            "domain_id": domain_id,
            "zone_id": self.zone_id,
            "offering_id": self.vpc_offering_id,
            "cidr": self.cidr,
            "state": "Inactive" if self.start is False else "Enabled",
            "is_displayed": self.for_display is not False,
        }
        names = ("network_domain", "dns1", "dns2", "ip6_dns1", "ip6_dns2", "public_mtu")
        ask = CreateVpc(
            id=caller.new_id(),
            address_id=caller.new_id(),
            router_id=caller.new_id(),
            fields=fields | records.given(self, *names),
            source_nat_ip=self.source_nat_ip_address or "",
        )
        return await records.as_job(caller, ask, KIND, ask.id)

    def _check(self, caller: Caller) -> None:
        """What the zone and the offering allow this caller."""
        zone = caller.cloud[zones][self.zone_id]
        offering = caller.cloud[vpc_offerings][self.vpc_offering_id]
        if zone.allocation_state != "Enabled" and not caller.is_root:
            raise Denied(f"zone {zone.name} is {zone.allocation_state}: choose an Enabled one")
        if not in_zone(offering, zone.id):
            raise InvalidValue(
                f"VPC offering {offering.name} is not in zone {zone.name}: choose another"
            )


@command("updateVPC", returns=VpcView, key="vpc", allow="ARDU", is_async=True, action="VPC.UPDATE")
class UpdateVpc(KeepsId):
    """Rename a VPC, or change what its routers tell."""

    id: Annotated[UUID, "the VPC", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what to say of it", Length(4096)] = None
    public_mtu: Annotated[int | None, "the largest packet outwards, in bytes", MTU_BYTES] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    source_nat_ip_address: Annotated[
        str | None, "not offered yet", Later("it stays as it was made")
    ] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, "display_text", "public_mtu", is_displayed="for_display")
        fields |= {"name": self.name} if self.name else {}
        if not fields:
            raise ParamError("say what shall change: name, displaytext or publicmtu")
        return await records.update(caller, KIND, self.id, fields)


@command("deleteVPC", returns=Success, allow="ARDU", is_async=True, action="VPC.DELETE")
class DeleteVpc:
    """Delete a VPC that has no tiers; its gateways, routes, lists and addresses go with it."""

    id: Annotated[UUID, "the VPC", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@command("restartVPC", returns=Success, allow="ARDU", is_async=True, action="VPC.RESTART")
class RestartVpcCommand:
    """Bring what serves a VPC up to date; an Inactive one is started."""

    id: Annotated[UUID, "the VPC", Names(KIND, right="operate")]
    cleanup: Annotated[bool | None, "make its routers anew"] = None
    make_redundant: Annotated[bool | None, "let two routers serve it from now on"] = None
    live_patch: Annotated[bool | None, "ignored: there is nothing to patch"] = None

    async def run(self, caller: Caller) -> Job:
        ask = RestartVpc(
            id=self.id,
            address_id=caller.new_id(),
            router_id=caller.new_id(),
            cleanup=bool(self.cleanup),
            make_redundant=bool(self.make_redundant),
        )
        return await records.as_job(caller, ask, KIND, self.id)


@list_command("listVPCs", view=VpcView, table=vpcs, key="vpc", keyword=("name", "display_text"))
class ListVpcs(WithIcons, Displayed):
    """List VPCs with their tiers."""

    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    vpc_offering_id: Annotated[
        UUID | None, "of this offering", Names("vpc_offering", right="see"), Filter("offering_id")
    ] = None
    cidr: Annotated[str | None, "with this range"] = None
    display_text: Annotated[str | None, "the one with this text"] = None
    state: Annotated[str | None, "Enabled or Inactive", state_words.VPC] = None
    restart_required: Annotated[bool | None, "whose routers are out of date"] = None
    supported_services: Annotated[
        tuple[str, ...] | None, "those with all of these services", Filter(test=has_all)
    ] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
