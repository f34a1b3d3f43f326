"""Zones: create, change, remove, list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.commands import state_words
from api.commands.resolving import DNS_DOMAIN
from api.declare import Caller, Idle, Later, Names, OneOf, Success, command, part
from api.lists import NONE_IS, Filter, list_command
from api.views.capacity import capacities
from api.views.metrics import ZoneMetricsView
from api.views.zone import ZoneView
from engine.intents.attached import SetDetails
from engine.intents.record import Together, UpdateRecord
from engine.intents.zone import CreateZone, RemoveZone
from projections.capacities import Place
from projections.vm import vms
from projections.zone import Zone, zones


@command("createZone", returns=ZoneView, key="zone", allow="A", action="ZONE.CREATE")
class CreateZoneCommand:
    """Create a zone. It is Disabled until an administrator enables it."""

    name: Annotated[str, "name of the zone"]
    dns1: Annotated[str, "first resolver of guests"]
    internal_dns1: Annotated[str, "first resolver of system VMs"]
    network_type: Annotated[str, "kind of network", OneOf("Basic", "Advanced")]
    dns2: Annotated[str | None, "second resolver of guests"] = None
    internal_dns2: Annotated[str | None, "second resolver of system VMs"] = None
    ip6_dns1: Annotated[str | None, "first IPv6 resolver of guests"] = None
    ip6_dns2: Annotated[str | None, "second IPv6 resolver of guests"] = None
    guest_cidr_address: Annotated[str | None, "subnet that isolated networks use"] = None
    domain: Annotated[str | None, "DNS domain of its networks", DNS_DOMAIN] = None
    domain_id: Annotated[
        UUID | None, "the only domain that may use it", Names("domain", right="operate")
    ] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    security_group_enabled: Annotated[bool | None, "guard guests by security groups"] = None
    local_storage_enabled: Annotated[bool | None, "allow disks on hosts"] = None
    is_edge: Annotated[bool | None, "a small zone without system VMs"] = None
    storage_access_groups: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("storage has no access groups")
    ] = None

    async def run(self, caller: Caller) -> Zone:
        zone_id = caller.new_id()
        fields = {
            "name": self.name,
            "network_type": self.network_type,
            "dns1": self.dns1,
            "dns2": self.dns2 or "",
            "internal_dns1": self.internal_dns1,
            "internal_dns2": self.internal_dns2 or "",
            "ip6_dns1": self.ip6_dns1 or "",
            "ip6_dns2": self.ip6_dns2 or "",
            "guest_cidr": self.guest_cidr_address or "",
            "domain": self.domain or "",
            "domain_id": self.domain_id,
            "security_groups_enabled": bool(self.security_group_enabled),
            "local_storage_enabled": bool(self.local_storage_enabled),
            "is_edge": bool(self.is_edge),
            "allocation_state": self.allocation_state or "Disabled",
            "token": str(caller.new_id()),
        }
        await caller.decide(CreateZone(id=zone_id, mac_space_id=caller.new_id(), fields=fields))
        return caller.cloud[zones][zone_id]


@command("updateZone", returns=ZoneView, key="zone", allow="A", action="ZONE.EDIT")
class UpdateZone:
    """Change a zone, or enable or disable it."""

    id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    name: Annotated[str | None, "new name"] = None
    dns1: Annotated[str | None, "first resolver of guests"] = None
    dns2: Annotated[str | None, "second resolver of guests"] = None
    internal_dns1: Annotated[str | None, "first resolver of system VMs"] = None
    internal_dns2: Annotated[str | None, "second resolver of system VMs"] = None
    ip6_dns1: Annotated[str | None, "first IPv6 resolver of guests"] = None
    ip6_dns2: Annotated[str | None, "second IPv6 resolver of guests"] = None
    guest_cidr_address: Annotated[str | None, "subnet that isolated networks use"] = None
    domain: Annotated[str | None, "DNS domain of its networks", DNS_DOMAIN] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    local_storage_enabled: Annotated[bool | None, "allow disks on hosts"] = None
    is_public: Annotated[bool | None, "true opens it to every domain"] = None
    details: Annotated[dict[str, str] | None, "what else is to be said of it"] = None
    dhcp_provider: Annotated[
        str | None, "not offered yet", Later("networks say who gives addresses")
    ] = None
    dns_search_order: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("networks have one domain")
    ] = None
    sort_key: Annotated[
        int | None, "accepted: zones are listed by age", Idle("zones are listed by age")
    ] = None

    async def run(self, caller: Caller) -> Zone:
        asked: dict[str, Any] = {
            "name": self.name or None,
            "dns1": self.dns1 or None,
            "dns2": self.dns2,
            "internal_dns1": self.internal_dns1 or None,
            "internal_dns2": self.internal_dns2,
            "ip6_dns1": self.ip6_dns1,
            "ip6_dns2": self.ip6_dns2,
            "guest_cidr": self.guest_cidr_address,
            "domain": self.domain,
            "allocation_state": self.allocation_state or None,
            "local_storage_enabled": self.local_storage_enabled,
        }
        fields = {name: value for name, value in asked.items() if value is not None}
        if self.is_public:
            fields["domain_id"] = None
        asks: list[Any] = [UpdateRecord(kind="zone", id=self.id, fields=fields)]
        if self.details:
            told = SetDetails(
                kind="zone",
                thing_id=self.id,
                details=self.details,
                is_displayed=True,
                seed=caller.new_id(),
            )
            asks.append(told)
        await caller.decide(Together(asks=tuple(asks)))
        return caller.cloud[zones][self.id]


@command("deleteZone", returns=Success, allow="A", action="ZONE.DELETE")
class DeleteZone:
    """Remove a zone that nothing is in any more."""

    id: Annotated[UUID, "the zone", Names("zone", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveZone(id=self.id))


@part
class ZoneFilters:
    """What zones are listed by."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None
    available: Annotated[bool | None, "false: only those with guests of the caller", Filter()] = (
        None
    )
    domain_id: Annotated[
        UUID | None, "zones kept for this domain", Names("domain", right="see")
    ] = None
    network_type: Annotated[str | None, "Basic or Advanced"] = None
    show_capacities: Annotated[bool | None, "add how much there is", Filter()] = None
    storage_access_group: Annotated[str | None, "of this access group: none is", NONE_IS] = None
    tags: Annotated[dict[str, str] | None, "those that carry any of these tags", Filter()] = None

    def visible(self, row: Zone, caller: Caller) -> bool:
        if not caller.is_root and row.allocation_state != "Enabled":
            return False
        if self.available is not False:
            return True
        mine = caller.cloud[vms].by("account_id", caller.account_id)
        return any(vm.zone_id == row.id for vm in mine)

    def show(self, row: Zone, caller: Caller) -> ZoneView:
        made: ZoneView = type(self).PLAN.view.of(row, caller.cloud)  # type: ignore[attr-defined]
        if self.show_capacities and caller.is_root:
            made.capacity = capacities(caller.cloud, Place(row.id))
        return made


@list_command("listZones", view=ZoneView, table=zones, key="zone", scope="catalogue")
class ListZones(ZoneFilters):
    """List zones. Tenants see those that are Enabled and open to them."""


@list_command(
    "listZonesMetrics",
    view=ZoneMetricsView,
    table=zones,
    key="zone",
    scope="catalogue",
    allow="A",
    since="4.9.3",
)
class ListZonesMetrics(ZoneFilters):
    """List zones with what is really used, and what is too full."""
