"""IPv6 prefixes of a zone, of which its networks take their subnets."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Annotated
from uuid import UUID

from api import records
from api.declare import Caller, Cloud, Date, Job, Names, Success, View, command, date, view
from api.lists import list_command
from projections.ipv6 import SUBNET_BITS, GuestIpv6Prefix, guest_ipv6_prefixes
from projections.network import networks

KIND = "guest_ipv6_prefix"


@view
class GuestIpv6PrefixView(View, kw_only=True):
    """An IPv6 prefix for guest networks."""

    id: Annotated[UUID, "its id"]
    prefix: Annotated[str, "the prefix"]
    zone_id: Annotated[UUID, "the zone"]
    used_subnets: Annotated[int, "subnets that networks have"]
    available_subnets: Annotated[int, "subnets that are free"]
    total_subnets: Annotated[int, "subnets in all"]
    created: Annotated[Date, "when it was added"]

    @classmethod
    def of(cls, row: GuestIpv6Prefix, cloud: Cloud) -> GuestIpv6PrefixView:
        prefix = IPv6Network(row.prefix)
        total = 1 << (SUBNET_BITS - prefix.prefixlen)
        mine = (one.ip6_cidr for one in cloud[networks].by("zone_id", row.zone_id))
        used = sum(bool(cidr) and IPv6Network(cidr).subnet_of(prefix) for cidr in mine)
        return cls(
            id=row.id,
            prefix=row.prefix,
            zone_id=row.zone_id,
            used_subnets=used,
            available_subnets=total - used,
            total_subnets=total,
            created=date(row.created_at_ms),
        )


@command(
    "createGuestNetworkIpv6Prefix",
    returns=GuestIpv6PrefixView,
    key="guestnetworkipv6prefix",
    allow="A",
    is_async=True,
    action="GUEST.IP6.PREFIX.CREATE",
)
class CreateGuestNetworkIpv6Prefix:
    """Add a prefix of which isolated networks with IPv6 take a /64 each."""

    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    prefix: Annotated[str, "the prefix, such as fd17:5:8a43::/48"]

    async def run(self, caller: Caller) -> Job:
        fields = {"zone_id": self.zone_id, "prefix": self.prefix}
        return await records.create(caller, KIND, fields)


@command(
    "deleteGuestNetworkIpv6Prefix",
    returns=Success,
    allow="A",
    is_async=True,
    action="GUEST.IP6.PREFIX.DELETE",
)
class DeleteGuestNetworkIpv6Prefix:
    """Remove a prefix of which no network has a part."""

    id: Annotated[UUID, "the prefix", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@list_command(
    "listGuestNetworkIpv6Prefixes",
    view=GuestIpv6PrefixView,
    table=guest_ipv6_prefixes,
    key="guestnetworkipv6prefix",
    keyword=("prefix",),
    scope="admin",
    allow="A",
)
class ListGuestNetworkIpv6Prefixes:
    """List IPv6 prefixes for guest networks."""

    zone_id: Annotated[UUID | None, "those of this zone", Names("zone", right="see")] = None
