"""Commands about instance groups: names under which their owner gathers guests."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller
from api.declare import Names, Success, command
from api.lists import list_command
from api.scope import owner_for
from api.views.instance_group import InstanceGroupView
from engine.intents.instance_group import RemoveInstanceGroup
from engine.intents.record import CreateRecord, UpdateRecord
from projections.instance_group import InstanceGroup, instance_groups

KIND = instance_groups.kind


@command(
    "createInstanceGroup",
    returns=InstanceGroupView,
    key="instancegroup",
    allow="ARDU",
    action="INSTANCE.GROUP.CREATE",
)
class CreateInstanceGroup:
    """Make an instance group."""

    name: Annotated[str, "its name"]
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> InstanceGroup:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        fields = {"name": self.name, "account_id": account_id, "domain_id": domain_id}
        row_id = caller.new_id()
        await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        return caller.cloud[instance_groups][row_id]


@command(
    "updateInstanceGroup",
    returns=InstanceGroupView,
    key="instancegroup",
    allow="ARDU",
    action="INSTANCE.GROUP.UPDATE",
)
class UpdateInstanceGroup:
    """Rename an instance group."""

    id: Annotated[UUID, "the group", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None

    async def run(self, caller: Caller) -> InstanceGroup:
        fields = {"name": self.name} if self.name else {}
        await caller.decide(UpdateRecord(kind=KIND, id=self.id, fields=fields))
        return caller.cloud[instance_groups][self.id]


@command("deleteInstanceGroup", returns=Success, allow="ARDU", action="INSTANCE.GROUP.DELETE")
class DeleteInstanceGroup:
    """Delete an instance group. Its guests stay, and are in no group."""

    id: Annotated[UUID, "the group", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveInstanceGroup(group_id=self.id))


@list_command(
    "listInstanceGroups", view=InstanceGroupView, table=instance_groups, key="instancegroup"
)
class ListInstanceGroups:
    """List instance groups."""
