"""Physical networks: their VLANs are address spaces, and each is born with its usual providers."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID, uuid5

from aggregates.base import Aggregate
from aggregates.errors import InUse, Invalid
from aggregates.network_service_provider import ELEMENTS, PROVIDERS
from aggregates.physical_network import vlan_ranges
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.address_space import close_space, open_space, spaces_of
from engine.intents.physical_network import (
    CreatePhysicalNetwork,
    RemovePhysicalNetwork,
    UpdatePhysicalNetwork,
)
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.baremetal_service import baremetal_services
from projections.network import networks
from projections.network_service_provider import network_service_providers
from projections.physical_network import physical_networks
from projections.router_element import router_elements
from projections.traffic_type import traffic_types
from projections.zone import zones

BORN_WITH = (
    "VirtualRouter",
    "VpcVirtualRouter",
    "InternalLbVm",
    "ConfigDrive",
    "SecurityGroupProvider",
)


@decision
def create(ask: CreatePhysicalNetwork, desk: Desk) -> None:
    fields = ask.fields
    zone = desk.row(zones, fields["zone_id"])
    if zone.network_type == "Basic" and list(desk.cloud[physical_networks].by("zone_id", zone.id)):
        raise Invalid(f"zone {zone.name} is Basic and has its one physical network already")
    record.create(CreateRecord(kind="physical_network", id=ask.id, fields=fields), desk)
    _set_vlans(desk, ask.id, zone.id, ask.seed, fields.get("vlans", ""))
    for name in BORN_WITH:
        _add_provider(desk, ask.id, ask.seed, name)


@decision
def update(ask: UpdatePhysicalNetwork, desk: Desk) -> None:
    row = desk.row(physical_networks, ask.id)
    record.update(UpdateRecord(kind="physical_network", id=ask.id, fields=ask.fields), desk)
    vlans = ask.fields.get("vlans", row.vlans)
    if vlans != row.vlans:
        _set_vlans(desk, row.id, row.zone_id, ask.seed, vlans)


@decision
def remove(ask: RemovePhysicalNetwork, desk: Desk) -> None:
    row = desk.row(physical_networks, ask.id)
    for space in spaces_of(desk, "physical_network_id", row.id, "vlan"):
        close_space(desk, space, f"VLANs of physical network {row.name}")
    cloud = desk.cloud
    for provider in cloud[network_service_providers].by("physical_network_id", row.id):
        _remove_all(desk, "router_element", cloud[router_elements].by("provider_id", provider.id))
        _remove_all(desk, "network_service_provider", (provider,))
    served = cloud[baremetal_services].by("physical_network_id", row.id)
    _remove_all(desk, "baremetal_service", served)
    _remove_all(desk, "traffic_type", cloud[traffic_types].by("physical_network_id", row.id))
    record.remove(RemoveRecord(kind="physical_network", id=row.id), desk)


def _remove_all(desk: Desk, kind: str, rows: Iterable[Aggregate]) -> None:
    for row in list(rows):
        record.remove(RemoveRecord(kind=kind, id=row.id), desk)


def _add_provider(desk: Desk, network_id: UUID, seed: UUID, name: str) -> None:
    provider_id = uuid5(seed, name)
    fields = {"physical_network_id": network_id, "name": name, "services": list(PROVIDERS[name])}
    made = CreateRecord(kind="network_service_provider", id=provider_id, fields=fields)
    record.create(made, desk)
    if name in ELEMENTS:
        part = {"provider_id": provider_id, "kind": name}
        element_id = uuid5(provider_id, "element")
        record.create(CreateRecord(kind="router_element", id=element_id, fields=part), desk)


def _set_vlans(desk: Desk, network_id: UUID, zone_id: UUID, seed: UUID, vlans: str) -> None:
    """Keep the spaces that lie within the new ranges, close the others, open what is missing."""
    wanted = {vlan for first, last in vlan_ranges(vlans) for vlan in range(first, last + 1)}
    for space in spaces_of(desk, "physical_network_id", network_id, "vlan"):
        mine = set(range(space.first, space.last + 1))
        if mine <= wanted:
            wanted -= mine
        else:
            close_space(desk, space, f"VLANs {space.first}-{space.last} of the physical network")
    _of_nobody(desk, network_id, zone_id, wanted)
    for first, last in _runs(wanted):
        open_space(
            desk,
            uuid5(seed, f"{first}-{last}"),
            purpose="vlan",
            zone_id=zone_id,
            physical_network_id=network_id,
            first=first,
            last=last,
        )


def _of_nobody(desk: Desk, network_id: UUID, zone_id: UUID, vlans: set[int]) -> None:
    """A network that was made with a VLAN outside of the ranges has it on no ledger: it would be
    given out again."""
    for network in desk.cloud[networks].by("zone_id", zone_id):
        if network.physical_network_id == network_id and network.vlan in vlans:
            raise InUse(
                f"VLAN {network.vlan} is that of network {network.name}: leave it out of vlan, or "
                "delete that network first"
            )


def _runs(numbers: set[int]) -> list[tuple[int, int]]:
    """Whole numbers as the fewest ranges."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
