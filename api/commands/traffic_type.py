"""Traffic types: which traffic a physical network carries, and on what of each hypervisor."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.commands.physical_network import METHOD
from api.declare import Caller, Job, Names, OneOf, Success, command
from api.lists import list_command
from api.views.traffic_type import LABELS, TrafficTypeView
from engine.intents.job import AsJob
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.traffic_type import AddTrafficType
from projections.traffic_type import traffic_types

KIND = "traffic_type"
TYPES = OneOf("Guest", "Management", "Public", "Storage", "Control", "Vpn")

Label = Annotated[str | None, "what carries it on hosts of this kind"]


@command(
    "addTrafficType",
    returns=TrafficTypeView,
    key="traffictype",
    allow="A",
    is_async=True,
    creates=True,
    action="TRAFFIC.TYPE.CREATE",
)
class AddTrafficTypeCommand:
    """Let a physical network carry a type of traffic."""

    physical_network_id: Annotated[
        UUID, "the physical network", Names("physical_network", right="operate")
    ]
    traffic_type: Annotated[str, "which traffic", TYPES]
    vlan: Annotated[str | None, "VLAN of that traffic"] = None
    isolation_method: Annotated[str | None, "how networks are kept apart", METHOD] = None
    kvm_network_label: Label = None
    vmware_network_label: Label = None
    xen_network_label: Label = None
    hyperv_network_label: Label = None
    ovm3_network_label: Label = None

    async def run(self, caller: Caller) -> Job:
        type_id = caller.new_id()
        fields = {
            "physical_network_id": self.physical_network_id,
            "traffic_type": self.traffic_type,
            "vlan": self.vlan or "",
            "isolation_method": self.isolation_method or "",
            "labels": labels(self),
        }
        ask = AddTrafficType(id=type_id, fields=fields)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=type_id))


@command(
    "updateTrafficType",
    returns=TrafficTypeView,
    key="traffictype",
    allow="A",
    is_async=True,
    action="TRAFFIC.TYPE.UPDATE",
)
class UpdateTrafficType:
    """Change what carries a type of traffic on the hosts."""

    id: Annotated[UUID, "the traffic type", Names(KIND, right="operate")]
    kvm_network_label: Label = None
    vmware_network_label: Label = None
    xen_network_label: Label = None
    hyperv_network_label: Label = None
    ovm3_network_label: Label = None

    async def run(self, caller: Caller) -> Job:
        merged = caller.cloud[traffic_types][self.id].labels | labels(self)
        ask = UpdateRecord(kind=KIND, id=self.id, fields={"labels": merged})
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


@command(
    "deleteTrafficType",
    returns=Success,
    allow="A",
    is_async=True,
    action="TRAFFIC.TYPE.DELETE",
)
class DeleteTrafficType:
    """Let a physical network carry this traffic no more."""

    id: Annotated[UUID, "the traffic type", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = RemoveRecord(kind=KIND, id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


def labels(asked: Any) -> dict[str, str]:
    """The labels that were given, by hypervisor."""
    given = {kind: getattr(asked, name) for name, kind in LABELS.items()}
    return {kind: label for kind, label in given.items() if label is not None}


@list_command(
    "listTrafficTypes",
    view=TrafficTypeView,
    table=traffic_types,
    key="traffictype",
    keyword=("traffic_type",),
    scope="admin",
    allow="A",
)
class ListTrafficTypes:
    """List the traffic that a physical network carries."""

    physical_network_id: Annotated[
        UUID, "the physical network", Names("physical_network", right="see")
    ]
