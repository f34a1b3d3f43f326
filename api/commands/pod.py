"""Pods: create, change, remove, list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.commands import state_words
from api.declare import Caller, Later, Names, Success, command
from api.lists import NONE_IS, Filter, list_command
from api.views.capacity import capacities
from api.views.pod import PodView
from engine.intents.pod import CreatePod, RemovePod, UpdatePod
from projections.capacities import Place
from projections.pod import Pod, pods


@command("createPod", returns=PodView, key="pod", allow="A", action="POD.CREATE")
class CreatePodCommand:
    """Create a pod with its management subnet."""

    name: Annotated[str, "name of the pod"]
    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    gateway: Annotated[str | None, "gateway of the management subnet"] = None
    netmask: Annotated[str | None, "its netmask"] = None
    start_ip: Annotated[str | None, "first address for system VMs"] = None
    end_ip: Annotated[str | None, "last address for system VMs"] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    storage_access_groups: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("storage has no access groups")
    ] = None

    async def run(self, caller: Caller) -> Pod:
        pod_id = caller.new_id()
        fields = {
            "zone_id": self.zone_id,
            "name": self.name,
            "gateway": self.gateway or "",
            "netmask": self.netmask or "",
            "start_ip": self.start_ip or "",
            "end_ip": self.end_ip or "",
            "allocation_state": self.allocation_state or "Enabled",
        }
        await caller.decide(CreatePod(id=pod_id, space_id=caller.new_id(), fields=fields))
        return caller.cloud[pods][pod_id]


@command("updatePod", returns=PodView, key="pod", allow="A", action="POD.EDIT")
class UpdatePodCommand:
    """Change a pod; its range only while no address of it is taken."""

    id: Annotated[UUID, "the pod", Names("pod", right="operate")]
    name: Annotated[str | None, "new name"] = None
    gateway: Annotated[str | None, "gateway of the management subnet"] = None
    netmask: Annotated[str | None, "its netmask"] = None
    start_ip: Annotated[str | None, "first address for system VMs"] = None
    end_ip: Annotated[str | None, "last address for system VMs"] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None

    async def run(self, caller: Caller) -> Pod:
        asked: dict[str, Any] = {
            "name": self.name,
            "gateway": self.gateway,
            "netmask": self.netmask,
            "start_ip": self.start_ip,
            "end_ip": self.end_ip,
            "allocation_state": self.allocation_state,
        }
        fields = {name: value for name, value in asked.items() if value}
        await caller.perform(UpdatePod(id=self.id, space_id=caller.new_id(), fields=fields))
        return caller.cloud[pods][self.id]


@command("deletePod", returns=Success, allow="A", action="POD.DELETE")
class DeletePod:
    """Remove a pod that nothing is in any more."""

    id: Annotated[UUID, "the pod", Names("pod", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemovePod(id=self.id))


@list_command("listPods", view=PodView, table=pods, key="pod", scope="admin")
class ListPods:
    """List pods."""

    zone_id: Annotated[UUID | None, "pods of this zone", Names("zone", right="see")] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", state_words.ALLOCATION] = None
    show_capacities: Annotated[bool | None, "add how much there is", Filter()] = None
    storage_access_group: Annotated[str | None, "of this access group: none is", NONE_IS] = None

    def show(self, row: Pod, caller: Caller) -> PodView:
        made = PodView.of(row, caller.cloud)
        if self.show_capacities:
            made.capacity = capacities(caller.cloud, Place(row.zone_id, row.id))
        return made
