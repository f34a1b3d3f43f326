"""Traffic types: which traffic may run on more than one physical network of a zone."""

from __future__ import annotations

from aggregates.errors import AlreadyExists
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.record import CreateRecord
from engine.intents.traffic_type import AddTrafficType
from projections.physical_network import physical_networks
from projections.traffic_type import traffic_types

ONCE_A_ZONE = ("Management", "Storage", "Public")


@decision
def add(ask: AddTrafficType, desk: Desk) -> None:
    kind = ask.fields["traffic_type"]
    network = desk.row(physical_networks, ask.fields["physical_network_id"])
    for other in desk.cloud[physical_networks].by("zone_id", network.zone_id):
        taken = desk.cloud[traffic_types].by("physical_network_id", other.id)
        if kind in ONCE_A_ZONE and any(one.traffic_type == kind for one in taken):
            raise AlreadyExists(
                f"{kind} traffic is on physical network {other.name} of this zone already: "
                "a zone has it once"
            )
    record.create(CreateRecord(kind="traffic_type", id=ask.id, fields=ask.fields), desk)
