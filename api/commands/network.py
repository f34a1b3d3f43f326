"""Guest networks: make, change, delete and list them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, cast
from uuid import UUID

from api.commands.resolving import DNS_DOMAIN, ip4
from api.commands.vm_checks import refuse_later
from api.commands.vm_networks import serves
from api.declare import Caller, Cloud, Later, Names, OneOf, Roles, command
from api.errors import Denied, InvalidValue
from api.lists import NONE_IS, CountOnly, Displayed, Filter, Test, list_command
from api.scope import Reach, owner_for, reach_of
from api.views.network import NetworkView
from engine.intents.network import CreateNetwork
from projections.domain import domains
from projections.network import Network, networks
from projections.network_offering import NetworkOffering, network_offerings
from projections.physical_network import physical_networks
from projections.vpc import vpcs
from projections.zone import zones


@command("createNetwork", returns=NetworkView, key="network", allow="ARDU", action="NETWORK.CREATE")
class CreateGuestNetwork:
    """Create a guest network. Without a gateway it gets the zone's guest subnet."""

    name: Annotated[str, "its name"]
    network_offering_id: Annotated[UUID, "its offering", Names("network_offering")]
    zone_id: Annotated[UUID, "the zone to make it in", Names("zone")]
    display_text: Annotated[str | None, "what to say of it; its name if omitted"] = None
    physical_network_id: Annotated[
        UUID | None, "the wires that shall carry it", Names("physical_network")
    ] = None
    gateway: Annotated[str | None, "the gateway of its guests"] = None
    netmask: Annotated[str | None, "the mask of its subnet; needed with a gateway"] = None
    start_ip: Annotated[str | None, "the first address for guests"] = None
    end_ip: Annotated[str | None, "the last address for guests"] = None
    vlan: Annotated[str | None, "its VLAN, such as 100; untagged for none"] = None
    acl_type: Annotated[
        str | None, "Account or Domain: who may use it", OneOf("Account", "Domain")
    ] = None
    network_domain: Annotated[str | None, "the DNS domain of its guests", DNS_DOMAIN] = None
    dns1: Annotated[str | None, "the first resolver; the zone's if omitted", ip4] = None
    dns2: Annotated[str | None, "the second resolver; the zone's if omitted", ip4] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    display_network: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    vpc_id: Annotated[
        UUID | None, "the VPC that it shall be a tier of", Names("vpc", right="operate")
    ] = None
    acl_id: Annotated[
        UUID | None, "the access list of a tier; all is denied if omitted", Names("network_acl")
    ] = None
    source_nat_ip_address: Annotated[
        str | None, "the public address that its guests go out by; any free one if omitted"
    ] = None
    subdomain_access: Annotated[
        bool | None, "whether the domains below the network's may use it; they may if omitted"
    ] = None
    isolated_pvlan: Annotated[str | None, "not offered yet"] = None
    ip6_cidr: Annotated[str | None, "the IPv6 subnet of a shared network, a /64"] = None
    ip6_gateway: Annotated[str | None, "the IPv6 gateway of its guests"] = None
    as_number: Annotated[int | None, "not offered yet", Later("routing protocols come later")] = (
        None
    )
    bgp_peer_ids: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("routing protocols come later")
    ] = None
    bypass_vlan_overlap_check: Annotated[
        bool | None, "not offered yet", Later("VLANs of guest networks do not overlap")
    ] = None
    cidr_size: Annotated[
        int | None,
        "not offered yet",
        Later("isolated networks get the subnet of their zone, or gateway and netmask"),
    ] = None
    start_ipv6: Annotated[
        str | None, "not offered yet", Later("guests choose IPv6 addresses by themselves")
    ] = None
    end_ipv6: Annotated[
        str | None, "not offered yet", Later("guests choose IPv6 addresses by themselves")
    ] = None
    ip6_dns1: Annotated[
        str | None, "not offered yet", Later("guests choose IPv6 addresses by themselves")
    ] = None
    ip6_dns2: Annotated[
        str | None, "not offered yet", Later("guests choose IPv6 addresses by themselves")
    ] = None
    external_id: Annotated[
        str | None, "not offered yet", Later("no other system makes networks")
    ] = None
    hide_ip_address_usage: Annotated[
        bool | None, "not offered yet", Later("usage of addresses is always shown")
    ] = None
    isolated_pvlan_type: Annotated[
        str | None, "not offered yet", Later("private VLANs come later")
    ] = None
    private_mtu: Annotated[int | None, "not offered yet", Later("the wires decide on MTUs")] = None
    public_mtu: Annotated[int | None, "not offered yet", Later("the wires decide on MTUs")] = None
    router_ip: Annotated[str | None, "not offered yet", Later("routers take the gateway")] = None
    router_ipv6: Annotated[str | None, "not offered yet", Later("routers take the gateway")] = None
    associated_network_id: Annotated[
        UUID | None, "not offered yet", Later("no network leans on another")
    ] = None
    tungsten_virtual_router_uuid: Annotated[
        str | None, "not offered yet", Later("there is no Tungsten Fabric")
    ] = None

    async def run(self, caller: Caller) -> Network:
        refuse_later(self, ("isolated_pvlan",))
        offering = caller.cloud[network_offerings][self.network_offering_id]
        acl_type = self.acl_type or self._usual_access(offering)
        account_id, domain_id = self._owner(caller, acl_type)
        self._check(caller, offering, acl_type)
        network_id = caller.new_id()
        await caller.decide(
            CreateNetwork(
                network_id=network_id,
                account_id=account_id,
                domain_id=domain_id,
                zone_id=self.zone_id,
                offering_id=offering.id,
                name=self.name,
                display_text=self.display_text or self.name,
                physical_network_id=self.physical_network_id,
                gateway=self.gateway or "",
                netmask=self.netmask or "",
                start_ip=self.start_ip or "",
                end_ip=self.end_ip or "",
                vlan=vlan_number(self.vlan),
                acl_type=acl_type,
                **self._resolving(caller),
                is_displayed=self.display_network is not False,
                source_nat_ip=self.source_nat_ip_address or "",
                vpc_id=self.vpc_id,
                network_acl_id=self.acl_id,
                ip6_gateway=self.ip6_gateway or "",
                ip6_cidr=self.ip6_cidr or "",
                subdomain_access=self.subdomain_access is not False,
                is_first=False,
            )
        )
        return caller.cloud[networks][network_id]

    def _usual_access(self, offering: NetworkOffering) -> str:
        """A shared network serves a domain unless it is for one account or project; others one."""
        somebodys = self.account is not None or self.project_id is not None
        return "Domain" if offering.guest_ip_type == "Shared" and not somebodys else "Account"

    def _resolving(self, caller: Caller) -> dict[str, str]:
        """How guests find names: as asked, else as the VPC of a tier says."""
        vpc = caller.cloud[vpcs].get(self.vpc_id)
        names = ("network_domain", "dns1", "dns2")
        return {name: getattr(self, name) or getattr(vpc, name, "") for name in names}

    def _owner(self, caller: Caller, acl_type: str) -> tuple[UUID, UUID]:
        """A domain's network is its maker's, and stands in the domain that it serves.

        A tier is its VPC's owner's, unless it is said to be somebody's: then that must be so.
        """
        vpc = caller.cloud[vpcs].get(self.vpc_id)
        if vpc is not None and self.account is None and self.project_id is None:
            return vpc.account_id, vpc.domain_id
        if acl_type == "Domain" and self.account is None and self.project_id is None:
            return caller.account_id, self.domain_id or _root_domain(caller.cloud)
        return owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )

    def _check(self, caller: Caller, offering: NetworkOffering, acl_type: str) -> None:
        """What the offering, the zone and the caller's role allow."""
        zone = caller.cloud[zones][self.zone_id]
        shared = offering.guest_ip_type == "Shared"
        if not caller.is_root:
            if zone.allocation_state != "Enabled":
                raise Denied(f"zone {zone.name} is {zone.allocation_state}: choose an Enabled one")
            if shared or acl_type == "Domain" or self.vlan:
                raise Denied(
                    "shared networks and VLANs of one's choice are for root admins: leave vlan out"
                )
        if offering.zone_ids and zone.id not in offering.zone_ids:
            raise InvalidValue(
                f"network offering {offering.name} is not in zone {zone.name}: choose another"
            )
        if offering.guest_ip_type == "L2" and offering.specify_vlan:
            if not caller.is_root:
                raise Denied(
                    f"a root admin names the VLAN of networks of offering {offering.name}: choose "
                    "an offering whose networks get one by themselves"
                )
            if not self.vlan:
                raise InvalidValue(
                    f"whoever makes a network of offering {offering.name} names its VLAN: say "
                    "vlan=NUMBER, or vlan=untagged"
                )
        if self.vlan and not offering.specify_vlan:
            raise InvalidValue(f"network offering {offering.name} chooses the VLAN: leave it out")
        if (
            shared
            and zone.network_type != "Basic"
            and not (self.gateway and self.netmask and self.start_ip)
        ):
            raise InvalidValue(
                "a shared network needs gateway, netmask, startip and endip: give all four"
            )
        if bool(self.gateway) != bool(self.netmask):
            raise InvalidValue("gateway and netmask are given together, or neither is")
        if (self.start_ip or self.end_ip) and not self.gateway:
            raise InvalidValue("startip and endip need gateway and netmask: give all four")
        wires = caller.cloud[physical_networks].get(self.physical_network_id)
        if wires is not None and wires.zone_id != zone.id:
            raise InvalidValue(
                f"physical network {wires.name} is not in zone {zone.name}: choose another"
            )


def _root_domain(cloud: Cloud) -> UUID:
    return next(row.id for row in cloud[domains].by("path", "/"))


def vlan_number(raw: str | None) -> int | None:
    """`100` and `vlan://100` are VLAN 100; nothing and `untagged` are none."""
    text = (raw or "").lower().removeprefix("vlan://")
    if text in ("", "untagged"):
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 4094:
        raise InvalidValue(f"vlan {raw} is not a number from 1 to 4094, nor untagged")
    return int(text)


def _on_vlan(row: Network, wanted: str) -> bool:
    return row.vlan == vlan_number(wanted)


@list_command(
    "listNetworks",
    view=NetworkView,
    table=networks,
    key="network",
    keyword=("name", "display_text"),
    scope="custom",
)
class ListNetworks(CountOnly, Displayed):
    """List the networks of an account, and the shared ones that it may use."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    type: Annotated[
        str | None,
        "Isolated, Shared or L2",
        OneOf("Isolated", "Shared", "L2", "All"),
        Filter(test=lambda row, wanted: wanted in ("All", row.guest_ip_type)),
    ] = None
    traffic_type: Annotated[str | None, "carrying this traffic"] = None
    network_offering_id: Annotated[
        UUID | None,
        "of this offering",
        Names("network_offering", right="see"),
        Filter("offering_id"),
    ] = None
    physical_network_id: Annotated[
        UUID | None, "on these wires", Names("physical_network", right="see")
    ] = None
    acl_type: Annotated[str | None, "with this access"] = None
    vlan: Annotated[
        str | None,
        "on this VLAN",
        Roles("Admin"),
        Filter(test=_on_vlan),
    ] = None
    supported_services: Annotated[
        tuple[str, ...] | None,
        "with all these services",
        Filter(test=lambda row, wanted: set(wanted) <= set(row.services)),
    ] = None
    network_filter: Annotated[
        str | None,
        "Account, Domain, AccountDomain, Shared or All",
        OneOf("Account", "Domain", "AccountDomain", "Shared", "All"),
        Filter(),
    ] = None
    is_system: Annotated[
        bool | None, "true finds none", Filter(test=lambda row, wanted: not wanted)
    ] = None
    restart_required: Annotated[bool | None, "those that need a restart, or do not"] = None
    for_vpc: Annotated[
        bool | None,
        "tiers of VPCs only, or only others",
        Filter(test=lambda row, wanted: (row.vpc_id is not None) is wanted),
    ] = None
    vpc_id: Annotated[UUID | None, "tiers of this VPC", Names("vpc", right="see")] = None
    can_use_for_deploy: Annotated[
        bool | None, "false finds none", Filter(test=lambda row, wanted: bool(wanted))
    ] = None
    specify_ip_ranges: Annotated[bool | None, "whose addresses were named", Filter()] = None
    display_network: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
    associated_network_id: Annotated[
        UUID | None, "leaning on this network: none does", Names("network", right="see"), NONE_IS
    ] = None

    def rows(self, caller: Caller) -> Iterable[Network] | None:
        """Those in reach of the usual scoping, and those shared with the caller's domain."""
        reach = reach_of(cast(Any, self), caller)
        return None if reach.is_everything else self._in_reach(reach, caller)

    def _in_reach(self, reach: Reach, caller: Caller) -> Iterator[Network]:
        asked: Any = self
        who, cloud = caller.identity, caller.cloud
        narrowed = asked.account is not None or asked.project_id is not None
        for row in cloud[networks]:
            open_here = not narrowed and serves(row, cloud, who.account_id, who.domain_id)
            if reach.holds(row) or open_here:
                yield row

    def tests(self, caller: Caller) -> Iterator[Test]:
        """What only administrators see, and by whom a network may be used."""
        yield from super().tests(caller)
        if self.network_filter == "Account":
            yield _is_of_account
        elif self.network_filter in ("Domain", "Shared"):
            yield _is_of_domain
        if self.specify_ip_ranges is not None:
            yield lambda row: self._offered(row, caller)

    def _offered(self, row: Any, caller: Caller) -> bool:
        offering = caller.cloud[network_offerings].get(row.offering_id)
        named: bool = offering is not None and offering.specify_ip_ranges
        return named is self.specify_ip_ranges


def _is_of_domain(row: Network) -> bool:
    return row.acl_type == "Domain"


def _is_of_account(row: Network) -> bool:
    return row.acl_type != "Domain"
