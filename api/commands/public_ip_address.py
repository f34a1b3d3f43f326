"""Public addresses. They have no owner yet, so only root administrators see them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Annotated
from uuid import UUID, uuid5

from api.authz import noun
from api.declare import Bound, Caller, Names, Page, command
from api.lists import cut
from api.views.public_ip_address import PublicIpAddressView
from projections.addresses import Addresses
from projections.vlan_ip_range import VlanIpRange, space_of, vlan_ip_ranges
from projections.zone import zones

noun("public_ip_address", "owned")


@command(
    "listPublicIpAddresses",
    returns=PublicIpAddressView,
    key="publicipaddress",
    shape="list",
    allow="ARDU",
)
class ListPublicIpAddresses:
    """List public addresses: those that are taken, or also those that are free."""

    id: Annotated[UUID | None, "the one with this id", Names("public_ip_address", right="see")] = (
        None
    )
    zone_id: Annotated[UUID | None, "of this zone", Names("zone", right="see")] = None
    vlan_id: Annotated[UUID | None, "of this range", Names("vlan_ip_range", right="see")] = None
    physical_network_id: Annotated[
        UUID | None, "of this physical network", Names("physical_network", right="see")
    ] = None
    ip_address: Annotated[str | None, "this address"] = None
    allocated_only: Annotated[bool | None, "false: free ones too"] = None
    for_virtual_network: Annotated[bool | None, "true for public addresses"] = None
    state: Annotated[str | None, "Allocated or Free"] = None
    keyword: Annotated[str | None, "text that the address contains"] = None
    list_all: Annotated[bool | None, "all that the caller may see"] = None
    page: Annotated[int | None, "which page, from 1", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        if not caller.is_root or self.for_virtual_network is False:
            return Page(0, [])
        found = [row for one in self._ranges(caller) for row in self._of(one, caller)]
        return Page(len(found), cut(found, self.page, self.page_size))

    def _ranges(self, caller: Caller) -> Iterator[VlanIpRange]:
        for one in caller.cloud[vlan_ip_ranges]:
            asked = (
                (self.zone_id, one.zone_id),
                (self.vlan_id, one.id),
                (self.physical_network_id, one.physical_network_id),
            )
            public = one.for_virtual_network and one.network_id is None
            if public and all(want in (None, has) for want, has in asked):
                yield one

    def _of(self, of: VlanIpRange, caller: Caller) -> Iterator[PublicIpAddressView]:
        numbers = caller.cloud.view(Addresses).ranges[space_of(of.id)]
        reserved = set(numbers.space.reserved)
        free_too = self.allocated_only is False or (self.state or "").lower() == "free"
        every = range(numbers.space.first, numbers.space.last + 1)
        for number in every if free_too else numbers.taken_numbers():
            text = str(IPv4Address(number))
            state = "Allocated" if numbers.is_taken(number) else "Free"
            if number in reserved or (self.state and self.state.lower() != state.lower()):
                continue
            if self.ip_address in (None, text) and (self.keyword or "") in text:
                yield PublicIpAddressView(
                    id=uuid5(of.id, text),
                    ip_address=text,
                    zone_id=of.zone_id,
                    zone_name=caller.cloud[zones][of.zone_id].name,
                    state=state,
                    vlan_id=of.id,
                    vlan_name=of.vlan,
                    physical_network_id=of.physical_network_id,
                    for_virtual_network=True,
                    is_source_nat=False,
                    is_static_nat=False,
                    is_system=False,
                    is_portable=False,
                    tags=[],
                )
