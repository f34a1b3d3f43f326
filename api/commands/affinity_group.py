"""Commands about affinity groups: which guests are to be apart, and which together."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.commands.vm_belongs import affinity_of
from api.declare import Bound, Length, Names, OneOf, Page, Success, command
from api.errors import InvalidValue, ParamError
from api.lists import Filter, cut, list_command
from api.scope import owner_for
from api.views.affinity_group import AffinityGroupTypeView, AffinityGroupView
from api.views.vm import VmView
from engine.intents.affinity_group import RemoveAffinityGroup, SetAffinity
from engine.intents.job import AsJob
from engine.intents.record import CreateRecord
from projections.affinity_group import KINDS, AffinityGroup, affinity_groups
from projections.vm import vms

KIND = affinity_groups.kind


@command(
    "createAffinityGroup",
    returns=AffinityGroupView,
    key="affinitygroup",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="AG.CREATE",
)
class CreateAffinityGroup:
    """Make an affinity group; guests join it when they are deployed, or while they are stopped."""

    name: Annotated[str, "its name"]
    type: Annotated[str, "see listAffinityGroupTypes", OneOf(*KINDS)]
    description: Annotated[str | None, "what it is for", Length(4096)] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> Job:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        fields = {"name": self.name, "kind": self.type, "description": self.description or ""}
        owner = {"account_id": account_id, "domain_id": domain_id}
        ask = CreateRecord(kind=KIND, id=caller.new_id(), fields=fields | owner)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=ask.id))


@command("deleteAffinityGroup", returns=Success, allow="ARDU", is_async=True, action="AG.DELETE")
class DeleteAffinityGroup:
    """Delete an affinity group. Its guests leave it, and go on where they are."""

    id: Annotated[UUID | None, "the group", Names(KIND, right="operate")] = None
    name: Annotated[str | None, "the group by its name, instead of its id"] = None
    account: Annotated[str | None, "with name: the account that owns it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that owns it", Names("project")] = None

    async def run(self, caller: Caller) -> Job:
        group_id = self.id or self._named(caller).id
        ask = RemoveAffinityGroup(group_id=group_id)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=group_id))

    def _named(self, caller: Caller) -> AffinityGroup:
        if not self.name:
            raise ParamError("deleteAffinityGroup needs id or name")
        account_id, _ = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        for row in caller.cloud[affinity_groups].by_text("name", self.name):
            if row.account_id == account_id:
                return row
        raise InvalidValue(
            f"there is no affinity group {self.name} in this account: see listAffinityGroups"
        )


@list_command(
    "listAffinityGroups", view=AffinityGroupView, table=affinity_groups, key="affinitygroup"
)
class ListAffinityGroups:
    """List affinity groups."""

    type: Annotated[str | None, "of this type", Filter("kind")] = None
    virtual_machine_id: Annotated[
        UUID | None, "those that this guest is in", Names("vm", right="see"), Filter()
    ] = None

    def matches(self, row: AffinityGroup, caller: Caller) -> bool:
        vm = caller.cloud[vms].get(self.virtual_machine_id)
        return vm is None or row.id in vm.affinity_group_ids


@command(
    "listAffinityGroupTypes",
    returns=AffinityGroupTypeView,
    key="affinityGroupType",
    shape="list",
    allow="ARDU",
)
class ListAffinityGroupTypes:
    """List the types that an affinity group can have."""

    keyword: Annotated[str | None, "text that the type contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        word = (self.keyword or "").casefold()
        found = [AffinityGroupTypeView(type=kind) for kind in KINDS if word in kind]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command(
    "updateVMAffinityGroup",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    envelope="updatevirtualmachineresponse",
    action="VM.AG.UPDATE",
)
class UpdateVmAffinityGroup:
    """Say which affinity groups a stopped guest is in: those named, and no others."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    affinity_group_ids: Annotated[
        tuple[UUID, ...] | None, "the groups; empty for none", Names(KIND)
    ] = None
    affinity_group_names: Annotated[
        tuple[str, ...] | None, "the groups by their names, instead of their ids"
    ] = None

    async def run(self, caller: Caller) -> Job:
        vm = caller.cloud[vms][self.id]
        groups = affinity_of(
            caller, vm.account_id, self.affinity_group_ids, self.affinity_group_names
        )
        ask = SetAffinity(vm_id=vm.id, group_ids=groups)
        return await caller.submit(AsJob(ask=ask, subject_kind="vm", subject_id=vm.id))
