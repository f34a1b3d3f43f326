"""Physical networks: create, change, remove, list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.commands import state_words
from api.declare import Caller, Job, Names, OneOf, Success, command
from api.errors import InvalidValue
from api.lists import list_command
from api.views.physical_network import PhysicalNetworkView
from engine.intents.job import AsJob
from engine.intents.physical_network import (
    CreatePhysicalNetwork,
    RemovePhysicalNetwork,
    UpdatePhysicalNetwork,
)
from projections.physical_network import physical_networks

KIND = "physical_network"
ISOLATION_METHODS = ("VLAN", "VXLAN")
METHOD = OneOf(*ISOLATION_METHODS)


@command(
    "createPhysicalNetwork",
    returns=PhysicalNetworkView,
    key="physicalnetwork",
    allow="A",
    is_async=True,
    creates=True,
    action="PHYSICAL.NETWORK.CREATE",
)
class CreatePhysicalNetworkCommand:
    """Create a physical network with the providers that every one has, each Disabled."""

    name: Annotated[str, "name of the physical network"]
    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    broadcast_domain_range: Annotated[
        str | None, "how far broadcasts reach", OneOf("ZONE", "POD")
    ] = None
    domain_id: Annotated[
        UUID | None, "the only domain that may use it", Names("domain", right="operate")
    ] = None
    isolation_methods: Annotated[
        list[str] | None, "how networks are kept apart: VLAN or VXLAN", METHOD
    ] = None
    network_speed: Annotated[str | None, "its speed"] = None
    tags: Annotated[list[str] | None, "tags that offerings name"] = None
    vlan: Annotated[str | None, "VLAN ranges of isolated networks, such as 100-199"] = None

    async def run(self, caller: Caller) -> Job:
        if len(self.isolation_methods or ()) > 1:
            raise InvalidValue("isolationmethods: a physical network has one: name only that")
        network_id = caller.new_id()
        fields = {
            "zone_id": self.zone_id,
            "name": self.name,
            "broadcast_domain_range": self.broadcast_domain_range or "ZONE",
            "domain_id": self.domain_id,
            "isolation_methods": ",".join(self.isolation_methods or ()),
            "network_speed": self.network_speed or "",
            "tags": ",".join(self.tags or ()),
            "vlans": self.vlan or "",
        }
        ask = CreatePhysicalNetwork(id=network_id, seed=caller.new_id(), fields=fields)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=network_id))


@command(
    "updatePhysicalNetwork",
    returns=PhysicalNetworkView,
    key="physicalnetwork",
    allow="A",
    is_async=True,
    action="PHYSICAL.NETWORK.UPDATE",
)
class UpdatePhysicalNetworkCommand:
    """Enable or disable a physical network, or change its VLANs, speed and tags."""

    id: Annotated[UUID, "the physical network", Names(KIND, right="operate")]
    network_speed: Annotated[str | None, "its speed"] = None
    state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    tags: Annotated[list[str] | None, "tags that offerings name"] = None
    vlan: Annotated[str | None, "VLAN ranges of isolated networks, such as 100-199"] = None

    async def run(self, caller: Caller) -> Job:
        asked: dict[str, Any] = {
            "network_speed": self.network_speed,
            "state": self.state or None,
            "tags": None if self.tags is None else ",".join(self.tags),
            "vlans": self.vlan,
        }
        fields = {name: value for name, value in asked.items() if value is not None}
        ask = UpdatePhysicalNetwork(id=self.id, seed=caller.new_id(), fields=fields)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


@command(
    "deletePhysicalNetwork",
    returns=Success,
    allow="A",
    is_async=True,
    action="PHYSICAL.NETWORK.DELETE",
)
class DeletePhysicalNetwork:
    """Remove a physical network that no network is on, with its providers and traffic types."""

    id: Annotated[UUID, "the physical network", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = RemovePhysicalNetwork(id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


@list_command(
    "listPhysicalNetworks",
    view=PhysicalNetworkView,
    table=physical_networks,
    key="physicalnetwork",
    scope="admin",
    allow="A",
)
class ListPhysicalNetworks:
    """List physical networks."""

    zone_id: Annotated[UUID | None, "those of this zone", Names("zone", right="see")] = None
