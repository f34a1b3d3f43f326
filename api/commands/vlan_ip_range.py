"""Ranges of public addresses and of addresses of shared networks: create, change, remove, list."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.network import vlan_number
from api.declare import Caller, Later, Names, Success, command
from api.errors import InvalidValue, missing
from api.lists import Filter, list_command
from api.scope import owner_for
from api.views.vlan_ip_range import VlanIpRangeView
from engine.intents.vlan_ip_range import CreateVlanIpRange, RemoveVlanIpRange, UpdateVlanIpRange
from projections.network import Network, networks
from projections.physical_network import physical_networks
from projections.project import projects
from projections.traffic_type import traffic_types
from projections.vlan_ip_range import VlanIpRange, vlan_ip_ranges
from projections.zone import zones

NAME = "createVlanIpRange"
PHYSICAL = "physical_network"


@command(NAME, returns=VlanIpRangeView, key="vlan", allow="A", action="VLAN.IP.RANGE.CREATE")
class CreateVlanIpRangeCommand:
    """Add a range of public addresses to a zone, or of addresses to a shared network."""

    zone_id: Annotated[UUID | None, "the zone", Names("zone", right="operate")] = None
    start_ip: Annotated[str | None, "first address"] = None
    end_ip: Annotated[str | None, "last address; the first, if left out"] = None
    gateway: Annotated[str | None, "gateway of the subnet"] = None
    netmask: Annotated[str | None, "its netmask"] = None
    vlan: Annotated[str | None, "its VLAN; untagged, if left out"] = None
    for_virtual_network: Annotated[bool | None, "true for public addresses"] = None
    physical_network_id: Annotated[
        UUID | None, "the physical network", Names(PHYSICAL, right="operate")
    ] = None
    network_id: Annotated[
        UUID | None, "a shared network to add to", Names("network", right="operate")
    ] = None
    pod_id: Annotated[UUID | None, "the pod, in a Basic zone", Names("pod", right="operate")] = None
    domain_id: Annotated[
        UUID | None, "the domain that it is kept for", Names("domain", right="operate")
    ] = None
    account: Annotated[str | None, "the account that it is kept for"] = None
    project_id: Annotated[
        UUID | None, "the project that it is kept for", Names("project", right="see")
    ] = None
    ip6_gateway: Annotated[str | None, "IPv6 gateway of the subnet"] = None
    ip6_cidr: Annotated[str | None, "the IPv6 subnet, a /64"] = None
    start_ipv6: Annotated[str | None, "first IPv6 address"] = None
    end_ipv6: Annotated[str | None, "last IPv6 address; the first, if left out"] = None
    for_system_vms: Annotated[
        bool | None, "not offered yet", Later("system virtual machines share public addresses")
    ] = None
    provider: Annotated[
        str | None, "not offered yet", Later("every provider takes addresses of every range")
    ] = None

    async def run(self, caller: Caller) -> VlanIpRange:
        if not self.start_ip:
            raise missing(NAME, "startip")
        zone_id = self._zone(caller)
        network = self._network(caller, zone_id)
        fields = {
            "zone_id": zone_id,
            "gateway": self.gateway or (network.gateway if network else ""),
            "netmask": self.netmask or (network.netmask if network else ""),
            "start_ip": self.start_ip,
            "end_ip": self.end_ip or self.start_ip,
            "vlan": self._vlan(network),
            "physical_network_id": self._physical(caller, zone_id),
            "network_id": None if network is None else network.id,
            "pod_id": self.pod_id,
            "for_virtual_network": network is None and self.for_virtual_network is not False,
            **self._kept_for(caller),
            "ip6_gateway": self.ip6_gateway or "",
            "ip6_cidr": self.ip6_cidr or "",
            "start_ip6": self.start_ipv6 or "",
            "end_ip6": self.end_ipv6 or "",
        }
        range_id = caller.new_id()
        await caller.decide(CreateVlanIpRange(id=range_id, fields=fields))
        return caller.cloud[vlan_ip_ranges][range_id]

    def _kept_for(self, caller: Caller) -> dict[str, UUID | None]:
        """The account or the project that alone takes of it; a domain alone takes for all in it."""
        if self.project_id is None:
            account_id = account_of(caller, self.account, self.domain_id)
            return {"account_id": account_id, "domain_id": self.domain_id}
        account_id, domain_id = owner_for(caller, account=self.account, project_id=self.project_id)
        return {"account_id": account_id, "domain_id": domain_id}

    def _network(self, caller: Caller, zone_id: UUID) -> Network | None:
        """The network named, or for guests' addresses the only shared one of the zone."""
        if self.network_id is not None:
            return caller.cloud[networks][self.network_id]
        if self.for_virtual_network is not False:
            return None
        here = caller.cloud[networks].by("zone_id", zone_id)
        shared = [row for row in here if row.guest_ip_type == "Shared"]
        if len(shared) == 1:
            return shared[0]
        zone = caller.cloud[zones][zone_id]
        if zone.network_type == "Basic" or shared:
            many = "several shared networks" if shared else "no network yet"
            raise InvalidValue(f"zone {zone.name} has {many}: create one, or say networkid")
        return None

    def _vlan(self, network: Network | None) -> str:
        said = vlan_number(self.vlan) if self.vlan else network and network.vlan
        return str(said or "untagged")

    def _zone(self, caller: Caller) -> UUID:
        """The zone named, or that of the network or physical network named."""
        if self.zone_id is not None:
            return self.zone_id
        of = caller.cloud[networks].get(self.network_id)
        under = caller.cloud[physical_networks].get(self.physical_network_id)
        if of is None and under is None:
            raise missing(NAME, "zoneid")
        return of.zone_id if of is not None else under.zone_id  # type: ignore[union-attr]

    def _physical(self, caller: Caller, zone_id: UUID) -> UUID | None:
        """The one named, or the one that carries the zone's public traffic."""
        if self.physical_network_id is not None:
            if caller.cloud[physical_networks][self.physical_network_id].zone_id != zone_id:
                raise InvalidValue("physicalnetworkid names a physical network of another zone")
            return self.physical_network_id
        for one in caller.cloud[physical_networks].by("zone_id", zone_id):
            carried = caller.cloud[traffic_types].by("physical_network_id", one.id)
            if any(each.traffic_type == "Public" for each in carried):
                return one.id
        return None


def account_of(caller: Caller, name: str | None, domain_id: UUID | None) -> UUID | None:
    """The account of this name in a domain; no name is no account."""
    if not name:
        return None
    for row in caller.cloud.table("account"):
        if row.domain_id == domain_id and row.name.casefold() == name.casefold():
            return UUID(str(row.id))
    raise InvalidValue(f"Unable to find account {name} in domain {domain_id}")


@command(
    "updateVlanIpRange",
    returns=VlanIpRangeView,
    key="vlan",
    allow="A",
    action="VLAN.IP.RANGE.UPDATE",
)
class UpdateVlanIpRangeCommand:
    """Change a range; no address that is taken may fall out of it."""

    id: Annotated[UUID, "the range", Names("vlan_ip_range", right="operate")]
    start_ip: Annotated[str | None, "first address"] = None
    end_ip: Annotated[str | None, "last address"] = None
    gateway: Annotated[str | None, "gateway of the subnet"] = None
    netmask: Annotated[str | None, "its netmask"] = None
    for_system_vms: Annotated[
        bool | None, "not offered yet", Later("system virtual machines share public addresses")
    ] = None
    start_ipv6: Annotated[str | None, "not offered yet", Later("make another range")] = None
    end_ipv6: Annotated[str | None, "not offered yet", Later("make another range")] = None
    ip6_cidr: Annotated[str | None, "not offered yet", Later("make another range")] = None
    ip6_gateway: Annotated[str | None, "not offered yet", Later("make another range")] = None

    async def run(self, caller: Caller) -> VlanIpRange:
        asked = {name: getattr(self, name) for name in ("start_ip", "end_ip", "gateway", "netmask")}
        fields = {name: value for name, value in asked.items() if value}
        await caller.decide(UpdateVlanIpRange(id=self.id, fields=fields))
        return caller.cloud[vlan_ip_ranges][self.id]


@command("deleteVlanIpRange", returns=Success, allow="A", action="VLAN.IP.RANGE.DELETE")
class DeleteVlanIpRange:
    """Remove a range of which no address is taken."""

    id: Annotated[UUID, "the range", Names("vlan_ip_range", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveVlanIpRange(id=self.id))


@list_command(
    "listVlanIpRanges",
    view=VlanIpRangeView,
    table=vlan_ip_ranges,
    key="vlaniprange",
    keyword=("vlan", "start_ip"),
    scope="admin",
    allow="A",
)
class ListVlanIpRanges:
    """List ranges of addresses."""

    zone_id: Annotated[UUID | None, "those of this zone", Names("zone", right="see")] = None
    physical_network_id: Annotated[
        UUID | None, "those of this physical network", Names(PHYSICAL, right="see")
    ] = None
    network_id: Annotated[UUID | None, "those of this network", Names("network", right="see")] = (
        None
    )
    pod_id: Annotated[UUID | None, "those of this pod", Names("pod", right="see")] = None
    domain_id: Annotated[
        UUID | None, "those kept for this domain", Names("domain", right="see")
    ] = None
    account: Annotated[str | None, "those kept for this account", Filter()] = None
    project_id: Annotated[
        UUID | None, "those kept for this project", Names("project", right="see"), Filter()
    ] = None
    vlan: Annotated[str | None, "those of this VLAN"] = None
    for_virtual_network: Annotated[bool | None, "public addresses only, or only others"] = None

    def matches(self, row: VlanIpRange, caller: Caller) -> bool:
        project = caller.cloud[projects].get(self.project_id)
        if project is not None and row.account_id != project.account_id:
            return False
        if not self.account:
            return True
        return row.account_id == account_of(caller, self.account, self.domain_id)
