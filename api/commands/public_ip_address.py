"""Public addresses: take one, give it back, reserve one, and list those taken and free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands import state_words
from api.commands.custom_id import KeepsId
from api.declare import Caller, Free, Job, Names, Page, Roles, Success, command
from api.errors import Denied, InvalidValue, ParamError, missing
from api.lists import Filter, cut, list_command
from api.scope import owner_for
from api.views.public_ip_address import PublicIpAddressView, free_number
from engine.intents.public_ip_address import AllocateAddress, AssociateReserved, ReleaseAddress
from projections.addresses import Addresses
from projections.load_balancer_rule import load_balancer_rules
from projections.network import Network, networks
from projections.public_ip_address import PublicIpAddress, public_ip_addresses
from projections.vlan_ip_range import VlanIpRange, space_of, vlan_ip_ranges
from projections.vpc import vpcs
from projections.zone import zones

KIND = "public_ip_address"


@command(
    "associateIpAddress",
    returns=PublicIpAddressView,
    key="ipaddress",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="NET.IPASSIGN",
)
class AssociateIpAddress:
    """Take a public address for a network or a VPC."""

    network_id: Annotated[
        UUID | None, "the network it shall serve", Names("network", "operate")
    ] = None
    vpc_id: Annotated[UUID | None, "the VPC that it shall serve", Names("vpc", "operate")] = None
    zone_id: Annotated[UUID | None, "the zone; the network's if omitted", Names("zone")] = None
    ip_address: Annotated[str | None, "this address; the lowest free one if omitted"] = None
    account: Annotated[str | None, "the account that shall have it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall have it", Names("project")] = None
    is_portable: Annotated[bool | None, "true is refused: no address moves between zones"] = None
    region_id: Annotated[int | None, "the region of a portable address"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        if self.is_portable:
            raise InvalidValue("portable addresses are not offered by this cloud: leave isportable")
        serves = self._serves(caller)
        account_id, domain_id = self._owner(caller, serves)
        if caller.cloud[zones][serves.zone_id].allocation_state != "Enabled" and not caller.is_root:
            raise Denied("the zone is Disabled: choose an Enabled one")
        place = {self._kind(serves): serves.id}
        if (kept := self._reserved(caller, account_id, serves.zone_id)) is not None:
            return await records.as_job(
                caller, AssociateReserved(id=kept.id, **place), KIND, kept.id
            )
        row_id = caller.new_id()
        ask = AllocateAddress(
            id=row_id,
            account_id=account_id,
            domain_id=domain_id,
            zone_id=serves.zone_id,
            wanted=self.ip_address or "",
            is_displayed=self.for_display is not False,
            **place,
        )
        return await records.as_job(caller, ask, KIND, row_id)

    def _serves(self, caller: Caller) -> Any:
        """The network or the VPC; of a zone the only network that could have an address."""
        if self.network_id is not None and self.vpc_id is not None:
            raise ParamError("networkid and vpcid cannot be given together: leave one out")
        if self.vpc_id is not None:
            found: Any = caller.cloud[vpcs][self.vpc_id]
        elif self.network_id is not None:
            found = caller.cloud[networks][self.network_id]
        elif self.zone_id is not None:
            found = self._only_network(caller)
        else:
            raise missing("associateIpAddress", "networkid")
        if self.zone_id not in (None, found.zone_id):
            raise InvalidValue(f"{found.name} is in another zone than zoneid says: leave it out")
        return found

    def _only_network(self, caller: Caller) -> Network:
        account_id, _ = self._asked_owner(caller)
        mine = caller.cloud[networks].by("account_id", account_id)
        fitting = [
            one for one in mine
            if one.zone_id == self.zone_id and one.guest_ip_type == "Isolated"
            and one.vpc_id is None
        ]  # fmt: skip
        if len(fitting) != 1:
            names = ", ".join(one.name for one in fitting) or "none"
            raise InvalidValue(
                "Failed to automatically determine the network to associate the address with: "
                f"the account has {len(fitting)} isolated networks in the zone ({names}); "
                "give networkid"
            )
        return fitting[0]

    def _asked_owner(self, caller: Caller) -> tuple[UUID, UUID]:
        return owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )

    def _owner(self, caller: Caller, serves: Any) -> tuple[UUID, UUID]:
        """An address is its network's owner's, whoever takes it."""
        if self.account is None and self.project_id is None:
            return serves.account_id, serves.domain_id
        asked = self._asked_owner(caller)
        if asked[0] != serves.account_id:
            raise InvalidValue(f"{serves.name} is another account's than the one named")
        return asked

    def _kind(self, serves: Any) -> str:
        return "network_id" if serves.KIND == "network" else "vpc_id"

    def _reserved(self, caller: Caller, account_id: UUID, zone_id: UUID) -> PublicIpAddress | None:
        """The address that was named, if this account has it reserved."""
        if not self.ip_address:
            return None
        rows = caller.cloud[public_ip_addresses].by("address", self.ip_address)
        mine = (one for one in rows if (one.account_id, one.zone_id) == (account_id, zone_id))
        return next((one for one in mine if one.state == "Reserved"), None)


@command(
    "disassociateIpAddress",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NET.IPRELEASE",
)
class DisassociateIpAddress:
    """Give a public address back, with every rule on it."""

    id: Annotated[UUID | None, "the address", Names(KIND, right="operate")] = None
    ip_address: Annotated[str | None, "or the address itself"] = None

    async def run(self, caller: Caller) -> Job:
        row_id = self.id or self._named(caller)
        return await records.as_job(caller, ReleaseAddress(id=row_id), KIND, row_id)

    def _named(self, caller: Caller) -> UUID:
        if not self.ip_address:
            raise missing("disassociateIpAddress", "id")
        for row in caller.cloud[public_ip_addresses].by("address", self.ip_address):
            if row.account_id == caller.account_id or row.account_id in caller.identity.projects:
                return row.id
        raise InvalidValue(f"this account has no address {self.ip_address}: give id")


@command(
    "updateIpAddress",
    returns=PublicIpAddressView,
    key="ipaddress",
    allow="ARDU",
    is_async=True,
    action="NET.IPUPDATE",
)
class UpdateIpAddress(KeepsId):
    """Show a public address to its owner, or hide it."""

    id: Annotated[UUID, "the address", Names(KIND, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, KIND, self.id, fields)


FREE = Free("a free address is nobody's yet; run() finds the range that it is of")


@command(
    "reserveIpAddress",
    returns=PublicIpAddressView,
    key="ipaddress",
    allow="ARDU",
    action="NET.IPRESERVE",
)
class ReserveIpAddress:
    """Keep a free public address for an account, before any network uses it."""

    id: Annotated[UUID, "a free address, as listPublicIpAddresses shows it", FREE]
    account: Annotated[str | None, "the account that shall have it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall have it", Names("project")] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> PublicIpAddress:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        of, number = self._free(caller)
        row_id = caller.new_id()
        ask = AllocateAddress(
            id=row_id,
            account_id=account_id,
            domain_id=domain_id,
            zone_id=of.zone_id,
            wanted=str(IPv4Address(number)),
            is_displayed=self.for_display is not False,
        )
        await caller.decide(ask)
        return caller.cloud[public_ip_addresses][row_id]

    def _free(self, caller: Caller) -> tuple[VlanIpRange, int]:
        for of in caller.cloud[vlan_ip_ranges]:
            number = free_number(of.id, self.id)
            numbers = caller.cloud.view(Addresses).ranges.get(space_of(of.id))
            public = of.for_virtual_network and of.network_id is None
            if number is None or not public or numbers is None or number not in numbers:
                continue
            if not numbers.is_taken(number):
                return of, number
        raise InvalidValue(f"Invalid parameter id value={self.id}: it is no free public address")


@command("releaseIpAddress", returns=Success, allow="ARDU", action="NET.IPRELEASE")
class ReleaseIpAddress:
    """Give back an address that was reserved or serves nothing."""

    id: Annotated[UUID, "the address", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        row = caller.cloud[public_ip_addresses][self.id]
        if row.state != "Reserved":
            raise InvalidValue(
                f"address {row.address} is {row.state}: disassociateIpAddress gives it back"
            )
        await caller.decide(ReleaseAddress(id=self.id))


@list_command(
    "listPublicIpAddresses",
    view=PublicIpAddressView,
    table=public_ip_addresses,
    key="publicipaddress",
    keyword=("address",),
)
class ListPublicIpAddresses:
    """List public addresses: those that are taken, or also those that are free."""

    zone_id: Annotated[UUID | None, "of this zone", Names("zone", right="see")] = None
    vlan_id: Annotated[
        UUID | None, "of this range", Names("vlan_ip_range", right="see"), Filter("range_id")
    ] = None
    physical_network_id: Annotated[
        UUID | None, "of this physical network", Names("physical_network", right="see"), Filter()
    ] = None
    ip_address: Annotated[str | None, "this address", Filter("address")] = None
    associated_network_id: Annotated[
        UUID | None, "serving this network", Names("network", right="see"), Filter("network_id")
    ] = None
    network_id: Annotated[
        UUID | None, "of ranges on this public network", Names("network", right="see"), Filter()
    ] = None
    vpc_id: Annotated[UUID | None, "serving this VPC", Names("vpc", right="see")] = None
    is_source_nat: Annotated[bool | None, "source NAT addresses, or the others"] = None
    is_static_nat: Annotated[
        bool | None,
        "those with static NAT, or without",
        Filter(test=lambda row, wanted: row.is_static_nat is wanted),
    ] = None
    allocated_only: Annotated[bool | None, "false: free ones too", Filter()] = None
    for_virtual_network: Annotated[
        bool | None, "false finds none", Filter(test=lambda row, wanted: bool(wanted))
    ] = None
    for_load_balancing: Annotated[bool | None, "true: those that load is balanced on", Filter()] = (
        None
    )
    for_system_vms: Annotated[
        bool | None, "true finds none", Filter(test=lambda row, wanted: not wanted)
    ] = None
    for_provider: Annotated[
        bool | None, "true finds none", Filter(test=lambda row, wanted: not wanted)
    ] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
    state: Annotated[str | None, "Allocated, Reserved or Free", state_words.ADDRESS] = None
    retrieve_only_resource_count: Annotated[bool | None, "only how many there are", Filter()] = None

    async def run(self, caller: Caller) -> Page:
        """Taken ones as any list; behind them the free ones, if they are asked for."""
        asked: Any = self
        _, taken = await asked.find(caller)
        found = [*taken, *(self._free(caller) if self._free_too(caller) else ())]
        shown = (
            []
            if self.retrieve_only_resource_count
            else cut(found, asked.page, asked.page_size, caller)
        )
        return Page(len(found), [self._shown(one, caller) for one in shown])

    def visible(self, row: PublicIpAddress, caller: Caller) -> bool:
        return caller.is_root or row.is_displayed

    def matches(self, row: PublicIpAddress, caller: Caller) -> bool:
        if self.for_load_balancing:
            return any(True for _ in caller.cloud[load_balancer_rules].by("ip_address_id", row.id))
        of = caller.cloud[vlan_ip_ranges].get(row.range_id)
        wires = None if of is None else of.physical_network_id
        return self.physical_network_id in (None, wires) and self.network_id is None

    def _free_too(self, caller: Caller) -> bool:
        """Free addresses are nobody's: any filter that speaks of an owner or a use leaves them."""
        asked: Any = self
        uses = (
            *(asked.id, asked.ids, self.associated_network_id, self.vpc_id, self.network_id),
            *(self.is_source_nat, self.is_static_nat, self.for_load_balancing, asked.tags),
            *(asked.account, asked.project_id, self.for_system_vms, self.for_provider),
        )
        wanted = self.allocated_only is False or (self.state or "").lower() == "free"
        state = (self.state or "free").lower() == "free"
        return wanted and state and not any(uses) and self.for_virtual_network is not False

    def _free(self, caller: Caller) -> Iterator[tuple[VlanIpRange, int]]:
        asked: Any = self
        for of in self._ranges(caller):
            numbers = caller.cloud.view(Addresses).ranges[space_of(of.id)]
            for number in range(numbers.space.first, numbers.space.last + 1):
                text = str(IPv4Address(number))
                if numbers.is_taken(number) or self.ip_address not in (None, text):
                    continue
                if (asked.keyword or "") in text:
                    yield of, number

    def _ranges(self, caller: Caller) -> Iterable[VlanIpRange]:
        """The public ranges that are asked for and that this caller may take from."""
        for one in caller.cloud[vlan_ip_ranges]:
            asked = (
                (self.zone_id, one.zone_id),
                (self.vlan_id, one.id),
                (self.physical_network_id, one.physical_network_id),
            )
            public = one.for_virtual_network and one.network_id is None
            kept = one.account_id is not None or one.domain_id is not None
            mine = caller.is_root or not kept or one.account_id == caller.account_id
            if public and mine and all(want in (None, has) for want, has in asked):
                yield one

    def _shown(self, one: Any, caller: Caller) -> PublicIpAddressView:
        if isinstance(one, tuple):
            of, number = one
            return PublicIpAddressView.of_free(of, number, caller.cloud)
        return PublicIpAddressView.of(one, caller.cloud)
